// RUN: nestor-opt --nest-scale-input="extents=32,24" --split-input-file --verify-diagnostics %s | FileCheck %s

// The input and the result keep their types; what lies between follows. Every
// second pixel, the border and the window over all of the image go on being that.
// CHECK-LABEL: func.func @image
// CHECK-SAME: (%[[X:.*]]: tensor<1x3x64x48xf32>) -> tensor<1x1x1x4xf32>
// CHECK: %[[S:.*]] = nest.resize %[[X]] {{.*}}scales = array<f64: 1.000000e+00, 1.000000e+00, 5.000000e-01, 5.000000e-01>
// CHECK-SAME: -> tensor<1x3x32x24xf32>
// CHECK: nest.transpose %[[S]] {{.*}} -> tensor<1x32x24x3xf32>
// CHECK: nest.conv {{.*}} -> tensor<1x16x12x4xf32>
// CHECK: nest.slice {{.*}} -> tensor<1x8x6x4xf32>
// CHECK: nest.pad {{.*}} -> tensor<1x8x7x4xf32>
// CHECK: nest.map {{.*}} -> tensor<1x8x7x4xf32>
// CHECK: nest.pool {{.*}}kernel = array<i64: 8, 7>{{.*}} -> tensor<1x1x1x4xf32>
func.func @image(%x: tensor<1x3x64x48xf32>) -> tensor<1x1x1x4xf32> {
  %f = nest.const dense<1.0> : tensor<3x3x3x4xf32>
  %b = nest.const dense<2.0> : tensor<4xf32>
  %t = nest.transpose %x {perm = array<i64: 0, 2, 3, 1>} : (tensor<1x3x64x48xf32>) -> tensor<1x64x48x3xf32>
  %0 = nest.conv %t, %f {dilations = array<i64: 1, 1>, groups = 1, kernel = array<i64: 3, 3>,
      padBegin = array<i64: 0, 0>, padEnd = array<i64: 1, 1>, strides = array<i64: 2, 2>}
    : (tensor<1x64x48x3xf32>, tensor<3x3x3x4xf32>) -> tensor<1x32x24x4xf32>
  %1 = nest.slice %0 {starts = array<i64: 0, 0, 0, 0>, steps = array<i64: 1, 2, 2, 1>}
    : (tensor<1x32x24x4xf32>) -> tensor<1x16x12x4xf32>
  %2 = nest.pad %1 {low = array<i64: 0, 0, 1, 0>, high = array<i64: 0, 0, 0, 0>, mode = #nest.pad_mode<constant>}
    : (tensor<1x16x12x4xf32>) -> tensor<1x16x13x4xf32>
  %3 = nest.map %2, %b : tensor<1x16x13x4xf32>, tensor<4xf32> -> tensor<1x16x13x4xf32> {
  ^bb0(%p: f32, %q: f32):
    %s = arith.addf %p, %q : f32
    nest.yield %s : f32
  }
  %4 = nest.pool %3 {dilations = array<i64: 1, 1>, kernel = array<i64: 16, 13>, kind = #nest.pool_kind<avg>,
      padBegin = array<i64: 0, 0>, padEnd = array<i64: 0, 0>, strides = array<i64: 1, 1>}
    : (tensor<1x16x13x4xf32>) -> tensor<1x1x1x4xf32>
  return %4 : tensor<1x1x1x4xf32>
}

// -----

// A channel shuffle and a mean look at no place.
// CHECK-LABEL: func.func @shuffle
// CHECK: nest.reshape {{.*}} -> tensor<1x32x24x2x2xf32>
// CHECK: nest.transpose {{.*}} -> tensor<1x32x24x2x2xf32>
// CHECK: nest.reshape {{.*}} -> tensor<1x32x24x4xf32>
// CHECK: nest.reduce {{.*}} -> tensor<1x1x1x4xf32>
func.func @shuffle(%x: tensor<1x64x48x1xf32>) -> tensor<1x1x1x4xf32> {
  %f = nest.const dense<1.0> : tensor<1x1x1x4xf32>
  %0 = nest.conv %x, %f {dilations = array<i64: 1, 1>, groups = 1, kernel = array<i64: 1, 1>,
      padBegin = array<i64: 0, 0>, padEnd = array<i64: 0, 0>, strides = array<i64: 1, 1>}
    : (tensor<1x64x48x1xf32>, tensor<1x1x1x4xf32>) -> tensor<1x64x48x4xf32>
  %1 = nest.reshape %0 : (tensor<1x64x48x4xf32>) -> tensor<1x64x48x2x2xf32>
  %2 = nest.transpose %1 {perm = array<i64: 0, 1, 2, 4, 3>} : (tensor<1x64x48x2x2xf32>) -> tensor<1x64x48x2x2xf32>
  %3 = nest.reshape %2 : (tensor<1x64x48x2x2xf32>) -> tensor<1x64x48x4xf32>
  %4 = nest.reduce %3 {kind = #nest.reduce_kind<mean>, axes = array<i64: 1, 2>}
    : (tensor<1x64x48x4xf32>) -> tensor<1x1x1x4xf32>
  return %4 : tensor<1x1x1x4xf32>
}

// -----

// expected-error@+1 {{its input cannot be scaled: the model's outputs have the extents of its input}}
func.func @map(%x: tensor<1x64x48x1xf32>) -> tensor<1x64x48x4xf32> {
  %f = nest.const dense<1.0> : tensor<1x1x1x4xf32>
  %0 = nest.conv %x, %f {dilations = array<i64: 1, 1>, groups = 1, kernel = array<i64: 1, 1>,
      padBegin = array<i64: 0, 0>, padEnd = array<i64: 0, 0>, strides = array<i64: 1, 1>}
    : (tensor<1x64x48x1xf32>, tensor<1x1x1x4xf32>) -> tensor<1x64x48x4xf32>
  return %0 : tensor<1x64x48x4xf32>
}

// -----

// A learned value for each place.
// expected-error@+1 {{node 'positions' (nest.map) works with one size of the input only}}
func.func @positions(%x: tensor<1x64x48x1xf32>) -> tensor<1x1x1x1xf32> {
  %f = nest.const dense<1.0> : tensor<1x1x1x1xf32>
  %e = nest.const dense<1.0> : tensor<1x64x48x1xf32>
  %0 = nest.conv %x, %f {dilations = array<i64: 1, 1>, groups = 1, kernel = array<i64: 1, 1>,
      padBegin = array<i64: 0, 0>, padEnd = array<i64: 0, 0>, strides = array<i64: 1, 1>}
    : (tensor<1x64x48x1xf32>, tensor<1x1x1x1xf32>) -> tensor<1x64x48x1xf32>
  %1 = nest.map %0, %e : tensor<1x64x48x1xf32>, tensor<1x64x48x1xf32> -> tensor<1x64x48x1xf32> {
  ^bb0(%p: f32, %q: f32):
    %s = arith.addf %p, %q : f32
    nest.yield %s : f32
  } loc("positions")
  %2 = nest.reduce %1 {kind = #nest.reduce_kind<mean>, axes = array<i64: 1, 2>}
    : (tensor<1x64x48x1xf32>) -> tensor<1x1x1x1xf32>
  return %2 : tensor<1x1x1x1xf32>
}

// -----

// A fully connected layer over all places.
// expected-error@+1 {{node 'flatten' (nest.reshape) works with one size of the input only}}
func.func @flatten(%x: tensor<1x64x48x1xf32>) -> tensor<1x3072xf32> {
  %f = nest.const dense<1.0> : tensor<1x1x1x1xf32>
  %0 = nest.conv %x, %f {dilations = array<i64: 1, 1>, groups = 1, kernel = array<i64: 1, 1>,
      padBegin = array<i64: 0, 0>, padEnd = array<i64: 0, 0>, strides = array<i64: 1, 1>}
    : (tensor<1x64x48x1xf32>, tensor<1x1x1x1xf32>) -> tensor<1x64x48x1xf32>
  %1 = nest.reshape %0 : (tensor<1x64x48x1xf32>) -> tensor<1x3072xf32> loc("flatten")
  return %1 : tensor<1x3072xf32>
}

// -----

// expected-error@+1 {{its input cannot be scaled: it has no single input that windows slide over}}
func.func @vector(%x: tensor<1x64xf32>) -> tensor<1x64xf32> {
  return %x : tensor<1x64xf32>
}
