// RUN: nestor-opt --nest-pack-filters --split-input-file %s | FileCheck %s

// CHECK-LABEL: func.func @dense
// CHECK: %[[P:.*]] = nest.pack %arg1 {groups = 1 : i64} : (tensor<3x3x8x24xf32>) -> tensor<2x9x8x16xf32>
// CHECK: nest.conv %arg0, %[[P]] {{.*}}packed
func.func @dense(%x: tensor<1x5x5x8xf32>, %f: tensor<3x3x8x24xf32>) -> tensor<1x3x3x24xf32> {
  %0 = nest.conv %x, %f {kernel = array<i64: 3, 3>, strides = array<i64: 1, 1>,
      dilations = array<i64: 1, 1>, padBegin = array<i64: 0, 0>, padEnd = array<i64: 0, 0>,
      groups = 1} : (tensor<1x5x5x8xf32>, tensor<3x3x8x24xf32>) -> tensor<1x3x3x24xf32>
  return %0 : tensor<1x3x3x24xf32>
}

// -----

// CHECK-LABEL: func.func @depthwise
// CHECK: nest.pack %arg1 {depthwise, groups = 20 : i64} : (tensor<3x1x20xf32>) -> tensor<2x3x1x16xf32>
func.func @depthwise(%x: tensor<1x5x20xf32>, %f: tensor<3x1x20xf32>) -> tensor<1x3x20xf32> {
  %0 = nest.conv %x, %f {kernel = array<i64: 3>, strides = array<i64: 1>, dilations = array<i64: 1>,
      padBegin = array<i64: 0>, padEnd = array<i64: 0>, groups = 20}
    : (tensor<1x5x20xf32>, tensor<3x1x20xf32>) -> tensor<1x3x20xf32>
  return %0 : tensor<1x3x20xf32>
}

// -----

// Each group's outputs fill panels of their own.
// CHECK-LABEL: func.func @grouped
// CHECK: nest.pack %arg1 {groups = 2 : i64} : (tensor<3x4x20xf32>) -> tensor<2x3x4x16xf32>
func.func @grouped(%x: tensor<1x5x8xf32>, %f: tensor<3x4x20xf32>) -> tensor<1x3x20xf32> {
  %0 = nest.conv %x, %f {kernel = array<i64: 3>, strides = array<i64: 1>, dilations = array<i64: 1>,
      padBegin = array<i64: 0>, padEnd = array<i64: 0>, groups = 2}
    : (tensor<1x5x8xf32>, tensor<3x4x20xf32>) -> tensor<1x3x20xf32>
  return %0 : tensor<1x3x20xf32>
}

// -----

// CHECK-LABEL: func.func @doubles_stay
// CHECK-NOT: nest.pack
func.func @doubles_stay(%x: tensor<1x5x8xf64>, %f: tensor<3x8x20xf64>) -> tensor<1x3x20xf64> {
  %0 = nest.conv %x, %f {kernel = array<i64: 3>, strides = array<i64: 1>, dilations = array<i64: 1>,
      padBegin = array<i64: 0>, padEnd = array<i64: 0>, groups = 1}
    : (tensor<1x5x8xf64>, tensor<3x8x20xf64>) -> tensor<1x3x20xf64>
  return %0 : tensor<1x3x20xf64>
}

// -----

// Transformed taps take the place of the filter's.
// CHECK-LABEL: func.func @winograd
// CHECK: %[[P:.*]] = nest.pack %arg1 {groups = 1 : i64, nest.winograd = 4 : i64} : (tensor<3x3x8x24xf32>) -> tensor<2x36x8x16xf32>
// CHECK: nest.conv %arg0, %[[P]] {{.*}}nest.winograd = 4 : i64{{.*}}packed
func.func @winograd(%x: tensor<1x5x5x8xf32>, %f: tensor<3x3x8x24xf32>) -> tensor<1x3x3x24xf32> {
  %0 = nest.conv %x, %f {kernel = array<i64: 3, 3>, strides = array<i64: 1, 1>,
      dilations = array<i64: 1, 1>, padBegin = array<i64: 0, 0>, padEnd = array<i64: 0, 0>,
      groups = 1, nest.winograd = 4 : i64} : (tensor<1x5x5x8xf32>, tensor<3x3x8x24xf32>) -> tensor<1x3x3x24xf32>
  return %0 : tensor<1x3x3x24xf32>
}

// -----

// As many where the stride is 2, of another transform.
// CHECK-LABEL: func.func @winograd_of_stride_2
// CHECK: %[[P:.*]] = nest.pack %arg1 {groups = 1 : i64, nest.winograd = 4 : i64, nest.winograd_stride = 2 : i64} : (tensor<3x3x8x24xf32>) -> tensor<2x36x8x16xf32>
// CHECK: nest.conv %arg0, %[[P]]
// CHECK-SAME: nest.winograd = 4 : i64
// CHECK-NOT: nest.winograd_stride
func.func @winograd_of_stride_2(%x: tensor<1x9x9x8xf32>, %f: tensor<3x3x8x24xf32>) -> tensor<1x4x4x24xf32> {
  %0 = nest.conv %x, %f {kernel = array<i64: 3, 3>, strides = array<i64: 2, 2>,
      dilations = array<i64: 1, 1>, padBegin = array<i64: 0, 0>, padEnd = array<i64: 0, 0>,
      groups = 1, nest.winograd = 4 : i64} : (tensor<1x9x9x8xf32>, tensor<3x3x8x24xf32>) -> tensor<1x4x4x24xf32>
  return %0 : tensor<1x4x4x24xf32>
}

// -----

// 7 filters of sums, of half the inputs and outputs.
// CHECK-LABEL: func.func @strassen
// CHECK: %[[P:.*]] = nest.pack %arg1 {groups = 1 : i64, nest.strassen} : (tensor<1x48x96xf32>) -> tensor<3x7x32x16xf32>
// CHECK: nest.conv %arg0, %[[P]]
// CHECK-SAME: nest.strassen
func.func @strassen(%x: tensor<1x5x48xf32>, %f: tensor<1x48x96xf32>) -> tensor<1x5x96xf32> {
  %0 = nest.conv %x, %f {kernel = array<i64: 1>, strides = array<i64: 1>,
      dilations = array<i64: 1>, padBegin = array<i64: 0>, padEnd = array<i64: 0>,
      groups = 1, nest.strassen} : (tensor<1x5x48xf32>, tensor<1x48x96xf32>) -> tensor<1x5x96xf32>
  return %0 : tensor<1x5x96xf32>
}

// -----

// Halves stay halves, unless a transform would round them too much.
// CHECK-LABEL: func.func @halves
// CHECK: nest.pack %arg1 {groups = 1 : i64} : (tensor<3x3x8x24xf16>) -> tensor<2x9x8x16xf16>
// CHECK: nest.pack %arg1 {groups = 1 : i64, nest.winograd = 2 : i64} : (tensor<3x3x8x24xf16>) -> tensor<2x16x8x16xf16>
// CHECK: nest.pack %arg1 {groups = 1 : i64, nest.winograd = 4 : i64} : (tensor<3x3x8x24xf16>) -> tensor<2x36x8x16xf32>
// CHECK: nest.pack %arg2 {groups = 1 : i64, nest.winograd = 2 : i64} : (tensor<3x3x8x24xbf16>) -> tensor<2x16x8x16xf32>
func.func @halves(%x: tensor<1x5x5x8xf32>, %f: tensor<3x3x8x24xf16>, %g: tensor<3x3x8x24xbf16>)
    -> (tensor<1x3x3x24xf32>, tensor<1x3x3x24xf32>, tensor<1x3x3x24xf32>, tensor<1x3x3x24xf32>) {
  %0 = nest.conv %x, %f {kernel = array<i64: 3, 3>, strides = array<i64: 1, 1>,
      dilations = array<i64: 1, 1>, padBegin = array<i64: 0, 0>, padEnd = array<i64: 0, 0>,
      groups = 1} : (tensor<1x5x5x8xf32>, tensor<3x3x8x24xf16>) -> tensor<1x3x3x24xf32>
  %1 = nest.conv %x, %f {kernel = array<i64: 3, 3>, strides = array<i64: 1, 1>,
      dilations = array<i64: 1, 1>, padBegin = array<i64: 0, 0>, padEnd = array<i64: 0, 0>,
      groups = 1, nest.winograd = 2} : (tensor<1x5x5x8xf32>, tensor<3x3x8x24xf16>) -> tensor<1x3x3x24xf32>
  %2 = nest.conv %x, %f {kernel = array<i64: 3, 3>, strides = array<i64: 1, 1>,
      dilations = array<i64: 1, 1>, padBegin = array<i64: 0, 0>, padEnd = array<i64: 0, 0>,
      groups = 1, nest.winograd = 4} : (tensor<1x5x5x8xf32>, tensor<3x3x8x24xf16>) -> tensor<1x3x3x24xf32>
  %3 = nest.conv %x, %g {kernel = array<i64: 3, 3>, strides = array<i64: 1, 1>,
      dilations = array<i64: 1, 1>, padBegin = array<i64: 0, 0>, padEnd = array<i64: 0, 0>,
      groups = 1, nest.winograd = 2} : (tensor<1x5x5x8xf32>, tensor<3x3x8x24xbf16>) -> tensor<1x3x3x24xf32>
  return %0, %1, %2, %3 : tensor<1x3x3x24xf32>, tensor<1x3x3x24xf32>, tensor<1x3x3x24xf32>, tensor<1x3x3x24xf32>
}
