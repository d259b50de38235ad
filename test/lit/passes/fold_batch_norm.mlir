// RUN: nestor-opt --nest-fold-batch-norm --canonicalize --split-input-file %s | FileCheck %s

// (x - mean) * scale + shift with filter [2, 4], bias [1, 1], mean [1, 3],
// scale [2, 0.5], shift [10, 20].
// CHECK-LABEL: func.func @batch_norm
// CHECK-DAG: %[[F:.*]] = nest.const dense<{{\[\[\[}}4.000000e+00, 2.000000e+00]]]> : tensor<1x1x2xf32>
// CHECK-DAG: %[[B:.*]] = nest.const dense<[1.000000e+01, 1.900000e+01]> : tensor<2xf32>
// CHECK: nest.conv %arg0, %[[F]] bias %[[B]]
// CHECK-NOT: nest.map
func.func @batch_norm(%x: tensor<1x4x1xf32>) -> tensor<1x4x2xf32> {
  %f = nest.const dense<[[[2.0, 4.0]]]> : tensor<1x1x2xf32>
  %b = nest.const dense<[1.0, 1.0]> : tensor<2xf32>
  %mean = nest.const dense<[1.0, 3.0]> : tensor<2xf32>
  %scale = nest.const dense<[[[2.0, 0.5]]]> : tensor<1x1x2xf32>
  %shift = nest.const dense<[10.0, 20.0]> : tensor<2xf32>
  %0 = nest.conv %x, %f bias %b {kernel = array<i64: 1>, strides = array<i64: 1>,
      dilations = array<i64: 1>, padBegin = array<i64: 0>, padEnd = array<i64: 0>, groups = 1}
    : (tensor<1x4x1xf32>, tensor<1x1x2xf32>, tensor<2xf32>) -> tensor<1x4x2xf32>
  %1 = nest.map %0, %mean, %scale, %shift
    : tensor<1x4x2xf32>, tensor<2xf32>, tensor<1x1x2xf32>, tensor<2xf32> -> tensor<1x4x2xf32> {
  ^bb0(%a: f32, %m: f32, %s: f32, %t: f32):
    %d = arith.subf %a, %m : f32
    %p = arith.mulf %d, %s : f32
    %r = arith.addf %p, %t : f32
    nest.yield %r : f32
  }
  return %1 : tensor<1x4x2xf32>
}

// -----

// CHECK-LABEL: func.func @transposed
// CHECK: nest.conv_transpose %arg0, %{{.*}} bias
// CHECK-NOT: nest.map
func.func @transposed(%x: tensor<1x4x1xf32>) -> tensor<1x8x2xf32> {
  %f = nest.const dense<1.0> : tensor<2x1x2xf32>
  %scale = nest.const dense<[2.0, 0.5]> : tensor<2xf32>
  %0 = nest.conv_transpose %x, %f {strides = array<i64: 2>, dilations = array<i64: 1>,
      padBegin = array<i64: 0>, padEnd = array<i64: 0>, groups = 1}
    : (tensor<1x4x1xf32>, tensor<2x1x2xf32>) -> tensor<1x8x2xf32>
  %1 = nest.map %0, %scale : tensor<1x8x2xf32>, tensor<2xf32> -> tensor<1x8x2xf32> {
  ^bb0(%a: f32, %s: f32):
    %p = arith.mulf %s, %a : f32
    nest.yield %p : f32
  }
  return %1 : tensor<1x8x2xf32>
}

// -----

// CHECK-LABEL: func.func @not_affine
// CHECK: nest.map
func.func @not_affine(%x: tensor<1x4x1xf32>) -> tensor<1x4x2xf32> {
  %f = nest.const dense<1.0> : tensor<1x1x2xf32>
  %0 = nest.conv %x, %f {kernel = array<i64: 1>, strides = array<i64: 1>,
      dilations = array<i64: 1>, padBegin = array<i64: 0>, padEnd = array<i64: 0>, groups = 1}
    : (tensor<1x4x1xf32>, tensor<1x1x2xf32>) -> tensor<1x4x2xf32>
  %1 = nest.map %0 : tensor<1x4x2xf32> -> tensor<1x4x2xf32> {
  ^bb0(%a: f32):
    %p = arith.mulf %a, %a : f32
    nest.yield %p : f32
  }
  return %1 : tensor<1x4x2xf32>
}

// -----

// A vector along the width is not per channel.
// CHECK-LABEL: func.func @not_per_channel
// CHECK: nest.map
func.func @not_per_channel(%x: tensor<1x2x1xf32>) -> tensor<1x2x2xf32> {
  %f = nest.const dense<1.0> : tensor<1x1x2xf32>
  %w = nest.const dense<[[1.0], [2.0]]> : tensor<2x1xf32>
  %0 = nest.conv %x, %f {kernel = array<i64: 1>, strides = array<i64: 1>,
      dilations = array<i64: 1>, padBegin = array<i64: 0>, padEnd = array<i64: 0>, groups = 1}
    : (tensor<1x2x1xf32>, tensor<1x1x2xf32>) -> tensor<1x2x2xf32>
  %1 = nest.map %0, %w : tensor<1x2x2xf32>, tensor<2x1xf32> -> tensor<1x2x2xf32> {
  ^bb0(%a: f32, %s: f32):
    %p = arith.mulf %a, %s : f32
    nest.yield %p : f32
  }
  return %1 : tensor<1x2x2xf32>
}

// -----

// The raw result is read elsewhere.
// CHECK-LABEL: func.func @read_elsewhere
// CHECK: nest.map
func.func @read_elsewhere(%x: tensor<1x4x1xf32>) -> (tensor<1x4x2xf32>, tensor<1x4x2xf32>) {
  %f = nest.const dense<1.0> : tensor<1x1x2xf32>
  %0 = nest.conv %x, %f {kernel = array<i64: 1>, strides = array<i64: 1>,
      dilations = array<i64: 1>, padBegin = array<i64: 0>, padEnd = array<i64: 0>, groups = 1}
    : (tensor<1x4x1xf32>, tensor<1x1x2xf32>) -> tensor<1x4x2xf32>
  %1 = nest.map %0 : tensor<1x4x2xf32> -> tensor<1x4x2xf32> {
  ^bb0(%a: f32):
    %p = arith.addf %a, %a : f32
    nest.yield %p : f32
  }
  return %0, %1 : tensor<1x4x2xf32>, tensor<1x4x2xf32>
}

// -----

// A product with a matrix is a convolution behind a reshape.
// CHECK-LABEL: func.func @behind_a_reshape
// CHECK: nest.conv %arg0, {{.*}} bias
// CHECK-NEXT: nest.reshape
// CHECK-NEXT: return
func.func @behind_a_reshape(%x: tensor<1x4x1xf32>) -> tensor<4x2xf32> {
  %f = nest.const dense<1.0> : tensor<1x1x2xf32>
  %shift = nest.const dense<[2.0, 0.5]> : tensor<2xf32>
  %0 = nest.conv %x, %f {kernel = array<i64: 1>, strides = array<i64: 1>,
      dilations = array<i64: 1>, padBegin = array<i64: 0>, padEnd = array<i64: 0>, groups = 1}
    : (tensor<1x4x1xf32>, tensor<1x1x2xf32>) -> tensor<1x4x2xf32>
  %1 = nest.reshape %0 : (tensor<1x4x2xf32>) -> tensor<4x2xf32>
  %2 = nest.map %1, %shift : tensor<4x2xf32>, tensor<2xf32> -> tensor<4x2xf32> {
  ^bb0(%a: f32, %s: f32):
    %p = arith.addf %a, %s : f32
    nest.yield %p : f32
  }
  return %2 : tensor<4x2xf32>
}
