func.func @main(%x: tensor<4x1x2xf32>, %state: tensor<1x1x3xf32>) -> (tensor<4x1x2xf32>, tensor<1x1x3xf32>) {
  %w = nest.const dense<1.0> : tensor<1x9x2xf32>
  %r = nest.const dense<2.0> : tensor<1x9x3xf32>
  %y, %h = "nest.gru"(%x, %w, %r, %state) {direction = #nest.direction<forward>, activations = ["Sigmoid", "Tanh"],
      activationAlpha = array<f64: 1.0, 1.0>, activationBeta = array<f64: 1.0, 1.0>,
      operandSegmentSizes = array<i32: 1, 1, 1, 0, 0, 1>}
    : (tensor<4x1x2xf32>, tensor<1x9x2xf32>, tensor<1x9x3xf32>, tensor<1x1x3xf32>)
    -> (tensor<4x1x1x3xf32>, tensor<1x1x3xf32>) loc("gru")
  %s = nest.reshape %y : (tensor<4x1x1x3xf32>) -> tensor<4x1x3xf32>
  %f = nest.const dense<1.0> : tensor<1x3x2xf32>
  %out = nest.conv %s, %f {dilations = array<i64: 1>, groups = 1, kernel = array<i64: 1>, padBegin = array<i64: 0>,
      padEnd = array<i64: 0>, strides = array<i64: 1>}
    : (tensor<4x1x3xf32>, tensor<1x3x2xf32>) -> tensor<4x1x2xf32> loc("out")
  return %out, %h : tensor<4x1x2xf32>, tensor<1x1x3xf32>
}
