// RUN: nestor-opt --nest-fold-constants=max-growth=64 --split-input-file %s | FileCheck %s

// CHECK-LABEL: func.func @expression
// CHECK-NEXT: %[[C:.*]] = nest.const dense<{{\[\[}}2.000000e+00, 6.000000e+00], [4.000000e+00, 8.000000e+00]]>
// CHECK-NEXT: return %[[C]]
func.func @expression() -> tensor<2x2xf32> {
  %0 = nest.const dense<[[1.0, 2.0], [3.0, 4.0]]> : tensor<2x2xf32>
  %1 = nest.map %0, %0 : tensor<2x2xf32>, tensor<2x2xf32> -> tensor<2x2xf32> {
  ^bb0(%a: f32, %b: f32):
    %s = arith.addf %a, %b : f32
    nest.yield %s : f32
  }
  %2 = nest.transpose %1 {perm = array<i64: 1, 0>} : (tensor<2x2xf32>) -> tensor<2x2xf32>
  return %2 : tensor<2x2xf32>
}

// -----

// CHECK-LABEL: func.func @large_broadcast_stays
// CHECK: nest.map
func.func @large_broadcast_stays() -> tensor<1000xf32> {
  %0 = nest.const dense<1.0> : tensor<1xf32>
  %1 = nest.map %0 : tensor<1xf32> -> tensor<1000xf32> {
  ^bb0(%a: f32):
    nest.yield %a : f32
  }
  return %1 : tensor<1000xf32>
}

// -----

// Filters are packed whatever the padding costs.
// CHECK-LABEL: func.func @filters_are_packed
// CHECK-NOT: nest.pack
func.func @filters_are_packed() -> tensor<1x3x2x16xf32> {
  %0 = nest.const dense<1.0> : tensor<3x2x1xf32>
  %1 = nest.pack %0 {groups = 1} : (tensor<3x2x1xf32>) -> tensor<1x3x2x16xf32>
  return %1 : tensor<1x3x2x16xf32>
}

// -----

// CHECK-LABEL: func.func @not_constant
// CHECK: nest.reshape
func.func @not_constant(%x: tensor<4xf32>) -> tensor<2x2xf32> {
  %0 = nest.reshape %x : (tensor<4xf32>) -> tensor<2x2xf32>
  return %0 : tensor<2x2xf32>
}
