// RUN: nestor-opt --nest-find-cuts --split-input-file %s | FileCheck %s
// RUN: nestor-opt --nest-find-cuts="max-tensors=1" --split-input-file %s | FileCheck %s --check-prefix=SINGLE
// RUN: nestor-opt --nest-find-cuts="max-cuts=1" --split-input-file %s | FileCheck %s --check-prefix=ONE
// RUN: nestor-opt --nest-find-cuts --nest-find-cuts="max-cuts=0" --split-input-file %s | FileCheck %s

// A residual block: the activation stays with its product, the addition with
// the product that it ends, and %x is alive at the cut inside.
// CHECK-LABEL: func.func @residual
// CHECK-SAME: nest.block_count = 3 : i64
// CHECK: %[[A:.*]] = nest.matmul %arg0, %arg1 {{.*}}nest.block = 0 : i64
// CHECK: %[[R:.*]] = nest.map %[[A]] {{.*}}nest.block = 0 : i64
// CHECK: %[[B:.*]] = nest.matmul %[[R]], %arg1 {{.*}}nest.block = 1 : i64
// CHECK: %[[S:.*]] = nest.map %[[B]], %arg0 {{.*}}nest.block = 1 : i64
// CHECK: nest.matmul %[[S]], %arg1 {{.*}}nest.block = 2 : i64
// All cuts have two tensors or more: the weights are an argument here.
// SINGLE-LABEL: func.func @residual
// SINGLE-SAME: nest.block_count = 1 : i64
// The one behind the addition has fewer bytes.
// ONE-LABEL: func.func @residual
// ONE-SAME: nest.block_count = 2 : i64
// ONE: nest.map {{.*}}nest.block = 0 : i64
// ONE: nest.map {{.*}}nest.block = 0 : i64
// ONE: nest.matmul {{.*}}nest.block = 1 : i64
func.func @residual(%x: tensor<4x8xf32>, %w: tensor<8x8xf32>) -> tensor<4x8xf32> {
  %0 = nest.matmul %x, %w : (tensor<4x8xf32>, tensor<8x8xf32>) -> tensor<4x8xf32>
  %1 = nest.map %0 : tensor<4x8xf32> -> tensor<4x8xf32> {
  ^bb0(%a: f32):
    %n = arith.negf %a : f32
    nest.yield %n : f32
  }
  %2 = nest.matmul %1, %w : (tensor<4x8xf32>, tensor<8x8xf32>) -> tensor<4x8xf32>
  %3 = nest.map %2, %x : tensor<4x8xf32>, tensor<4x8xf32> -> tensor<4x8xf32> {
  ^bb0(%a: f32, %b: f32):
    %s = arith.addf %a, %b : f32
    nest.yield %s : f32
  }
  %4 = nest.matmul %3, %w : (tensor<4x8xf32>, tensor<8x8xf32>) -> tensor<4x8xf32>
  return %4 : tensor<4x8xf32>
}

// -----

// Work on a second input waits for its reader, so that the input is what is
// alive at cuts before.
// CHECK-LABEL: func.func @second_input
// CHECK: nest.map %arg1 {{.*}}nest.block = 1 : i64
// CHECK: nest.matmul %arg0, %arg0 {{.*}}nest.block = 0 : i64
// CHECK: nest.matmul {{.*}}nest.block = 1 : i64
func.func @second_input(%x: tensor<8x8xf32>, %y: tensor<8x8xf32>) -> tensor<8x8xf32> {
  %0 = nest.map %y : tensor<8x8xf32> -> tensor<8x8xf32> {
  ^bb0(%a: f32):
    %n = arith.negf %a : f32
    nest.yield %n : f32
  }
  %1 = nest.matmul %x, %x : (tensor<8x8xf32>, tensor<8x8xf32>) -> tensor<8x8xf32>
  %2 = nest.matmul %1, %0 : (tensor<8x8xf32>, tensor<8x8xf32>) -> tensor<8x8xf32>
  return %2 : tensor<8x8xf32>
}

// -----

// A mean that is subtracted from what it is the mean of begins no block: %arg0
// is alive behind it, too. One that a product reads does.
// CHECK-LABEL: func.func @means
// CHECK-SAME: nest.block_count = 3 : i64
// CHECK: nest.reduce {{.*}}nest.block = 0 : i64
// CHECK: nest.map {{.*}}nest.block = 0 : i64
// CHECK: nest.matmul {{.*}}nest.block = 0 : i64
// CHECK: nest.reduce {{.*}}nest.block = 1 : i64
// CHECK: nest.matmul {{.*}}nest.block = 2 : i64
func.func @means(%x: tensor<8x8xf32>) -> tensor<1x8xf32> {
  %0 = nest.reduce %x {kind = #nest.reduce_kind<mean>, axes = array<i64: 1>}
      : (tensor<8x8xf32>) -> tensor<8x1xf32>
  %1 = nest.map %x, %0 : tensor<8x8xf32>, tensor<8x1xf32> -> tensor<8x8xf32> {
  ^bb0(%a: f32, %b: f32):
    %s = arith.subf %a, %b : f32
    nest.yield %s : f32
  }
  %2 = nest.matmul %1, %1 : (tensor<8x8xf32>, tensor<8x8xf32>) -> tensor<8x8xf32>
  %3 = nest.reduce %2 {kind = #nest.reduce_kind<mean>, axes = array<i64: 0>}
      : (tensor<8x8xf32>) -> tensor<1x8xf32>
  %4 = nest.matmul %3, %x : (tensor<1x8xf32>, tensor<8x8xf32>) -> tensor<1x8xf32>
  return %4 : tensor<1x8xf32>
}

// -----

// Squeeze and excitation: a mean that comes back by way of products begins no
// block either, so that it may be summed where %0 is computed.
// CHECK-LABEL: func.func @excitation
// CHECK-SAME: nest.block_count = 2 : i64
// CHECK: nest.conv %arg0, %arg1 {{.*}}nest.block = 0 : i64
// CHECK: nest.reduce {{.*}}nest.block = 0 : i64
// CHECK: nest.conv {{.*}}nest.block = 1 : i64
// CHECK: nest.map {{.*}}nest.block = 1 : i64
func.func @excitation(%x: tensor<1x4x4x8xf32>, %f: tensor<1x1x8x8xf32>) -> tensor<1x4x4x8xf32> {
  %0 = nest.conv %x, %f {kernel = array<i64: 1, 1>, strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>,
      padBegin = array<i64: 0, 0>, padEnd = array<i64: 0, 0>, groups = 1}
    : (tensor<1x4x4x8xf32>, tensor<1x1x8x8xf32>) -> tensor<1x4x4x8xf32>
  %1 = nest.reduce %0 {kind = #nest.reduce_kind<mean>, axes = array<i64: 1, 2>, keepDims}
    : (tensor<1x4x4x8xf32>) -> tensor<1x1x1x8xf32>
  %2 = nest.conv %1, %f {kernel = array<i64: 1, 1>, strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>,
      padBegin = array<i64: 0, 0>, padEnd = array<i64: 0, 0>, groups = 1}
    : (tensor<1x1x1x8xf32>, tensor<1x1x8x8xf32>) -> tensor<1x1x1x8xf32>
  %3 = nest.map %0, %2 : tensor<1x4x4x8xf32>, tensor<1x1x1x8xf32> -> tensor<1x4x4x8xf32> {
  ^bb0(%a: f32, %b: f32):
    %m = arith.mulf %a, %b : f32
    nest.yield %m : f32
  }
  return %3 : tensor<1x4x4x8xf32>
}

// -----

// CHECK-LABEL: func.func @nothing_to_cut
// CHECK-SAME: nest.block_count = 1 : i64
func.func @nothing_to_cut(%x: tensor<8xf32>) -> tensor<8xf32> {
  return %x : tensor<8xf32>
}
