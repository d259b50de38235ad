// RUN: nestor-opt --nest-quantize --split-input-file --verify-diagnostics %s | FileCheck %s

// The first layer makes bytes, which the second one reads; the rest stays f32. A
// clamp at the end of the range costs nothing.
// CHECK-LABEL: func.func @main
// CHECK-SAME: (%[[X:.*]]: tensor<1x4x4xf32>)
// CHECK: %[[BYTES:.*]] = nest.map %[[X]] : tensor<1x4x4xf32> -> tensor<1x4x4xui8>
// CHECK: arith.constant 2.000000e+00 : f32
// CHECK: arith.mulf
// CHECK: arith.constant 3.000000e+00 : f32
// CHECK: arith.addf
// CHECK: arith.fptoui
// CHECK: %[[WORDS:.*]] = nest.const dense<2139062143> : tensor<1x1x8xi32>
// CHECK: nest.conv %[[BYTES]], %[[WORDS]] scale %{{[^ ]+}} bias %{{[^ ]+}} {
// CHECK-NOT: nest.input_range
// CHECK-SAME: (tensor<1x4x4xui8>, tensor<1x1x8xi32>, tensor<8xf32>, tensor<8xf32>) -> tensor<1x4x8xui8>
// CHECK-NEXT: ^bb0(%[[SUM:.*]]: f32):
// CHECK-NOT: arith.mulf
// CHECK: math.roundeven
// CHECK: nest.conv
// CHECK-SAME: (tensor<1x4x8xui8>, tensor<1x2x4xi32>, tensor<4xf32>, tensor<4xf32>) -> tensor<1x4x4xf32>
// CHECK-NEXT: ^bb0(%[[SUM:.*]]: f32):
// CHECK-NEXT: nest.yield %[[SUM]] : f32
func.func @main(%x: tensor<1x4x4xf32>) -> tensor<1x4x4xf32> {
  %f = nest.const dense<0.5> : tensor<1x4x8xf32>
  %g = nest.const dense<0.25> : tensor<1x8x4xf32>
  %b = nest.const dense<1.0> : tensor<8xf32>
  %0 = nest.conv %x, %f bias %b {kernel = array<i64: 1>, strides = array<i64: 1>, dilations = array<i64: 1>,
      padBegin = array<i64: 0>, padEnd = array<i64: 0>, groups = 1 : i64,
      nest.input_range = array<f32: 0.5, 3.0>, nest.result_range = array<f32: 0.125, 0.0>}
    : (tensor<1x4x4xf32>, tensor<1x4x8xf32>, tensor<8xf32>) -> tensor<1x4x8xf32> {
  ^bb0(%a: f32):
    %z = arith.constant 0.0 : f32
    %r = arith.maximumf %a, %z : f32
    nest.yield %r : f32
  }
  %1 = nest.conv %0, %g {kernel = array<i64: 1>, strides = array<i64: 1>, dilations = array<i64: 1>,
      padBegin = array<i64: 0>, padEnd = array<i64: 0>, groups = 1 : i64,
      nest.input_range = array<f32: 0.125, 0.0>}
    : (tensor<1x4x8xf32>, tensor<1x8x4xf32>) -> tensor<1x4x4xf32>
  return %1 : tensor<1x4x4xf32>
}

// -----

// Without ranges nothing happens.
// CHECK-LABEL: func.func @main
// CHECK: nest.conv {{.*}} : (tensor<1x4x4xf32>, tensor<1x4x8xf32>) -> tensor<1x4x8xf32>
func.func @main(%x: tensor<1x4x4xf32>) -> tensor<1x4x8xf32> {
  %f = nest.const dense<0.5> : tensor<1x4x8xf32>
  %0 = nest.conv %x, %f {kernel = array<i64: 1>, strides = array<i64: 1>, dilations = array<i64: 1>,
      padBegin = array<i64: 0>, padEnd = array<i64: 0>, groups = 1 : i64}
    : (tensor<1x4x4xf32>, tensor<1x4x8xf32>) -> tensor<1x4x8xf32>
  return %0 : tensor<1x4x8xf32>
}

// -----

// Padding has the value of the zero; five inputs are filled up to eight. A sigmoid
// is computed on floats, and another reader of the result gets floats.
// CHECK-LABEL: func.func @main
// CHECK: %[[ZERO:.*]] = nest.const dense<7> : tensor<1xui8>
// CHECK: nest.pad {{.*}}(tensor<1x4x5xui8>, tensor<1xui8>) -> tensor<1x6x8xui8>
// CHECK: nest.conv {{.*}}padBegin = array<i64: 0>, padEnd = array<i64: 0>
// CHECK-SAME: -> tensor<1x4x4xui8>
// CHECK: arith.divf
// CHECK: math.roundeven
// CHECK: %[[FLOATS:.*]] = nest.map {{.*}} : tensor<1x4x4xui8> -> tensor<1x4x4xf32>
// CHECK: arith.uitofp
// CHECK: return %[[FLOATS]]
func.func @main(%x: tensor<1x4x5xf32>) -> tensor<1x4x4xf32> {
  %f = nest.const dense<0.5> : tensor<3x5x4xf32>
  %0 = nest.conv %x, %f {kernel = array<i64: 3>, strides = array<i64: 1>, dilations = array<i64: 1>,
      padBegin = array<i64: 1>, padEnd = array<i64: 1>, groups = 1 : i64,
      nest.input_range = array<f32: 0.5, 7.0>, nest.result_range = array<f32: 0.125, 0.0>}
    : (tensor<1x4x5xf32>, tensor<3x5x4xf32>) -> tensor<1x4x4xf32> {
  ^bb0(%a: f32):
    %o = arith.constant 1.0 : f32
    %n = arith.negf %a : f32
    %e = math.exp %n : f32
    %s = arith.addf %e, %o : f32
    %q = arith.divf %o, %s : f32
    nest.yield %q : f32
  }
  return %0 : tensor<1x4x4xf32>
}

// -----

// A residual sum adds bytes, each times what its scale is in that of the result;
// max pooling in between moves bytes.
// CHECK-LABEL: func.func @main
// CHECK: %[[FIRST:.*]] = nest.conv {{.*}} -> tensor<1x4x4xui8>
// CHECK: %[[POOLED:.*]] = nest.pool %[[FIRST]] {{.*}}tensor<1x4x4xui8>
// CHECK: nest.conv %[[POOLED]], {{.*}} extras(%[[FIRST]], %{{[^ ]+}})
// CHECK-NEXT: ^bb0(%{{.*}}: f32, %[[EXTRA:.*]]: i8, %[[TIMES:.*]]: f32):
// CHECK-NEXT: %[[FLOAT:.*]] = arith.uitofp %[[EXTRA]]
// CHECK-NEXT: arith.mulf %[[FLOAT]], %[[TIMES]]
func.func @main(%x: tensor<1x4x4xf32>) -> tensor<1x4x4xf32> {
  %f = nest.const dense<0.5> : tensor<1x4x4xf32>
  %0 = nest.conv %x, %f {kernel = array<i64: 1>, strides = array<i64: 1>, dilations = array<i64: 1>,
      padBegin = array<i64: 0>, padEnd = array<i64: 0>, groups = 1 : i64,
      nest.input_range = array<f32: 0.5, 0.0>, nest.result_range = array<f32: 0.25, 9.0>}
    : (tensor<1x4x4xf32>, tensor<1x4x4xf32>) -> tensor<1x4x4xf32>
  %1 = nest.pool %0 {kind = #nest.pool_kind<max>, kernel = array<i64: 3>, strides = array<i64: 1>, dilations = array<i64: 1>,
      padBegin = array<i64: 1>, padEnd = array<i64: 1>} : (tensor<1x4x4xf32>) -> tensor<1x4x4xf32>
  %2 = nest.conv %1, %f extras(%0) {kernel = array<i64: 1>, strides = array<i64: 1>, dilations = array<i64: 1>,
      padBegin = array<i64: 0>, padEnd = array<i64: 0>, groups = 1 : i64,
      nest.input_range = array<f32: 0.25, 9.0>, nest.result_range = array<f32: 0.5, 9.0>}
    : (tensor<1x4x4xf32>, tensor<1x4x4xf32>, tensor<1x4x4xf32>) -> tensor<1x4x4xf32> {
  ^bb0(%a: f32, %c: f32):
    %s = arith.addf %a, %c : f32
    nest.yield %s : f32
  }
  return %2 : tensor<1x4x4xf32>
}

// -----

// What is moved twice from floats becomes bytes where it is read.
// CHECK-LABEL: func.func @main
// CHECK: nest.pool {{.*}} -> tensor<1x4x4xf32>
// CHECK: %[[MOVED:.*]] = nest.pool {{.*}} -> tensor<1x4x4xf32>
// CHECK: nest.map %[[MOVED]] : tensor<1x4x4xf32> -> tensor<1x4x4xui8>
// CHECK-NEXT: ^bb0
// CHECK-NEXT: arith.constant 4.000000e+00
func.func @main(%x: tensor<1x4x4xf32>) -> tensor<1x4x4xf32> {
  %f = nest.const dense<0.5> : tensor<1x4x4xf32>
  %0 = nest.pool %x {kind = #nest.pool_kind<max>, kernel = array<i64: 3>, strides = array<i64: 1>, dilations = array<i64: 1>,
      padBegin = array<i64: 1>, padEnd = array<i64: 1>} : (tensor<1x4x4xf32>) -> tensor<1x4x4xf32>
  %1 = nest.pool %0 {kind = #nest.pool_kind<max>, kernel = array<i64: 3>, strides = array<i64: 1>, dilations = array<i64: 1>,
      padBegin = array<i64: 1>, padEnd = array<i64: 1>} : (tensor<1x4x4xf32>) -> tensor<1x4x4xf32>
  %2 = nest.conv %1, %f {kernel = array<i64: 1>, strides = array<i64: 1>, dilations = array<i64: 1>,
      padBegin = array<i64: 0>, padEnd = array<i64: 0>, groups = 1 : i64, nest.input_range = array<f32: 0.25, 9.0>}
    : (tensor<1x4x4xf32>, tensor<1x4x4xf32>) -> tensor<1x4x4xf32>
  return %2 : tensor<1x4x4xf32>
}

// -----

// Capacities share words, a quarter of the inputs each; the floats go.
// CHECK-NOT: nest.global @g =
// CHECK: nest.global @g_int8 = {{.*}} : tensor<1x2x4xi32> edges {{\[}}[], [array<i64: 1, 2>], [array<i64: 2, 4>]]
// CHECK-NOT: nest.global
// CHECK: func.func @capacity_0
// CHECK: nest.weight @g_int8 at 0 : tensor<1x1x2xi32>
// CHECK: func.func @main
// CHECK: nest.weight @g_int8 at 1 : tensor<1x2x4xi32>
nest.global @g = dense<0.5> : tensor<1x8x4xf32> edges [[], [array<i64: 4, 8>], [array<i64: 2, 4>]]
func.func @capacity_0(%x: tensor<1x4x4xf32>) -> tensor<1x4x2xf32> {
  %f = nest.weight @g at 0 : tensor<1x4x2xf32>
  %0 = nest.conv %x, %f {kernel = array<i64: 1>, strides = array<i64: 1>, dilations = array<i64: 1>,
      padBegin = array<i64: 0>, padEnd = array<i64: 0>, groups = 1 : i64, nest.input_range = array<f32: 0.5, 0.0>}
    : (tensor<1x4x4xf32>, tensor<1x4x2xf32>) -> tensor<1x4x2xf32>
  return %0 : tensor<1x4x2xf32>
}
func.func @main(%x: tensor<1x4x8xf32>) -> tensor<1x4x4xf32> {
  %f = nest.weight @g at 1 : tensor<1x8x4xf32>
  %0 = nest.conv %x, %f {kernel = array<i64: 1>, strides = array<i64: 1>, dilations = array<i64: 1>,
      padBegin = array<i64: 0>, padEnd = array<i64: 0>, groups = 1 : i64, nest.input_range = array<f32: 0.25, 0.0>}
    : (tensor<1x4x8xf32>, tensor<1x8x4xf32>) -> tensor<1x4x4xf32>
  return %0 : tensor<1x4x4xf32>
}

// -----

func.func @main(%x: tensor<1x4x4xf32>) -> tensor<1x4x4xf32> {
  %f = nest.const dense<0.5> : tensor<1x2x4xf32>
  // expected-error @+1 {{cannot compute on bytes: its groups have several channels}}
  %0 = nest.conv %x, %f {kernel = array<i64: 1>, strides = array<i64: 1>, dilations = array<i64: 1>,
      padBegin = array<i64: 0>, padEnd = array<i64: 0>, groups = 2 : i64, nest.input_range = array<f32: 0.5, 0.0>}
    : (tensor<1x4x4xf32>, tensor<1x2x4xf32>) -> tensor<1x4x4xf32>
  return %0 : tensor<1x4x4xf32>
}

// -----

func.func @main(%x: tensor<1x4x4xf32>, %f: tensor<1x4x4xf32>) -> tensor<1x4x4xf32> {
  // expected-error @+1 {{cannot compute on bytes: its filter is computed}}
  %0 = nest.conv %x, %f {kernel = array<i64: 1>, strides = array<i64: 1>, dilations = array<i64: 1>,
      padBegin = array<i64: 0>, padEnd = array<i64: 0>, groups = 1 : i64, nest.input_range = array<f32: 0.5, 0.0>}
    : (tensor<1x4x4xf32>, tensor<1x4x4xf32>) -> tensor<1x4x4xf32>
  return %0 : tensor<1x4x4xf32>
}

// -----

func.func @main(%x: tensor<1x4x4xf32>) -> tensor<1x4x4xf32> {
  %f = nest.const dense<0.5> : tensor<1x4x4xf32>
  // expected-error @+1 {{nest.result_range is not a scale above 0 and a zero from 0 to 255}}
  %0 = nest.conv %x, %f {kernel = array<i64: 1>, strides = array<i64: 1>, dilations = array<i64: 1>,
      padBegin = array<i64: 0>, padEnd = array<i64: 0>, groups = 1 : i64, nest.input_range = array<f32: 0.5, 0.0>,
      nest.result_range = array<f32: 0.5, 256.0>}
    : (tensor<1x4x4xf32>, tensor<1x4x4xf32>) -> tensor<1x4x4xf32>
  return %0 : tensor<1x4x4xf32>
}
