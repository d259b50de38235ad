// RUN: nestor-opt --nest-dense-to-window --nest-fold-constants --canonicalize --split-input-file %s | FileCheck %s

// CHECK-LABEL: func.func @flattened
// CHECK-DAG: %[[F:.*]] = nest.const {{.*}} : tensor<4x3x2xf32>
// CHECK-DAG: %[[X:.*]] = nest.reshape %arg0 : (tensor<1x2x2x3xf32>) -> tensor<1x4x3xf32>
// CHECK: nest.conv %[[X]], %[[F]] {{.*}} kernel = array<i64: 4>, {{.*}} -> tensor<1x1x2xf32>
func.func @flattened(%x: tensor<1x2x2x3xf32>) -> tensor<1x1x2xf32> {
  %f = nest.const dense<1.0> : tensor<1x12x2xf32>
  %0 = nest.reshape %x : (tensor<1x2x2x3xf32>) -> tensor<1x1x12xf32>
  %1 = nest.conv %0, %f {dilations = array<i64: 1>, groups = 1, kernel = array<i64: 1>,
      padBegin = array<i64: 0>, padEnd = array<i64: 0>, strides = array<i64: 1>}
    : (tensor<1x1x12xf32>, tensor<1x12x2xf32>) -> tensor<1x1x2xf32>
  return %1 : tensor<1x1x2xf32>
}

// -----

// Many rows share what they load of the filter.
// CHECK-LABEL: func.func @many_rows
// CHECK: nest.conv {{.*}} kernel = array<i64: 1>
func.func @many_rows(%x: tensor<5x2x2x3xf32>) -> tensor<1x5x2xf32> {
  %f = nest.const dense<1.0> : tensor<1x12x2xf32>
  %0 = nest.reshape %x : (tensor<5x2x2x3xf32>) -> tensor<1x5x12xf32>
  %1 = nest.conv %0, %f {dilations = array<i64: 1>, groups = 1, kernel = array<i64: 1>,
      padBegin = array<i64: 0>, padEnd = array<i64: 0>, strides = array<i64: 1>}
    : (tensor<1x5x12xf32>, tensor<1x12x2xf32>) -> tensor<1x5x2xf32>
  return %1 : tensor<1x5x2xf32>
}

// -----

// After a global pooling there is nothing to do.
// CHECK-LABEL: func.func @one_pixel
// CHECK: nest.conv {{.*}} kernel = array<i64: 1>
func.func @one_pixel(%x: tensor<1x1x1x12xf32>) -> tensor<1x1x2xf32> {
  %f = nest.const dense<1.0> : tensor<1x12x2xf32>
  %0 = nest.reshape %x : (tensor<1x1x1x12xf32>) -> tensor<1x1x12xf32>
  %1 = nest.conv %0, %f {dilations = array<i64: 1>, groups = 1, kernel = array<i64: 1>,
      padBegin = array<i64: 0>, padEnd = array<i64: 0>, strides = array<i64: 1>}
    : (tensor<1x1x12xf32>, tensor<1x12x2xf32>) -> tensor<1x1x2xf32>
  return %1 : tensor<1x1x2xf32>
}
