// RUN: nestor-opt --nest-sum-rows --split-input-file %s | FileCheck %s

// CHECK-LABEL: func.func @squeeze
// CHECK: %[[Y:.*]] = nest.conv {{.*}}nest.row_sums
// CHECK: nest.reduce %[[Y]]
func.func @squeeze(%x: tensor<1x9x9x32xf32>, %f: tensor<2x9x1x16xf32>) -> tensor<1x1x1x32xf32> {
  %0 = nest.conv %x, %f {kernel = array<i64: 3, 3>, strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>,
      padBegin = array<i64: 1, 1>, padEnd = array<i64: 1, 1>, groups = 32, packed}
    : (tensor<1x9x9x32xf32>, tensor<2x9x1x16xf32>) -> tensor<1x9x9x32xf32>
  %1 = nest.reduce %0 {kind = #nest.reduce_kind<mean>, axes = array<i64: 1, 2>, keepDims}
    : (tensor<1x9x9x32xf32>) -> tensor<1x1x1x32xf32>
  return %1 : tensor<1x1x1x32xf32>
}

// -----

// The tail of a cut model gets the tensor alone.
// CHECK-LABEL: func.func @cut
// CHECK-NOT: nest.row_sums
func.func @cut(%x: tensor<1x9x9x32xf32>, %f: tensor<2x9x1x16xf32>) -> tensor<1x1x1x32xf32>
    attributes {nest.block_count = 2 : i64} {
  %0 = nest.conv %x, %f {kernel = array<i64: 3, 3>, strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>,
      padBegin = array<i64: 1, 1>, padEnd = array<i64: 1, 1>, groups = 32, packed, nest.block = 0 : i64}
    : (tensor<1x9x9x32xf32>, tensor<2x9x1x16xf32>) -> tensor<1x9x9x32xf32>
  %1 = nest.reduce %0 {kind = #nest.reduce_kind<mean>, axes = array<i64: 1, 2>, keepDims, nest.block = 1 : i64}
    : (tensor<1x9x9x32xf32>) -> tensor<1x1x1x32xf32>
  return %1 : tensor<1x1x1x32xf32>
}

// -----

// The caller's memory has no room for sums, under whatever name it is returned.
// CHECK-LABEL: func.func @returned
// CHECK-NOT: nest.row_sums
func.func @returned(%x: tensor<1x9x9x32xf32>, %f: tensor<2x9x1x16xf32>) -> (tensor<1x1x1x32xf32>, tensor<81x32xf32>) {
  %0 = nest.conv %x, %f {kernel = array<i64: 3, 3>, strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>,
      padBegin = array<i64: 1, 1>, padEnd = array<i64: 1, 1>, groups = 32, packed}
    : (tensor<1x9x9x32xf32>, tensor<2x9x1x16xf32>) -> tensor<1x9x9x32xf32>
  %1 = nest.reduce %0 {kind = #nest.reduce_kind<mean>, axes = array<i64: 1, 2>, keepDims}
    : (tensor<1x9x9x32xf32>) -> tensor<1x1x1x32xf32>
  %2 = nest.reshape %0 : (tensor<1x9x9x32xf32>) -> tensor<81x32xf32>
  return %1, %2 : tensor<1x1x1x32xf32>, tensor<81x32xf32>
}

// -----

// A sum, a mean of rows, and a convolution whose channels meet.
// CHECK-LABEL: func.func @others
// CHECK-NOT: nest.row_sums
func.func @others(%x: tensor<1x9x9x32xf32>, %f: tensor<2x9x1x16xf32>, %g: tensor<2x1x32x16xf32>)
    -> (tensor<1x1x1x32xf32>, tensor<1x9x1x32xf32>, tensor<1x1x1x32xf32>) {
  %0 = nest.conv %x, %f {kernel = array<i64: 3, 3>, strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>,
      padBegin = array<i64: 1, 1>, padEnd = array<i64: 1, 1>, groups = 32, packed}
    : (tensor<1x9x9x32xf32>, tensor<2x9x1x16xf32>) -> tensor<1x9x9x32xf32>
  %1 = nest.reduce %0 {kind = #nest.reduce_kind<sum>, axes = array<i64: 1, 2>, keepDims}
    : (tensor<1x9x9x32xf32>) -> tensor<1x1x1x32xf32>
  %2 = nest.reduce %0 {kind = #nest.reduce_kind<mean>, axes = array<i64: 2>, keepDims}
    : (tensor<1x9x9x32xf32>) -> tensor<1x9x1x32xf32>
  %3 = nest.conv %x, %g {kernel = array<i64: 1, 1>, strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>,
      padBegin = array<i64: 0, 0>, padEnd = array<i64: 0, 0>, groups = 1, packed}
    : (tensor<1x9x9x32xf32>, tensor<2x1x32x16xf32>) -> tensor<1x9x9x32xf32>
  %4 = nest.reduce %3 {kind = #nest.reduce_kind<mean>, axes = array<i64: 1, 2>, keepDims}
    : (tensor<1x9x9x32xf32>) -> tensor<1x1x1x32xf32>
  return %1, %2, %4 : tensor<1x1x1x32xf32>, tensor<1x9x1x32xf32>, tensor<1x1x1x32xf32>
}
