// RUN: nestor-opt --nest-fuse --split-input-file %s | FileCheck %s

// CHECK-LABEL: func.func @residual_and_relu
// CHECK: %[[C:.*]] = nest.conv %arg0, %arg1 extras(%arg2)
// CHECK: ^bb0(%[[ACC:.*]]: f32, %[[R:.*]]: f32):
// CHECK: %[[S:.*]] = arith.addf %[[ACC]], %[[R]] : f32
// CHECK: arith.maximumf %[[S]]
// CHECK: return %[[C]]
func.func @residual_and_relu(%x: tensor<1x4x4x8xf32>, %f: tensor<1x1x8x8xf32>,
                             %r: tensor<1x4x4x8xf32>) -> tensor<1x4x4x8xf32> {
  %0 = nest.conv %x, %f {kernel = array<i64: 1, 1>, strides = array<i64: 1, 1>,
      dilations = array<i64: 1, 1>, padBegin = array<i64: 0, 0>, padEnd = array<i64: 0, 0>,
      groups = 1} : (tensor<1x4x4x8xf32>, tensor<1x1x8x8xf32>) -> tensor<1x4x4x8xf32>
  %1 = nest.map %0, %r : tensor<1x4x4x8xf32>, tensor<1x4x4x8xf32> -> tensor<1x4x4x8xf32> {
  ^bb0(%a: f32, %b: f32):
    %s = arith.addf %a, %b : f32
    nest.yield %s : f32
  }
  %zero = nest.const dense<0.0> : tensor<f32>
  %2 = nest.map %1, %zero : tensor<1x4x4x8xf32>, tensor<f32> -> tensor<1x4x4x8xf32> {
  ^bb0(%a: f32, %b: f32):
    %m = arith.maximumf %a, %b : f32
    nest.yield %m : f32
  }
  return %2 : tensor<1x4x4x8xf32>
}

// -----

// The product is read twice, but only inside what becomes one body.
// CHECK-LABEL: func.func @silu
// CHECK: %[[C:.*]] = nest.matmul
// CHECK: math.exp
// CHECK: arith.mulf
// CHECK-NOT: nest.map
// CHECK: return %[[C]]
func.func @silu(%x: tensor<4x8xf32>, %f: tensor<8x8xf32>) -> tensor<4x8xf32> {
  %0 = nest.matmul %x, %f : (tensor<4x8xf32>, tensor<8x8xf32>) -> tensor<4x8xf32>
  %1 = nest.map %0 : tensor<4x8xf32> -> tensor<4x8xf32> {
  ^bb0(%a: f32):
    %one = arith.constant 1.0 : f32
    %n = arith.negf %a : f32
    %e = math.exp %n : f32
    %d = arith.addf %e, %one : f32
    %s = arith.divf %one, %d : f32
    nest.yield %s : f32
  }
  %2 = nest.map %0, %1 : tensor<4x8xf32>, tensor<4x8xf32> -> tensor<4x8xf32> {
  ^bb0(%a: f32, %b: f32):
    %m = arith.mulf %a, %b : f32
    nest.yield %m : f32
  }
  return %2 : tensor<4x8xf32>
}

// -----

// CHECK-LABEL: func.func @read_elsewhere
// CHECK: nest.matmul
// CHECK: nest.map
func.func @read_elsewhere(%x: tensor<4x8xf32>, %f: tensor<8x8xf32>)
    -> (tensor<4x8xf32>, tensor<4x8xf32>) {
  %0 = nest.matmul %x, %f : (tensor<4x8xf32>, tensor<8x8xf32>) -> tensor<4x8xf32>
  %1 = nest.map %0 : tensor<4x8xf32> -> tensor<4x8xf32> {
  ^bb0(%a: f32):
    %n = arith.negf %a : f32
    nest.yield %n : f32
  }
  return %0, %1 : tensor<4x8xf32>, tensor<4x8xf32>
}

// -----

// A map that is broadcast would be computed once per element of the larger.
// CHECK-LABEL: func.func @broadcast_is_not_recomputed
// CHECK-COUNT-2: nest.map
func.func @broadcast_is_not_recomputed(%x: tensor<4x8xf32>, %v: tensor<8xf32>) -> tensor<4x8xf32> {
  %0 = nest.map %v : tensor<8xf32> -> tensor<8xf32> {
  ^bb0(%a: f32):
    %e = math.exp %a : f32
    nest.yield %e : f32
  }
  %1 = nest.map %x, %0 : tensor<4x8xf32>, tensor<8xf32> -> tensor<4x8xf32> {
  ^bb0(%a: f32, %b: f32):
    %m = arith.mulf %a, %b : f32
    nest.yield %m : f32
  }
  return %1 : tensor<4x8xf32>
}

// -----

// CHECK-LABEL: func.func @reshape_steps_aside
// CHECK: %[[C:.*]] = nest.conv {{.*}} extras(%arg2)
// CHECK-SAME: tensor<1x4x8xf32>
// CHECK: %[[R:.*]] = nest.reshape %[[C]] {{.*}} -> tensor<4x8xf32>
// CHECK: return %[[R]]
func.func @reshape_steps_aside(%x: tensor<1x4x8xf32>, %f: tensor<1x8x8xf32>, %v: tensor<8xf32>)
    -> tensor<4x8xf32> {
  %0 = nest.conv %x, %f {kernel = array<i64: 1>, strides = array<i64: 1>,
      dilations = array<i64: 1>, padBegin = array<i64: 0>, padEnd = array<i64: 0>,
      groups = 1} : (tensor<1x4x8xf32>, tensor<1x8x8xf32>) -> tensor<1x4x8xf32>
  %1 = nest.reshape %0 : (tensor<1x4x8xf32>) -> tensor<4x8xf32>
  %2 = nest.map %1, %v : tensor<4x8xf32>, tensor<8xf32> -> tensor<4x8xf32> {
  ^bb0(%a: f32, %b: f32):
    %m = arith.mulf %a, %b : f32
    nest.yield %m : f32
  }
  return %2 : tensor<4x8xf32>
}

// -----

// CHECK-LABEL: func.func @transposed_operand
// CHECK-NOT: nest.transpose
// CHECK: nest.matmul %arg0, %arg1 {transposeRhs}
func.func @transposed_operand(%q: tensor<2x4x8xf32>, %k: tensor<2x5x8xf32>) -> tensor<2x4x5xf32> {
  %0 = nest.transpose %k {perm = array<i64: 0, 2, 1>} : (tensor<2x5x8xf32>) -> tensor<2x8x5xf32>
  %1 = nest.matmul %q, %0 : (tensor<2x4x8xf32>, tensor<2x8x5xf32>) -> tensor<2x4x5xf32>
  return %1 : tensor<2x4x5xf32>
}

// -----

// Kernels read an epilogue's operands per element, per channel or once.
// CHECK-LABEL: func.func @other_broadcasts_stay
// CHECK: nest.matmul
// CHECK: nest.map
func.func @other_broadcasts_stay(%x: tensor<4x8xf32>, %f: tensor<8x8xf32>, %row: tensor<4x1xf32>)
    -> tensor<4x8xf32> {
  %0 = nest.matmul %x, %f : (tensor<4x8xf32>, tensor<8x8xf32>) -> tensor<4x8xf32>
  %1 = nest.map %0, %row : tensor<4x8xf32>, tensor<4x1xf32> -> tensor<4x8xf32> {
  ^bb0(%a: f32, %b: f32):
    %m = arith.mulf %a, %b : f32
    nest.yield %m : f32
  }
  return %1 : tensor<4x8xf32>
}

// -----

// Keys of attention heads: only whole rows are moved.
// CHECK-LABEL: func.func @transposed_heads
// CHECK: %[[K:.*]] = nest.transpose %arg1 {perm = array<i64: 0, 2, 1, 3>}
// CHECK: nest.matmul %arg0, %[[K]] {transposeRhs}
func.func @transposed_heads(%q: tensor<1x2x4x8xf32>, %k: tensor<1x5x2x8xf32>) -> tensor<1x2x4x5xf32> {
  %0 = nest.transpose %k {perm = array<i64: 0, 2, 3, 1>} : (tensor<1x5x2x8xf32>) -> tensor<1x2x8x5xf32>
  %1 = nest.matmul %q, %0 : (tensor<1x2x4x8xf32>, tensor<1x2x8x5xf32>) -> tensor<1x2x4x5xf32>
  return %1 : tensor<1x2x4x5xf32>
}

// -----

// A map over scalars has no producer to look at, and no last dimension either.
// CHECK-LABEL: func.func @scalars
// CHECK: nest.map %arg0, %arg1 : tensor<f32>, tensor<f32> -> tensor<f32>
func.func @scalars(%x: tensor<f32>, %y: tensor<f32>) -> tensor<f32> {
  %0 = nest.map %x, %y : tensor<f32>, tensor<f32> -> tensor<f32> {
  ^bb0(%a: f32, %b: f32):
    %s = arith.addf %a, %b : f32
    nest.yield %s : f32
  }
  return %0 : tensor<f32>
}
