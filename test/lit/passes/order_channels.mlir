// RUN: nestor-opt --nest-order-channels=orders=2.0.1 --split-input-file %s | FileCheck %s

// Filters, biases and what else belongs to a channel go with it.
// CHECK-LABEL: func.func @filters
// CHECK-DAG: %[[F:.*]] = nest.const dense<{{\[\[\[}}3.000000e+00, 1.000000e+00, 2.000000e+00]]]>
// CHECK-DAG: %[[B:.*]] = nest.const dense<[6.000000e+00, 4.000000e+00, 5.000000e+00]>
// CHECK-DAG: %[[G:.*]] = nest.const dense<{{\[\[\[}}9.000000e+00], [7.000000e+00], [8.000000e+00]]]>
// CHECK: nest.conv %arg0, %[[F]] bias %[[B]]
// CHECK: nest.conv %{{.*}}, %[[G]]
func.func @filters(%x: tensor<1x4x1xf32>) -> tensor<1x4x1xf32> {
  %f = nest.const dense<[[[1.0, 2.0, 3.0]]]> : tensor<1x1x3xf32>
  %b = nest.const dense<[4.0, 5.0, 6.0]> : tensor<3xf32>
  %g = nest.const dense<[[[7.0], [8.0], [9.0]]]> : tensor<1x3x1xf32>
  %0 = nest.conv %x, %f bias %b {dilations = array<i64: 1>, groups = 1, kernel = array<i64: 1>,
      padBegin = array<i64: 0>, padEnd = array<i64: 0>, strides = array<i64: 1>}
    : (tensor<1x4x1xf32>, tensor<1x1x3xf32>, tensor<3xf32>) -> tensor<1x4x3xf32>
  %1 = nest.conv %0, %g {dilations = array<i64: 1>, groups = 1, kernel = array<i64: 1>,
      padBegin = array<i64: 0>, padEnd = array<i64: 0>, strides = array<i64: 1>}
    : (tensor<1x4x3xf32>, tensor<1x3x1xf32>) -> tensor<1x4x1xf32>
  return %1 : tensor<1x4x1xf32>
}

// -----

// The zeros beside a shortcut come together behind it.
// CHECK-LABEL: func.func @zero_padded_shortcut
// CHECK-DAG: nest.const dense<{{\[\[\[}}3.000000e+00, 1.000000e+00, 2.000000e+00]]]>
// CHECK-DAG: nest.const dense<{{\[\[\[}}1.400000e+01, 1.200000e+01, 1.300000e+01, 1.100000e+01, 1.500000e+01], [4.000000e+00, 2.000000e+00, 3.000000e+00, 1.000000e+00, 5.000000e+00],
// CHECK: nest.pad %{{.*}} {high = array<i64: 0, 0, 2>, low = array<i64: 0, 0, 0>
func.func @zero_padded_shortcut(%x: tensor<1x4x1xf32>) -> tensor<1x4x1xf32> {
  %f = nest.const dense<[[[1.0, 2.0, 3.0]]]> : tensor<1x1x3xf32>
  %g = nest.const dense<[[[1.0, 2.0, 3.0, 4.0, 5.0], [6.0, 7.0, 8.0, 9.0, 10.0],
                          [11.0, 12.0, 13.0, 14.0, 15.0]]]> : tensor<1x3x5xf32>
  %h = nest.const dense<1.0> : tensor<1x5x1xf32>
  %0 = nest.conv %x, %f {dilations = array<i64: 1>, groups = 1, kernel = array<i64: 1>,
      padBegin = array<i64: 0>, padEnd = array<i64: 0>, strides = array<i64: 1>}
    : (tensor<1x4x1xf32>, tensor<1x1x3xf32>) -> tensor<1x4x3xf32>
  %1 = nest.conv %0, %g {dilations = array<i64: 1>, groups = 1, kernel = array<i64: 1>,
      padBegin = array<i64: 0>, padEnd = array<i64: 0>, strides = array<i64: 1>}
    : (tensor<1x4x3xf32>, tensor<1x3x5xf32>) -> tensor<1x4x5xf32>
  %2 = nest.pad %0 {low = array<i64: 0, 0, 1>, high = array<i64: 0, 0, 1>, mode = #nest.pad_mode<constant>}
    : (tensor<1x4x3xf32>) -> tensor<1x4x5xf32>
  %3 = nest.map %1, %2 : tensor<1x4x5xf32>, tensor<1x4x5xf32> -> tensor<1x4x5xf32> {
  ^bb0(%p: f32, %q: f32):
    %s = arith.addf %p, %q : f32
    nest.yield %s : f32
  }
  %4 = nest.conv %3, %h {dilations = array<i64: 1>, groups = 1, kernel = array<i64: 1>,
      padBegin = array<i64: 0>, padEnd = array<i64: 0>, strides = array<i64: 1>}
    : (tensor<1x4x5xf32>, tensor<1x5x1xf32>) -> tensor<1x4x1xf32>
  return %4 : tensor<1x4x1xf32>
}
