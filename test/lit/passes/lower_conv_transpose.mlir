// RUN: nestor-opt --nest-lower-conv-transpose --canonicalize --split-input-file %s | FileCheck %s

// CHECK-LABEL: func.func @twice_as_large
// CHECK: nest.conv %arg0, {{.*}} kernel = array<i64: 1, 1>, padBegin = array<i64: 0, 0>, padEnd = array<i64: 0, 0>
// CHECK-SAME: -> tensor<1x4x4x12xf32>
// CHECK: nest.reshape {{.*}} -> tensor<1x4x4x3x2x2xf32>
// CHECK: nest.transpose {{.*}} {perm = array<i64: 0, 1, 4, 2, 5, 3>}
// CHECK: %[[Y:.*]] = nest.reshape {{.*}} -> tensor<1x8x8x3xf32>
// CHECK-NOT: nest.slice
// CHECK: return %[[Y]]
func.func @twice_as_large(%x: tensor<1x4x4x8xf32>, %f: tensor<2x2x8x3xf32>) -> tensor<1x8x8x3xf32> {
  %0 = nest.conv_transpose %x, %f {strides = array<i64: 2, 2>, dilations = array<i64: 1, 1>,
      padBegin = array<i64: 0, 0>, padEnd = array<i64: 0, 0>, groups = 1}
    : (tensor<1x4x4x8xf32>, tensor<2x2x8x3xf32>) -> tensor<1x8x8x3xf32>
  return %0 : tensor<1x8x8x3xf32>
}

// -----

// Four taps are two per phase; the border that pads take away is cropped.
// CHECK-LABEL: func.func @cropped
// CHECK: nest.conv %arg0, {{.*}} kernel = array<i64: 2>, padBegin = array<i64: 1>, padEnd = array<i64: 1>
// CHECK-SAME: -> tensor<1x5x6xf32>
// CHECK: nest.slice {{.*}} {starts = array<i64: 0, 1, 0>
// CHECK-SAME: (tensor<1x10x3xf32>) -> tensor<1x8x3xf32>
func.func @cropped(%x: tensor<1x4x8xf32>, %f: tensor<4x8x3xf32>, %b: tensor<3xf32>) -> tensor<1x8x3xf32> {
  %0 = nest.conv_transpose %x, %f bias %b {strides = array<i64: 2>, dilations = array<i64: 1>,
      padBegin = array<i64: 1>, padEnd = array<i64: 1>, groups = 1}
    : (tensor<1x4x8xf32>, tensor<4x8x3xf32>, tensor<3xf32>) -> tensor<1x8x3xf32>
  return %0 : tensor<1x8x3xf32>
}

// -----

// CHECK-LABEL: func.func @groups_stay
// CHECK: nest.conv_transpose
func.func @groups_stay(%x: tensor<1x4x8xf32>, %f: tensor<2x8x3xf32>) -> tensor<1x8x6xf32> {
  %0 = nest.conv_transpose %x, %f {strides = array<i64: 2>, dilations = array<i64: 1>,
      padBegin = array<i64: 0>, padEnd = array<i64: 0>, groups = 2}
    : (tensor<1x4x8xf32>, tensor<2x8x3xf32>) -> tensor<1x8x6xf32>
  return %0 : tensor<1x8x6xf32>
}

// -----

// An activation is applied where it can join the convolution.
// CHECK-LABEL: func.func @activation
// CHECK: %[[C:.*]] = nest.conv
// CHECK-NEXT: nest.map %[[C]] : tensor<1x4x6xf32> -> tensor<1x4x6xf32>
// CHECK: %[[Y:.*]] = nest.reshape {{.*}} -> tensor<1x8x3xf32>
// CHECK: return %[[Y]]
func.func @activation(%x: tensor<1x4x8xf32>, %f: tensor<2x8x3xf32>) -> tensor<1x8x3xf32> {
  %0 = nest.conv_transpose %x, %f {strides = array<i64: 2>, dilations = array<i64: 1>,
      padBegin = array<i64: 0>, padEnd = array<i64: 0>, groups = 1}
    : (tensor<1x4x8xf32>, tensor<2x8x3xf32>) -> tensor<1x8x3xf32>
  %1 = nest.map %0 : tensor<1x8x3xf32> -> tensor<1x8x3xf32> {
  ^bb0(%a: f32):
    %e = math.exp %a : f32
    nest.yield %e : f32
  }
  return %1 : tensor<1x8x3xf32>
}
