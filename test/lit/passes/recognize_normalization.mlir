// RUN: nestor-opt --nest-recognize-normalization --split-input-file %s | FileCheck %s

// CHECK-LABEL: func.func @layer_norm
// CHECK: %[[N:.*]] = nest.norm %arg0 scale {{.*}} bias {{.*}} {axis = 2 : i64, epsilon = 9.99{{.*}} : f64}
// CHECK-NEXT: return %[[N]]
func.func @layer_norm(%x: tensor<1x4x8xf32>) -> tensor<1x4x8xf32> {
  %scale = nest.const dense<[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0]> : tensor<8xf32>
  %bias = nest.const dense<[1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 0.0]> : tensor<8xf32>
  %two = nest.const dense<2.0> : tensor<f32>
  %eps = nest.const dense<1.0e-5> : tensor<f32>
  %mean = nest.reduce %x {kind = #nest.reduce_kind<mean>, axes = array<i64: 2>} : (tensor<1x4x8xf32>) -> tensor<1x4x1xf32>
  %d = nest.map %x, %mean : tensor<1x4x8xf32>, tensor<1x4x1xf32> -> tensor<1x4x8xf32> {
  ^bb0(%a: f32, %b: f32):
    %r = arith.subf %a, %b : f32
    nest.yield %r : f32
  }
  %sq = nest.map %d, %two : tensor<1x4x8xf32>, tensor<f32> -> tensor<1x4x8xf32> {
  ^bb0(%a: f32, %b: f32):
    %r = math.powf %a, %b : f32
    nest.yield %r : f32
  }
  %var = nest.reduce %sq {kind = #nest.reduce_kind<mean>, axes = array<i64: 2>} : (tensor<1x4x8xf32>) -> tensor<1x4x1xf32>
  %e = nest.map %var, %eps : tensor<1x4x1xf32>, tensor<f32> -> tensor<1x4x1xf32> {
  ^bb0(%a: f32, %b: f32):
    %r = arith.addf %a, %b : f32
    nest.yield %r : f32
  }
  %sd = nest.map %e : tensor<1x4x1xf32> -> tensor<1x4x1xf32> {
  ^bb0(%a: f32):
    %r = math.sqrt %a : f32
    nest.yield %r : f32
  }
  %q = nest.map %d, %sd : tensor<1x4x8xf32>, tensor<1x4x1xf32> -> tensor<1x4x8xf32> {
  ^bb0(%a: f32, %b: f32):
    %r = arith.divf %a, %b : f32
    nest.yield %r : f32
  }
  %s = nest.map %q, %scale : tensor<1x4x8xf32>, tensor<8xf32> -> tensor<1x4x8xf32> {
  ^bb0(%a: f32, %b: f32):
    %r = arith.mulf %a, %b : f32
    nest.yield %r : f32
  }
  %y = nest.map %s, %bias : tensor<1x4x8xf32>, tensor<8xf32> -> tensor<1x4x8xf32> {
  ^bb0(%a: f32, %b: f32):
    %r = arith.addf %a, %b : f32
    nest.yield %r : f32
  }
  return %y : tensor<1x4x8xf32>
}

// -----

// CHECK-LABEL: func.func @softmax
// CHECK-NEXT: nest.softmax %arg0 {axis = 1 : i64}
// CHECK-NEXT: return
func.func @softmax(%x: tensor<4x8xf32>) -> tensor<4x8xf32> {
  %max = nest.reduce %x {kind = #nest.reduce_kind<max>, axes = array<i64: 1>} : (tensor<4x8xf32>) -> tensor<4x1xf32>
  %d = nest.map %x, %max : tensor<4x8xf32>, tensor<4x1xf32> -> tensor<4x8xf32> {
  ^bb0(%a: f32, %b: f32):
    %r = arith.subf %a, %b : f32
    nest.yield %r : f32
  }
  %e = nest.map %d : tensor<4x8xf32> -> tensor<4x8xf32> {
  ^bb0(%a: f32):
    %r = math.exp %a : f32
    nest.yield %r : f32
  }
  %sum = nest.reduce %e {kind = #nest.reduce_kind<sum>, axes = array<i64: 1>} : (tensor<4x8xf32>) -> tensor<4x1xf32>
  %y = nest.map %e, %sum : tensor<4x8xf32>, tensor<4x1xf32> -> tensor<4x8xf32> {
  ^bb0(%a: f32, %b: f32):
    %r = arith.divf %a, %b : f32
    nest.yield %r : f32
  }
  return %y : tensor<4x8xf32>
}

// -----

// The mean of another axis is not a layer norm's.
// CHECK-LABEL: func.func @other_axis
// CHECK-NOT: nest.norm
func.func @other_axis(%x: tensor<4x8xf32>) -> tensor<4x8xf32> {
  %mean = nest.reduce %x {kind = #nest.reduce_kind<mean>, axes = array<i64: 0>} : (tensor<4x8xf32>) -> tensor<1x8xf32>
  %d = nest.map %x, %mean : tensor<4x8xf32>, tensor<1x8xf32> -> tensor<4x8xf32> {
  ^bb0(%a: f32, %b: f32):
    %r = arith.subf %a, %b : f32
    nest.yield %r : f32
  }
  %sq = nest.map %d : tensor<4x8xf32> -> tensor<4x8xf32> {
  ^bb0(%a: f32):
    %r = arith.mulf %a, %a : f32
    nest.yield %r : f32
  }
  %var = nest.reduce %sq {kind = #nest.reduce_kind<mean>, axes = array<i64: 0>} : (tensor<4x8xf32>) -> tensor<1x8xf32>
  %sd = nest.map %var : tensor<1x8xf32> -> tensor<1x8xf32> {
  ^bb0(%a: f32):
    %eps = arith.constant 1.0e-5 : f32
    %s = arith.addf %a, %eps : f32
    %r = math.sqrt %s : f32
    nest.yield %r : f32
  }
  %q = nest.map %d, %sd : tensor<4x8xf32>, tensor<1x8xf32> -> tensor<4x8xf32> {
  ^bb0(%a: f32, %b: f32):
    %r = arith.divf %a, %b : f32
    nest.yield %r : f32
  }
  return %q : tensor<4x8xf32>
}

// -----

// A scale that is one number is a vector of it.
// CHECK-LABEL: func.func @uniform_scale
// CHECK: %[[S:.*]] = nest.const dense<2.000000e+00> : tensor<8xf32>
// CHECK: nest.norm %arg0 scale %[[S]]
// CHECK-NEXT: return
func.func @uniform_scale(%x: tensor<4x8xf32>) -> tensor<4x8xf32> {
  %0 = nest.norm %x {axis = 1 : i64, epsilon = 1.0e-5 : f64} : (tensor<4x8xf32>) -> tensor<4x8xf32>
  %1 = nest.map %0 : tensor<4x8xf32> -> tensor<4x8xf32> {
  ^bb0(%a: f32):
    %two = arith.constant 2.0 : f32
    %m = arith.mulf %a, %two : f32
    nest.yield %m : f32
  }
  return %1 : tensor<4x8xf32>
}
