// RUN: nestor-opt --nest-capacities="widths=1.2,2.2 skips=1" %s | FileCheck %s
// RUN: nestor-opt --nest-capacities %s | FileCheck %s --check-prefix=ONE
// RUN: not nestor-opt --nest-capacities="widths=1.2 inputs=2" %s 2>&1 | FileCheck %s --check-prefix=INPUT
// RUN: not nestor-opt --nest-capacities="widths=2.2,1.2" %s 2>&1 | FileCheck %s --check-prefix=DESCENDS
// RUN: not nestor-opt --nest-capacities="widths=2" %s 2>&1 | FileCheck %s --check-prefix=COUNT
// RUN: not nestor-opt --nest-capacities="widths=1.2 skips=1.1" %s 2>&1 | FileCheck %s --check-prefix=SKIPS

// CHECK: nest.global @stem = dense<1.000000e+00> : tensor<1x1x4xf32> edges {{\[\[}}], [], [array<i64: 1, 2, 4>]]
// CHECK: nest.global @inside = {{.*}} edges {{\[\[}}], [array<i64: 1, 2, 4>], [array<i64: 2, 2, 4>]]
// CHECK: nest.global @back = {{.*}} edges {{\[\[}}], [array<i64: 2, 2, 4>], [array<i64: 1, 2, 4>]]
// CHECK: nest.global @head = {{.*}} edges {{\[\[}}], [array<i64: 1, 2, 4>], []]

// The smallest capacity has no block: one relu is left of two.
// CHECK-LABEL: func.func @capacity_0
// CHECK: %[[W:.*]] = nest.weight @stem at 0 : tensor<1x1x1xf32>
// CHECK: nest.conv %arg0, %[[W]] scale %{{.*}} bias %{{.*}} -> tensor<1x4x1xf32>
// CHECK: arith.maximumf
// CHECK-NOT: arith.maximumf
// CHECK-NOT: @inside
// CHECK: nest.weight @head at 0 : tensor<1x1x1xf32>

// Vectors are the capacity's own.
// CHECK-LABEL: func.func @capacity_1
// CHECK: nest.weight @stem at 1 : tensor<1x1x2xf32>
// CHECK: nest.const dense<[5.000000e+00, 6.000000e+00]> : tensor<2xf32>
// CHECK: nest.const dense<1.000000e+00> : tensor<2xf32>
// CHECK: nest.weight @inside at 1 : tensor<1x2x2xf32>
// CHECK: nest.const dense<1.000000e+00> : tensor<2xf32>
// CHECK: nest.const dense<0.000000e+00> : tensor<2xf32>
// CHECK: nest.weight @back at 1 : tensor<1x2x2xf32>
// CHECK: arith.addf
// CHECK: nest.weight @head at 1 : tensor<1x2x1xf32>

// CHECK-LABEL: func.func @main
// CHECK: nest.weight @stem at 2 : tensor<1x1x4xf32>

// With one capacity, filters move out of the function and nothing is added.
// ONE: nest.global @stem = {{.*}} edges {{\[\[}}], [], []]
// ONE-LABEL: func.func @main
// ONE: %[[W:.*]] = nest.weight @inside at 0 : tensor<1x4x4xf32>
// ONE: nest.conv %{{.*}}, %[[W]] {
// ONE-NOT: func.func

// INPUT: capacity 0 cannot have a smaller input: the model's outputs have the extents of its input
// DESCENDS: widths of group 'stem' must ascend from 1
// COUNT: not a width for each of the 2 groups: 2
// SKIPS: a branch that a capacity leaves out
func.func @main(%x: tensor<1x4x1xf32>) -> tensor<1x4x1xf32> {
  %f = nest.const dense<1.0> : tensor<1x1x4xf32>
  %b = nest.const dense<[5.0, 6.0, 7.0, 8.0]> : tensor<4xf32>
  %g = nest.const dense<1.0> : tensor<1x4x4xf32>
  %h = nest.const dense<2.0> : tensor<1x4x4xf32>
  %i = nest.const dense<1.0> : tensor<1x4x1xf32>
  %0 = nest.conv %x, %f bias %b {dilations = array<i64: 1>, groups = 1, kernel = array<i64: 1>,
      padBegin = array<i64: 0>, padEnd = array<i64: 0>, strides = array<i64: 1>}
    : (tensor<1x4x1xf32>, tensor<1x1x4xf32>, tensor<4xf32>) -> tensor<1x4x4xf32> loc("stem")
  %1 = nest.map %0 : tensor<1x4x4xf32> -> tensor<1x4x4xf32> {
  ^bb0(%p: f32):
    %zero = arith.constant 0.0 : f32
    %s = arith.maximumf %p, %zero : f32
    nest.yield %s : f32
  }
  %2 = nest.conv %1, %g {dilations = array<i64: 1>, groups = 1, kernel = array<i64: 1>,
      padBegin = array<i64: 0>, padEnd = array<i64: 0>, strides = array<i64: 1>}
    : (tensor<1x4x4xf32>, tensor<1x4x4xf32>) -> tensor<1x4x4xf32> loc("inside")
  %3 = nest.conv %2, %h {dilations = array<i64: 1>, groups = 1, kernel = array<i64: 1>,
      padBegin = array<i64: 0>, padEnd = array<i64: 0>, strides = array<i64: 1>}
    : (tensor<1x4x4xf32>, tensor<1x4x4xf32>) -> tensor<1x4x4xf32> loc("back")
  %4 = nest.map %3, %1 : tensor<1x4x4xf32>, tensor<1x4x4xf32> -> tensor<1x4x4xf32> {
  ^bb0(%p: f32, %q: f32):
    %s = arith.addf %p, %q : f32
    nest.yield %s : f32
  }
  %5 = nest.map %4 : tensor<1x4x4xf32> -> tensor<1x4x4xf32> {
  ^bb0(%p: f32):
    %zero = arith.constant 0.0 : f32
    %s = arith.maximumf %p, %zero : f32
    nest.yield %s : f32
  }
  %6 = nest.conv %5, %i {dilations = array<i64: 1>, groups = 1, kernel = array<i64: 1>,
      padBegin = array<i64: 0>, padEnd = array<i64: 0>, strides = array<i64: 1>}
    : (tensor<1x4x4xf32>, tensor<1x4x1xf32>) -> tensor<1x4x1xf32> loc("head")
  return %6 : tensor<1x4x1xf32>
}
