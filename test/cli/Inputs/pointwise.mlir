// Two layers with enough channels for Strassen's algorithm, in two capacities; the
// smaller one's channels are no whole spans.
nest.global @first = dense<0.0625> : tensor<1x768x768xf32> edges [[], [], [array<i64: 208, 768>]]
nest.global @second = dense<0.03125> : tensor<1x768x768xf32> edges [[], [array<i64: 208, 768>], []]

func.func @capacity_0(%x: tensor<1x101x768xf32> {nest.name = "x"}) -> (tensor<1x101x768xf32> {nest.name = "y"}) {
  %f = nest.weight @first at 0 : tensor<1x768x208xf32>
  %s = nest.weight @second at 0 : tensor<1x208x768xf32>
  %a = nest.conv %x, %f {kernel = array<i64: 1>, strides = array<i64: 1>, dilations = array<i64: 1>, padBegin = array<i64: 0>, padEnd = array<i64: 0>, groups = 1 : i64}
      : (tensor<1x101x768xf32>, tensor<1x768x208xf32>) -> tensor<1x101x208xf32>
  %y = nest.conv %a, %s {kernel = array<i64: 1>, strides = array<i64: 1>, dilations = array<i64: 1>, padBegin = array<i64: 0>, padEnd = array<i64: 0>, groups = 1 : i64}
      : (tensor<1x101x208xf32>, tensor<1x208x768xf32>) -> tensor<1x101x768xf32>
  return %y : tensor<1x101x768xf32>
}

func.func @main(%x: tensor<1x101x768xf32> {nest.name = "x"}) -> (tensor<1x101x768xf32> {nest.name = "y"}) {
  %f = nest.weight @first at 1 : tensor<1x768x768xf32>
  %s = nest.weight @second at 1 : tensor<1x768x768xf32>
  %a = nest.conv %x, %f {kernel = array<i64: 1>, strides = array<i64: 1>, dilations = array<i64: 1>, padBegin = array<i64: 0>, padEnd = array<i64: 0>, groups = 1 : i64}
      : (tensor<1x101x768xf32>, tensor<1x768x768xf32>) -> tensor<1x101x768xf32>
  %y = nest.conv %a, %s {kernel = array<i64: 1>, strides = array<i64: 1>, dilations = array<i64: 1>, padBegin = array<i64: 0>, padEnd = array<i64: 0>, groups = 1 : i64}
      : (tensor<1x101x768xf32>, tensor<1x768x768xf32>) -> tensor<1x101x768xf32>
  return %y : tensor<1x101x768xf32>
}
