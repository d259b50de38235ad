// RUN: nestor-opt --nest-round-filters="element=f16" --split-input-file --verify-diagnostics %s

func.func @main(%x: tensor<1x5x4xf32>) -> tensor<1x5x4xf32> {
  %f = nest.const dense<4.0e4> : tensor<1x4x4xf32>
  // expected-error @+1 {{a weight is 4.000000e+04, which 'f16' has no room for: use --weights bf16}}
  %0 = nest.conv %x, %f {kernel = array<i64: 1>, strides = array<i64: 1>, dilations = array<i64: 1>,
      padBegin = array<i64: 0>, padEnd = array<i64: 0>, groups = 1}
    : (tensor<1x5x4xf32>, tensor<1x4x4xf32>) -> tensor<1x5x4xf32>
  return %0 : tensor<1x5x4xf32>
}

// -----

func.func @main(%x: tensor<1x5x4xf32>) -> tensor<1x5x4xf32> {
  %f = nest.const dense<0x7F800000> : tensor<1x4x4xf32>
  // expected-error @+1 {{which 'f16' has no room for: use --weights f32}}
  %0 = nest.conv %x, %f {kernel = array<i64: 1>, strides = array<i64: 1>, dilations = array<i64: 1>,
      padBegin = array<i64: 0>, padEnd = array<i64: 0>, groups = 1}
    : (tensor<1x5x4xf32>, tensor<1x4x4xf32>) -> tensor<1x5x4xf32>
  return %0 : tensor<1x5x4xf32>
}
