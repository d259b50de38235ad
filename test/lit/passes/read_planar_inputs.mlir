// RUN: nestor-opt --nest-read-planar-inputs --canonicalize --split-input-file %s | FileCheck %s

// CHECK-LABEL: func.func @image
// CHECK-NOT: nest.transpose
// CHECK: nest.conv %arg0, %arg1 {{.*}}packed, padBegin = array<i64: 0, 0>, padEnd = array<i64: 0, 0>, planar
func.func @image(%x: tensor<1x3x9x9xf32>, %f: tensor<1x9x3x16xf32>) -> tensor<1x4x4x16xf32> {
  %0 = nest.transpose %x {perm = array<i64: 0, 2, 3, 1>} : (tensor<1x3x9x9xf32>) -> tensor<1x9x9x3xf32>
  %1 = nest.conv %0, %f {kernel = array<i64: 3, 3>, strides = array<i64: 2, 2>, dilations = array<i64: 1, 1>,
      padBegin = array<i64: 0, 0>, padEnd = array<i64: 0, 0>, groups = 1, packed}
    : (tensor<1x9x9x3xf32>, tensor<1x9x3x16xf32>) -> tensor<1x4x4x16xf32>
  return %1 : tensor<1x4x4x16xf32>
}

// -----

// A cut lies between them: what it hands over has its channels last.
// CHECK-LABEL: func.func @cut
// CHECK: nest.transpose
func.func @cut(%x: tensor<1x3x9x9xf32>, %f: tensor<1x9x3x16xf32>) -> tensor<1x4x4x16xf32>
    attributes {nest.block_count = 2 : i64} {
  %0 = nest.transpose %x {perm = array<i64: 0, 2, 3, 1>, nest.block = 0 : i64}
    : (tensor<1x3x9x9xf32>) -> tensor<1x9x9x3xf32>
  %1 = nest.conv %0, %f {kernel = array<i64: 3, 3>, strides = array<i64: 2, 2>, dilations = array<i64: 1, 1>,
      padBegin = array<i64: 0, 0>, padEnd = array<i64: 0, 0>, groups = 1, packed, nest.block = 1 : i64}
    : (tensor<1x9x9x3xf32>, tensor<1x9x3x16xf32>) -> tensor<1x4x4x16xf32>
  return %1 : tensor<1x4x4x16xf32>
}

// -----

// Someone else reads it, too.
// CHECK-LABEL: func.func @shared
// CHECK: %[[LAST:.*]] = nest.transpose
// CHECK: nest.conv %[[LAST]]
func.func @shared(%x: tensor<1x3x9x9xf32>, %f: tensor<1x9x3x16xf32>)
    -> (tensor<1x4x4x16xf32>, tensor<1x9x9x3xf32>) {
  %0 = nest.transpose %x {perm = array<i64: 0, 2, 3, 1>} : (tensor<1x3x9x9xf32>) -> tensor<1x9x9x3xf32>
  %1 = nest.conv %0, %f {kernel = array<i64: 3, 3>, strides = array<i64: 2, 2>, dilations = array<i64: 1, 1>,
      padBegin = array<i64: 0, 0>, padEnd = array<i64: 0, 0>, groups = 1, packed}
    : (tensor<1x9x9x3xf32>, tensor<1x9x3x16xf32>) -> tensor<1x4x4x16xf32>
  return %1, %0 : tensor<1x4x4x16xf32>, tensor<1x9x9x3xf32>
}
