func.func @main(%x: tensor<1x4x3xf32>) -> tensor<1x4x8xf32> {
  %f = nest.const dense<4.0e4> : tensor<1x3x8xf32>
  %y = nest.conv %x, %f {kernel = array<i64: 1>, strides = array<i64: 1>, dilations = array<i64: 1>,
      padBegin = array<i64: 0>, padEnd = array<i64: 0>, groups = 1 : i64}
    : (tensor<1x4x3xf32>, tensor<1x3x8xf32>) -> tensor<1x4x8xf32>
  return %y : tensor<1x4x8xf32>
}
