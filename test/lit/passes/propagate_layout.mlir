// RUN: nestor-opt --nest-propagate-layout --canonicalize --split-input-file %s | FileCheck %s

// The argument is channels first, everything behind the pooling is not.
// CHECK-LABEL: func.func @through_maps
// CHECK-COUNT-1: nest.transpose
// CHECK: nest.pool
// CHECK-NEXT: nest.map
// CHECK: nest.pool
// CHECK-COUNT-1: nest.transpose
// CHECK-NOT: nest.transpose
func.func @through_maps(%x: tensor<1x4x8x8xf32>) -> tensor<1x4x2x2xf32> {
  %0 = nest.transpose %x {perm = array<i64: 0, 2, 3, 1>} : (tensor<1x4x8x8xf32>) -> tensor<1x8x8x4xf32>
  %1 = nest.pool %0 {kind = #nest.pool_kind<max>, kernel = array<i64: 2, 2>, strides = array<i64: 2, 2>,
    dilations = array<i64: 1, 1>, padBegin = array<i64: 0, 0>, padEnd = array<i64: 0, 0>}
    : (tensor<1x8x8x4xf32>) -> tensor<1x4x4x4xf32>
  %2 = nest.transpose %1 {perm = array<i64: 0, 3, 1, 2>} : (tensor<1x4x4x4xf32>) -> tensor<1x4x4x4xf32>
  %3 = nest.map %2 : tensor<1x4x4x4xf32> -> tensor<1x4x4x4xf32> {
  ^bb0(%a: f32):
    %n = arith.negf %a : f32
    nest.yield %n : f32
  }
  %4 = nest.transpose %3 {perm = array<i64: 0, 2, 3, 1>} : (tensor<1x4x4x4xf32>) -> tensor<1x4x4x4xf32>
  %5 = nest.pool %4 {kind = #nest.pool_kind<max>, kernel = array<i64: 2, 2>, strides = array<i64: 2, 2>,
    dilations = array<i64: 1, 1>, padBegin = array<i64: 0, 0>, padEnd = array<i64: 0, 0>}
    : (tensor<1x4x4x4xf32>) -> tensor<1x2x2x4xf32>
  %6 = nest.transpose %5 {perm = array<i64: 0, 3, 1, 2>} : (tensor<1x2x2x4xf32>) -> tensor<1x4x2x2xf32>
  return %6 : tensor<1x4x2x2xf32>
}

// -----

// CHECK-LABEL: func.func @axes
// CHECK: nest.concat %arg0, %arg0 {axis = 3 : i64}
// CHECK: nest.slice {{.*}} {starts = array<i64: 0, 1, 2, 3>, steps = array<i64: 1, 1, 1, 2>}
// CHECK: nest.pad {{.*}} {high = array<i64: 0, 0, 1, 0>, low = array<i64: 0, 0, 0, 2>
// CHECK: nest.reduce {{.*}} {axes = array<i64: 1, 2>
// CHECK: nest.reshape
// CHECK-NOT: nest.transpose
func.func @axes(%x: tensor<1x4x4x4xf32>) -> tensor<1x4xf32> {
  %0 = nest.transpose %x {perm = array<i64: 0, 3, 1, 2>} : (tensor<1x4x4x4xf32>) -> tensor<1x4x4x4xf32>
  %1 = nest.concat %0, %0 {axis = 1 : i64} : (tensor<1x4x4x4xf32>, tensor<1x4x4x4xf32>) -> tensor<1x8x4x4xf32>
  %2 = nest.slice %1 {starts = array<i64: 0, 3, 1, 2>, steps = array<i64: 1, 2, 1, 1>}
    : (tensor<1x8x4x4xf32>) -> tensor<1x2x3x2xf32>
  %3 = nest.pad %2 {low = array<i64: 0, 2, 0, 0>, high = array<i64: 0, 0, 0, 1>, mode = #nest.pad_mode<edge>}
    : (tensor<1x2x3x2xf32>) -> tensor<1x4x3x3xf32>
  %4 = nest.reduce %3 {kind = #nest.reduce_kind<mean>, axes = array<i64: 2, 3>}
    : (tensor<1x4x3x3xf32>) -> tensor<1x4x1x1xf32>
  %5 = nest.reshape %4 : (tensor<1x4x1x1xf32>) -> tensor<1x4xf32>
  return %5 : tensor<1x4xf32>
}

// -----

// Squeeze and excite: [N,C,1,1] is [N,1,1,C].
// CHECK-LABEL: func.func @squeeze_excite
// CHECK-SAME: %[[X:.*]]: tensor<1x8x8x4xf32>
// CHECK: %[[M:.*]] = nest.reduce %[[X]]
// CHECK: %[[S:.*]] = nest.map %[[M]]
// CHECK: %[[Y:.*]] = nest.map %[[X]], %[[S]] : tensor<1x8x8x4xf32>, tensor<1x1x1x4xf32>
// CHECK: %[[T:.*]] = nest.transpose %[[Y]]
// CHECK: return %[[T]]
func.func @squeeze_excite(%x: tensor<1x8x8x4xf32>) -> tensor<1x4x8x8xf32> {
  %0 = nest.transpose %x {perm = array<i64: 0, 3, 1, 2>} : (tensor<1x8x8x4xf32>) -> tensor<1x4x8x8xf32>
  %1 = nest.reduce %0 {kind = #nest.reduce_kind<mean>, axes = array<i64: 2, 3>}
    : (tensor<1x4x8x8xf32>) -> tensor<1x4x1x1xf32>
  %2 = nest.map %1 : tensor<1x4x1x1xf32> -> tensor<1x4x1x1xf32> {
  ^bb0(%a: f32):
    %n = arith.negf %a : f32
    nest.yield %n : f32
  }
  %3 = nest.map %0, %2 : tensor<1x4x8x8xf32>, tensor<1x4x1x1xf32> -> tensor<1x4x8x8xf32> {
  ^bb0(%a: f32, %b: f32):
    %m = arith.mulf %a, %b : f32
    nest.yield %m : f32
  }
  return %3 : tensor<1x4x8x8xf32>
}

// -----

// The shuffle exchanges group and channel, channels staying last.
// CHECK-LABEL: func.func @channel_shuffle
// CHECK: nest.reshape %arg0 : (tensor<1x5x5x6xf32>) -> tensor<1x5x5x2x3xf32>
// CHECK: nest.transpose {{.*}} {perm = array<i64: 0, 1, 2, 4, 3>}
// CHECK: %[[R:.*]] = nest.reshape {{.*}} -> tensor<1x5x5x6xf32>
// CHECK: return %[[R]]
func.func @channel_shuffle(%x: tensor<1x5x5x6xf32>) -> tensor<1x5x5x6xf32> {
  %0 = nest.transpose %x {perm = array<i64: 0, 3, 1, 2>} : (tensor<1x5x5x6xf32>) -> tensor<1x6x5x5xf32>
  %1 = nest.reshape %0 : (tensor<1x6x5x5xf32>) -> tensor<1x2x3x5x5xf32>
  %2 = nest.transpose %1 {perm = array<i64: 0, 2, 1, 3, 4>} : (tensor<1x2x3x5x5xf32>) -> tensor<1x3x2x5x5xf32>
  %3 = nest.reshape %2 : (tensor<1x3x2x5x5xf32>) -> tensor<1x6x5x5xf32>
  %4 = nest.transpose %3 {perm = array<i64: 0, 2, 3, 1>} : (tensor<1x6x5x5xf32>) -> tensor<1x5x5x6xf32>
  return %4 : tensor<1x5x5x6xf32>
}

// -----

// The head of a detector: [N,C,H,W] -> [N,HW,C].
// CHECK-LABEL: func.func @detector_head
// CHECK-NEXT: nest.reshape %arg0
// CHECK-NEXT: return
func.func @detector_head(%x: tensor<1x5x4x6xf32>) -> tensor<1x20x6xf32> {
  %0 = nest.transpose %x {perm = array<i64: 0, 3, 1, 2>} : (tensor<1x5x4x6xf32>) -> tensor<1x6x5x4xf32>
  %1 = nest.reshape %0 : (tensor<1x6x5x4xf32>) -> tensor<1x6x20xf32>
  %2 = nest.transpose %1 {perm = array<i64: 0, 2, 1>} : (tensor<1x6x20xf32>) -> tensor<1x20x6xf32>
  return %2 : tensor<1x20x6xf32>
}

// -----

// A product with the flattened tensor reads it in the order that it has.
// CHECK-LABEL: func.func @flatten
// CHECK: %[[F:.*]] = nest.const {{.*}}[1.000000e+00], [3.000000e+00], [2.000000e+00], [4.000000e+00]
// CHECK: %[[X:.*]] = nest.reshape %arg0
// CHECK: nest.conv %[[X]], %[[F]]
func.func @flatten(%x: tensor<1x1x2x2xf32>) -> tensor<1x1x1xf32> {
  %f = nest.const dense<[[[1.0], [2.0], [3.0], [4.0]]]> : tensor<1x4x1xf32>
  %0 = nest.transpose %x {perm = array<i64: 0, 3, 1, 2>} : (tensor<1x1x2x2xf32>) -> tensor<1x2x1x2xf32>
  %1 = nest.reshape %0 : (tensor<1x2x1x2xf32>) -> tensor<1x1x4xf32>
  %2 = nest.conv %1, %f {kernel = array<i64: 1>, strides = array<i64: 1>, dilations = array<i64: 1>,
      padBegin = array<i64: 0>, padEnd = array<i64: 0>, groups = 1}
    : (tensor<1x1x4xf32>, tensor<1x4x1xf32>) -> tensor<1x1x1xf32>
  return %2 : tensor<1x1x1xf32>
}

// -----

// Transposing the small tensor is cheaper.
// CHECK-LABEL: func.func @before_resize
// CHECK: nest.transpose %arg0
// CHECK-NEXT: nest.resize {{.*}} scales = array<f64: 1.000000e+00, 1.000000e+00, 2.000000e+00, 2.000000e+00>
func.func @before_resize(%x: tensor<1x2x2x3xf32>) -> tensor<1x3x4x4xf32> {
  %0 = nest.resize %x {scales = array<f64: 1.0, 2.0, 2.0, 1.0>, mode = #nest.resize_mode<linear>,
      coordinates = #nest.coordinate_mode<half_pixel>, nearest = #nest.nearest_mode<floor>}
    : (tensor<1x2x2x3xf32>) -> tensor<1x4x4x3xf32>
  %1 = nest.transpose %0 {perm = array<i64: 0, 3, 1, 2>} : (tensor<1x4x4x3xf32>) -> tensor<1x3x4x4xf32>
  return %1 : tensor<1x3x4x4xf32>
}

// -----

// Normalising over what is not last would be slower than the transpose.
// CHECK-LABEL: func.func @softmax_stays_last
// CHECK: nest.transpose
// CHECK-NEXT: nest.softmax {{.*}} {axis = 2 : i64}
func.func @softmax_stays_last(%x: tensor<1x8x4xf32>) -> tensor<1x4x8xf32> {
  %0 = nest.transpose %x {perm = array<i64: 0, 2, 1>} : (tensor<1x8x4xf32>) -> tensor<1x4x8xf32>
  %1 = nest.softmax %0 {axis = 2 : i64} : tensor<1x4x8xf32>
  return %1 : tensor<1x4x8xf32>
}
