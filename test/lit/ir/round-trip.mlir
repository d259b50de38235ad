// What is printed parses to the same.
// RUN: nestor-opt %s | nestor-opt | FileCheck %s

// CHECK-LABEL: @map
// CHECK: nest.map %arg0, %arg1 : tensor<2x3xf32>, tensor<3xf32> -> tensor<2x3xf32>
// CHECK: nest.yield %{{.*}} : f32
func.func @map(%x: tensor<2x3xf32>, %y: tensor<3xf32>) -> tensor<2x3xf32> {
  %0 = nest.map %x, %y : tensor<2x3xf32>, tensor<3xf32> -> tensor<2x3xf32> {
  ^bb0(%a: f32, %b: f32):
    %1 = arith.mulf %a, %b : f32
    nest.yield %1 : f32
  }
  return %0 : tensor<2x3xf32>
}

// CHECK-LABEL: @nullary
// CHECK: nest.map : -> tensor<2xi32>
func.func @nullary() -> tensor<2xi32> {
  %0 = nest.map : -> tensor<2xi32> {
    %1 = arith.constant 7 : i32
    nest.yield %1 : i32
  }
  return %0 : tensor<2xi32>
}

// CHECK-LABEL: @conv
// CHECK: nest.conv %arg0, %arg1 scale %arg2 bias %arg2 extras(%arg3)
// CHECK-SAME: groups = 1 : i64
// CHECK: ^bb0(%{{.*}}: f32, %{{.*}}: f32):
func.func @conv(%x: tensor<1x8x4xf32>, %w: tensor<1x4x8xf32>, %s: tensor<8xf32>,
                %r: tensor<1x8x8xf32>) -> tensor<1x8x8xf32> {
  %0 = nest.conv %x, %w scale %s bias %s extras(%r) {kernel = array<i64: 1>,
      strides = array<i64: 1>, dilations = array<i64: 1>, padBegin = array<i64: 0>,
      padEnd = array<i64: 0>, groups = 1 : i64}
      : (tensor<1x8x4xf32>, tensor<1x4x8xf32>, tensor<8xf32>, tensor<8xf32>, tensor<1x8x8xf32>)
      -> tensor<1x8x8xf32> {
  ^bb0(%acc: f32, %residual: f32):
    %1 = arith.addf %acc, %residual : f32
    nest.yield %1 : f32
  }
  return %0 : tensor<1x8x8xf32>
}

// CHECK-LABEL: @unsigned_constant
// CHECK: nest.const dense<[200, 7]> : tensor<2xui8>
func.func @unsigned_constant() -> tensor<2xui8> {
  %0 = nest.const dense<[200, 7]> : tensor<2xui8>
  return %0 : tensor<2xui8>
}

// CHECK-LABEL: @norm
// CHECK: nest.norm %arg0 bias %arg1
func.func @norm(%x: tensor<2x3xf32>, %b: tensor<3xf32>) -> tensor<2x3xf32> {
  %0 = nest.norm %x bias %b {axis = 1 : i64, epsilon = 1.0e-5 : f64, rms}
      : (tensor<2x3xf32>, tensor<3xf32>) -> tensor<2x3xf32>
  return %0 : tensor<2x3xf32>
}
