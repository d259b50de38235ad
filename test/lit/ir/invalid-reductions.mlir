// RUN: nestor-opt %s --split-input-file --verify-diagnostics

func.func @twice(%x: tensor<2x3xf32>) -> tensor<2x1xf32> {
  // expected-error @+1 {{axis 1 is named twice}}
  %0 = nest.reduce %x {kind = #nest.reduce_kind<sum>, axes = array<i64: 1, 1>}
      : (tensor<2x3xf32>) -> tensor<2x1xf32>
  return %0 : tensor<2x1xf32>
}

// -----

func.func @arg_of_nothing(%x: tensor<2x0xf32>) -> tensor<2x1xi64> {
  // expected-error @+1 {{axis 1 has no elements}}
  %0 = nest.arg_reduce %x {axis = 1 : i64} : (tensor<2x0xf32>) -> tensor<2x1xi64>
  return %0 : tensor<2x1xi64>
}

// -----

func.func @softmax(%x: tensor<2x3xf32>) -> tensor<2x3xf32> {
  // expected-error @+1 {{axis -1 is out of range for rank 2}}
  %0 = nest.softmax %x {axis = -1 : i64} : tensor<2x3xf32>
  return %0 : tensor<2x3xf32>
}

// -----

func.func @norm_scale(%x: tensor<2x3xf32>, %s: tensor<2xf32>) -> tensor<2x3xf32> {
  // expected-error @+1 {{operand 'tensor<2xf32>' does not broadcast to the result}}
  %0 = nest.norm %x scale %s {axis = 1 : i64, epsilon = 1.0e-5 : f64}
      : (tensor<2x3xf32>, tensor<2xf32>) -> tensor<2x3xf32>
  return %0 : tensor<2x3xf32>
}

// -----

func.func @lrn(%x: tensor<2x3xf32>) -> tensor<2x3xf32> {
  // expected-error @+1 {{window size must be positive}}
  %0 = nest.lrn %x {size = 0 : i64, alpha = 1.0 : f64, beta = 1.0 : f64, k = 1.0 : f64} : tensor<2x3xf32>
  return %0 : tensor<2x3xf32>
}

// -----

func.func @topk(%x: tensor<3xf32>) -> (tensor<4xf32>, tensor<4xi64>) {
  // expected-error @+1 {{k is 4 but the axis has 3 elements}}
  %0, %1 = nest.topk %x {k = 4 : i64, axis = 0 : i64} : (tensor<3xf32>) -> (tensor<4xf32>, tensor<4xi64>)
  return %0, %1 : tensor<4xf32>, tensor<4xi64>
}

// -----

func.func @scale(%x: tensor<3xf32>) -> tensor<4xf32> {
  // expected-error @+1 {{scale of dimension 0 must be positive}}
  %0 = nest.resize %x {scales = array<f64: 0.0>, mode = #nest.resize_mode<linear>,
      coordinates = #nest.coordinate_mode<half_pixel>, nearest = #nest.nearest_mode<floor>}
      : (tensor<3xf32>) -> tensor<4xf32>
  return %0 : tensor<4xf32>
}

// -----

func.func @roi(%x: tensor<3xf32>) -> tensor<4xf32> {
  // expected-error @+1 {{tf_crop_and_resize needs a roi}}
  %0 = nest.resize %x {scales = array<f64: 1.0>, mode = #nest.resize_mode<linear>,
      coordinates = #nest.coordinate_mode<tf_crop_and_resize>, nearest = #nest.nearest_mode<floor>}
      : (tensor<3xf32>) -> tensor<4xf32>
  return %0 : tensor<4xf32>
}

// -----

func.func @rnn(%x: tensor<2x1x3xf32>, %w: tensor<1x4x3xf32>, %r: tensor<1x4x4xf32>)
    -> (tensor<2x1x1x4xf32>, tensor<1x1x4xf32>) {
  // expected-error @+1 {{needs 1 activations with as many alphas and betas}}
  %0, %1 = "nest.rnn"(%x, %w, %r) {operandSegmentSizes = array<i32: 1, 1, 1, 0, 0, 0>,
      direction = #nest.direction<forward>, activations = [], activationAlpha = array<f64>,
      activationBeta = array<f64>} : (tensor<2x1x3xf32>, tensor<1x4x3xf32>, tensor<1x4x4xf32>)
      -> (tensor<2x1x1x4xf32>, tensor<1x1x4xf32>)
  return %0, %1 : tensor<2x1x1x4xf32>, tensor<1x1x4xf32>
}

// -----

func.func @gru(%x: tensor<2x1x3xf32>, %w: tensor<1x8x3xf32>, %r: tensor<1x12x4xf32>)
    -> (tensor<2x1x1x4xf32>, tensor<1x1x4xf32>) {
  // expected-error @+1 {{weights must have shape [1, 12, 3], not [1, 8, 3]}}
  %0, %1 = "nest.gru"(%x, %w, %r) {operandSegmentSizes = array<i32: 1, 1, 1, 0, 0, 0>,
      direction = #nest.direction<forward>, activations = ["Sigmoid", "Tanh"],
      activationAlpha = array<f64: 0.0, 0.0>, activationBeta = array<f64: 0.0, 0.0>}
      : (tensor<2x1x3xf32>, tensor<1x8x3xf32>, tensor<1x12x4xf32>)
      -> (tensor<2x1x1x4xf32>, tensor<1x1x4xf32>)
  return %0, %1 : tensor<2x1x1x4xf32>, tensor<1x1x4xf32>
}
