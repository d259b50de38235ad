// RUN: nestor-opt %s --split-input-file --verify-diagnostics

func.func @extent(%x: tensor<2x8x4xf32>, %g: tensor<2x8x6xf32>) -> tensor<3x4x6xf32> {
  // expected-error @+1 {{spatial dimension 0 of the result must be 6, not 8}}
  %0 = nest.conv_filter_grad %x, %g {kernel = array<i64: 3>, strides = array<i64: 1>, dilations = array<i64: 1>,
      padBegin = array<i64: 0>, padEnd = array<i64: 0>, groups = 1 : i64}
      : (tensor<2x8x4xf32>, tensor<2x8x6xf32>) -> tensor<3x4x6xf32>
  return %0 : tensor<3x4x6xf32>
}

// -----

func.func @groups(%x: tensor<2x8x4xf32>, %g: tensor<2x8x6xf32>) -> tensor<1x1x6xf32> {
  // expected-error @+1 {{groups 4 must divide 4 inputs and 6 outputs}}
  %0 = nest.conv_filter_grad %x, %g {kernel = array<i64: 1>, strides = array<i64: 1>, dilations = array<i64: 1>,
      padBegin = array<i64: 0>, padEnd = array<i64: 0>, groups = 4 : i64}
      : (tensor<2x8x4xf32>, tensor<2x8x6xf32>) -> tensor<1x1x6xf32>
  return %0 : tensor<1x1x6xf32>
}

// -----

func.func @filter(%x: tensor<2x8x4xf32>, %g: tensor<2x8x6xf32>) -> tensor<1x4x6xf32> {
  // expected-error @+1 {{result must have shape [1, 2, 6], not [1, 4, 6]}}
  %0 = nest.conv_filter_grad %x, %g {kernel = array<i64: 1>, strides = array<i64: 1>, dilations = array<i64: 1>,
      padBegin = array<i64: 0>, padEnd = array<i64: 0>, groups = 2 : i64}
      : (tensor<2x8x4xf32>, tensor<2x8x6xf32>) -> tensor<1x4x6xf32>
  return %0 : tensor<1x4x6xf32>
}

// -----

func.func @elements(%x: tensor<2x8x4xf32>, %g: tensor<2x8x6xf64>) -> tensor<1x4x6xf32> {
  // expected-error @+1 {{mixes elements of type 'f32' and 'f64'}}
  %0 = nest.conv_filter_grad %x, %g {kernel = array<i64: 1>, strides = array<i64: 1>, dilations = array<i64: 1>,
      padBegin = array<i64: 0>, padEnd = array<i64: 0>, groups = 1 : i64}
      : (tensor<2x8x4xf32>, tensor<2x8x6xf64>) -> tensor<1x4x6xf32>
  return %0 : tensor<1x4x6xf32>
}

// -----

func.func @result_elements(%x: tensor<2x8x4xf32>, %g: tensor<2x8x6xf32>) -> tensor<1x4x6xf64> {
  // expected-error @+1 {{mixes elements of type 'f32' and 'f64'}}
  %0 = nest.conv_filter_grad %x, %g {kernel = array<i64: 1>, strides = array<i64: 1>, dilations = array<i64: 1>,
      padBegin = array<i64: 0>, padEnd = array<i64: 0>, groups = 1 : i64}
      : (tensor<2x8x4xf32>, tensor<2x8x6xf32>) -> tensor<1x4x6xf64>
  return %0 : tensor<1x4x6xf64>
}

// -----

func.func @winograd_tile(%x: tensor<2x8x8x4xf32>, %g: tensor<2x6x6x6xf32>) -> tensor<3x3x4x6xf32> {
  // expected-error @+1 {{winograd computes tiles of 2, 4 or 6 outputs, not 3}}
  %0 = nest.conv_filter_grad %x, %g {kernel = array<i64: 3, 3>, strides = array<i64: 1, 1>,
      dilations = array<i64: 1, 1>, padBegin = array<i64: 0, 0>, padEnd = array<i64: 0, 0>,
      groups = 1 : i64, nest.winograd = 3 : i64} : (tensor<2x8x8x4xf32>, tensor<2x6x6x6xf32>) -> tensor<3x3x4x6xf32>
  return %0 : tensor<3x3x4x6xf32>
}

// -----

func.func @winograd_kernel(%x: tensor<2x8x8x4xf32>, %g: tensor<2x8x8x6xf32>) -> tensor<1x1x4x6xf32> {
  // expected-error @+1 {{winograd is for filters of floats, 3x3 taps and one group}}
  %0 = nest.conv_filter_grad %x, %g {kernel = array<i64: 1, 1>, strides = array<i64: 1, 1>,
      dilations = array<i64: 1, 1>, padBegin = array<i64: 0, 0>, padEnd = array<i64: 0, 0>,
      groups = 1 : i64, nest.winograd = 2 : i64} : (tensor<2x8x8x4xf32>, tensor<2x8x8x6xf32>) -> tensor<1x1x4x6xf32>
  return %0 : tensor<1x1x4x6xf32>
}

// -----

func.func @winograd_groups(%x: tensor<2x8x8x4xf32>, %g: tensor<2x6x6x6xf32>) -> tensor<3x3x2x6xf32> {
  // expected-error @+1 {{winograd is for filters of floats, 3x3 taps and one group}}
  %0 = nest.conv_filter_grad %x, %g {kernel = array<i64: 3, 3>, strides = array<i64: 1, 1>,
      dilations = array<i64: 1, 1>, padBegin = array<i64: 0, 0>, padEnd = array<i64: 0, 0>,
      groups = 2 : i64, nest.winograd = 2 : i64} : (tensor<2x8x8x4xf32>, tensor<2x6x6x6xf32>) -> tensor<3x3x2x6xf32>
  return %0 : tensor<3x3x2x6xf32>
}

// -----

func.func @winograd_strides(%x: tensor<2x9x9x4xf32>, %g: tensor<2x4x4x6xf32>) -> tensor<3x3x4x6xf32> {
  // expected-error @+1 {{winograd is for gradients without strides and dilations}}
  %0 = nest.conv_filter_grad %x, %g {kernel = array<i64: 3, 3>, strides = array<i64: 2, 2>,
      dilations = array<i64: 1, 1>, padBegin = array<i64: 0, 0>, padEnd = array<i64: 0, 0>,
      groups = 1 : i64, nest.winograd = 2 : i64} : (tensor<2x9x9x4xf32>, tensor<2x4x4x6xf32>) -> tensor<3x3x4x6xf32>
  return %0 : tensor<3x3x4x6xf32>
}

// -----

func.func @winograd_dilations(%x: tensor<2x8x8x4xf32>, %g: tensor<2x4x4x6xf32>) -> tensor<3x3x4x6xf32> {
  // expected-error @+1 {{winograd is for gradients without strides and dilations}}
  %0 = nest.conv_filter_grad %x, %g {kernel = array<i64: 3, 3>, strides = array<i64: 1, 1>,
      dilations = array<i64: 2, 2>, padBegin = array<i64: 0, 0>, padEnd = array<i64: 0, 0>,
      groups = 1 : i64, nest.winograd = 4 : i64} : (tensor<2x8x8x4xf32>, tensor<2x4x4x6xf32>) -> tensor<3x3x4x6xf32>
  return %0 : tensor<3x3x4x6xf32>
}

// -----

func.func @winograd_stride(%x: tensor<2x8x8x4xf32>, %g: tensor<2x6x6x6xf32>) -> tensor<3x3x4x6xf32> {
  // expected-error @+1 {{winograd is for gradients without strides and dilations}}
  %0 = nest.conv_filter_grad %x, %g {kernel = array<i64: 3, 3>, strides = array<i64: 1, 1>,
      dilations = array<i64: 1, 1>, padBegin = array<i64: 0, 0>, padEnd = array<i64: 0, 0>, groups = 1 : i64,
      nest.winograd = 4 : i64, nest.winograd_stride = 2 : i64}
      : (tensor<2x8x8x4xf32>, tensor<2x6x6x6xf32>) -> tensor<3x3x4x6xf32>
  return %0 : tensor<3x3x4x6xf32>
}

// -----

func.func @pool_kind(%x: tensor<1x8x4xf32>, %g: tensor<1x7x4xf32>) -> tensor<1x8x4xf32> {
  // expected-error @+1 {{has max and avg only}}
  %0 = nest.pool_grad %x, %g {kind = #nest.pool_kind<lp>, kernel = array<i64: 2>, strides = array<i64: 1>,
      dilations = array<i64: 1>, padBegin = array<i64: 0>, padEnd = array<i64: 0>}
      : (tensor<1x8x4xf32>, tensor<1x7x4xf32>) -> tensor<1x8x4xf32>
  return %0 : tensor<1x8x4xf32>
}

// -----

func.func @pool_channels(%x: tensor<1x8x4xf32>, %g: tensor<1x7x3xf32>) -> tensor<1x8x4xf32> {
  // expected-error @+1 {{input and gradient differ in channels}}
  %0 = nest.pool_grad %x, %g {kind = #nest.pool_kind<max>, kernel = array<i64: 2>, strides = array<i64: 1>,
      dilations = array<i64: 1>, padBegin = array<i64: 0>, padEnd = array<i64: 0>}
      : (tensor<1x8x4xf32>, tensor<1x7x3xf32>) -> tensor<1x8x4xf32>
  return %0 : tensor<1x8x4xf32>
}
