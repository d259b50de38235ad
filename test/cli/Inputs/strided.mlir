// A convolution of stride 2, large enough for Winograd's algorithm, in two capacities.
nest.global @first = dense<0.0625> : tensor<3x3x64x64xf32> edges [[], [], [], [array<i64: 24, 64>]]
nest.global @second = dense<0.25> : tensor<1x1x64x4xf32> edges [[], [], [array<i64: 24, 64>], []]

func.func @capacity_0(%x: tensor<1x32x32x64xf32> {nest.name = "x"}) -> (tensor<1x16x16x4xf32> {nest.name = "y"}) {
  %f = nest.weight @first at 0 : tensor<3x3x64x24xf32>
  %s = nest.weight @second at 0 : tensor<1x1x24x4xf32>
  %a = nest.conv %x, %f {kernel = array<i64: 3, 3>, strides = array<i64: 2, 2>, dilations = array<i64: 1, 1>, padBegin = array<i64: 1, 0>, padEnd = array<i64: 1, 1>, groups = 1 : i64}
      : (tensor<1x32x32x64xf32>, tensor<3x3x64x24xf32>) -> tensor<1x16x16x24xf32>
  %y = nest.conv %a, %s {kernel = array<i64: 1, 1>, strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, padBegin = array<i64: 0, 0>, padEnd = array<i64: 0, 0>, groups = 1 : i64}
      : (tensor<1x16x16x24xf32>, tensor<1x1x24x4xf32>) -> tensor<1x16x16x4xf32>
  return %y : tensor<1x16x16x4xf32>
}

func.func @main(%x: tensor<1x32x32x64xf32> {nest.name = "x"}) -> (tensor<1x16x16x4xf32> {nest.name = "y"}) {
  %f = nest.weight @first at 1 : tensor<3x3x64x64xf32>
  %s = nest.weight @second at 1 : tensor<1x1x64x4xf32>
  %a = nest.conv %x, %f {kernel = array<i64: 3, 3>, strides = array<i64: 2, 2>, dilations = array<i64: 1, 1>, padBegin = array<i64: 1, 0>, padEnd = array<i64: 1, 1>, groups = 1 : i64}
      : (tensor<1x32x32x64xf32>, tensor<3x3x64x64xf32>) -> tensor<1x16x16x64xf32>
  %y = nest.conv %a, %s {kernel = array<i64: 1, 1>, strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, padBegin = array<i64: 0, 0>, padEnd = array<i64: 0, 0>, groups = 1 : i64}
      : (tensor<1x16x16x64xf32>, tensor<1x1x64x4xf32>) -> tensor<1x16x16x4xf32>
  return %y : tensor<1x16x16x4xf32>
}
