// Two convolutions in three capacities, about 0.25, 0.5 and 1 of the MACs.
nest.global @first = dense<0.125> : tensor<3x3x3x16xf32> edges [[], [], [], [array<i64: 4, 8, 16>]]
nest.global @second = dense<0.25> : tensor<3x3x16x4xf32> edges [[], [], [array<i64: 4, 8, 16>], []]

func.func @capacity_0(%x: tensor<1x6x6x3xf32> {nest.name = "x"}) -> (tensor<1x6x6x4xf32> {nest.name = "y"}) {
  %f = nest.weight @first at 0 : tensor<3x3x3x4xf32>
  %s = nest.weight @second at 0 : tensor<3x3x4x4xf32>
  %b = nest.const dense<0.5> : tensor<4xf32>
  %a = nest.conv %x, %f {kernel = array<i64: 3, 3>, strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, padBegin = array<i64: 1, 1>, padEnd = array<i64: 1, 1>, groups = 1 : i64}
      : (tensor<1x6x6x3xf32>, tensor<3x3x3x4xf32>) -> tensor<1x6x6x4xf32>
  %y = nest.conv %a, %s bias %b {kernel = array<i64: 3, 3>, strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, padBegin = array<i64: 1, 1>, padEnd = array<i64: 1, 1>, groups = 1 : i64}
      : (tensor<1x6x6x4xf32>, tensor<3x3x4x4xf32>, tensor<4xf32>) -> tensor<1x6x6x4xf32>
  return %y : tensor<1x6x6x4xf32>
}

func.func @capacity_1(%x: tensor<1x6x6x3xf32> {nest.name = "x"}) -> (tensor<1x6x6x4xf32> {nest.name = "y"}) {
  %f = nest.weight @first at 1 : tensor<3x3x3x8xf32>
  %s = nest.weight @second at 1 : tensor<3x3x8x4xf32>
  %b = nest.const dense<1.5> : tensor<4xf32>
  %a = nest.conv %x, %f {kernel = array<i64: 3, 3>, strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, padBegin = array<i64: 1, 1>, padEnd = array<i64: 1, 1>, groups = 1 : i64}
      : (tensor<1x6x6x3xf32>, tensor<3x3x3x8xf32>) -> tensor<1x6x6x8xf32>
  %y = nest.conv %a, %s bias %b {kernel = array<i64: 3, 3>, strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, padBegin = array<i64: 1, 1>, padEnd = array<i64: 1, 1>, groups = 1 : i64}
      : (tensor<1x6x6x8xf32>, tensor<3x3x8x4xf32>, tensor<4xf32>) -> tensor<1x6x6x4xf32>
  return %y : tensor<1x6x6x4xf32>
}

func.func @main(%x: tensor<1x6x6x3xf32> {nest.name = "x"}) -> (tensor<1x6x6x4xf32> {nest.name = "y"}) {
  %f = nest.weight @first at 2 : tensor<3x3x3x16xf32>
  %s = nest.weight @second at 2 : tensor<3x3x16x4xf32>
  %b = nest.const dense<2.5> : tensor<4xf32>
  %a = nest.conv %x, %f {kernel = array<i64: 3, 3>, strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, padBegin = array<i64: 1, 1>, padEnd = array<i64: 1, 1>, groups = 1 : i64}
      : (tensor<1x6x6x3xf32>, tensor<3x3x3x16xf32>) -> tensor<1x6x6x16xf32>
  %y = nest.conv %a, %s bias %b {kernel = array<i64: 3, 3>, strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, padBegin = array<i64: 1, 1>, padEnd = array<i64: 1, 1>, groups = 1 : i64}
      : (tensor<1x6x6x16xf32>, tensor<3x3x16x4xf32>, tensor<4xf32>) -> tensor<1x6x6x4xf32>
  return %y : tensor<1x6x6x4xf32>
}
