// RUN: nestor-opt --nest-choose-winograd="targets=x86-64-v4" --split-input-file %s | FileCheck %s --check-prefixes=CHECK,FAST
// RUN: nestor-opt --nest-choose-winograd="targets=x86-64-v4 growth=2" --split-input-file %s | FileCheck %s --check-prefixes=CHECK,ROOM
// RUN: nestor-opt --nest-choose-winograd="targets=x86-64-v4 growth=0" --split-input-file %s | FileCheck %s --check-prefixes=CHECK,NONE
// RUN: nestor-opt --nest-choose-winograd="targets=x86-64-v4 computed=true largest=4" --split-input-file %s | FileCheck %s --check-prefixes=TRAIN

// Of two layers the one with more pixels saves more for the same bytes.
// CHECK-LABEL: func.func @main
// FAST: nest.conv {{.*}}nest.winograd = 6 : i64
// FAST: nest.conv {{.*}}nest.winograd = {{[246]}} : i64
// ROOM: nest.conv {{.*}}nest.winograd = {{[46]}} : i64
// ROOM-NOT: nest.winograd = {{[46]}}
// NONE-NOT: nest.winograd
func.func @main(%x: tensor<1x54x54x64xf32>, %y: tensor<1x18x18x64xf32>) -> (tensor<1x54x54x64xf32>, tensor<1x18x18x64xf32>) {
  %f = nest.const dense<0.5> : tensor<3x3x64x64xf32>
  %g = nest.const dense<0.25> : tensor<3x3x64x64xf32>
  %0 = nest.conv %x, %f {kernel = array<i64: 3, 3>, strides = array<i64: 1, 1>,
      dilations = array<i64: 1, 1>, padBegin = array<i64: 1, 1>, padEnd = array<i64: 1, 1>, groups = 1}
    : (tensor<1x54x54x64xf32>, tensor<3x3x64x64xf32>) -> tensor<1x54x54x64xf32>
  %1 = nest.conv %y, %g {kernel = array<i64: 3, 3>, strides = array<i64: 1, 1>,
      dilations = array<i64: 1, 1>, padBegin = array<i64: 1, 1>, padEnd = array<i64: 1, 1>, groups = 1}
    : (tensor<1x18x18x64xf32>, tensor<3x3x64x64xf32>) -> tensor<1x18x18x64xf32>
  return %0, %1 : tensor<1x54x54x64xf32>, tensor<1x18x18x64xf32>
}

// -----

// Different strides, another kernel, a filter that is computed: all direct.
// CHECK-LABEL: func.func @main
// CHECK-NOT: nest.winograd
func.func @main(%x: tensor<1x54x54x64xf32>, %f: tensor<3x3x64x64xf32>) -> (tensor<1x53x27x64xf32>, tensor<1x54x54x64xf32>, tensor<1x54x54x64xf32>) {
  %g = nest.const dense<0.5> : tensor<3x3x64x64xf32>
  %h = nest.const dense<0.5> : tensor<1x1x64x64xf32>
  %0 = nest.conv %x, %g {kernel = array<i64: 3, 3>, strides = array<i64: 1, 2>,
      dilations = array<i64: 1, 1>, padBegin = array<i64: 1, 1>, padEnd = array<i64: 0, 0>, groups = 1}
    : (tensor<1x54x54x64xf32>, tensor<3x3x64x64xf32>) -> tensor<1x53x27x64xf32>
  %1 = nest.conv %x, %h {kernel = array<i64: 1, 1>, strides = array<i64: 1, 1>,
      dilations = array<i64: 1, 1>, padBegin = array<i64: 0, 0>, padEnd = array<i64: 0, 0>, groups = 1}
    : (tensor<1x54x54x64xf32>, tensor<1x1x64x64xf32>) -> tensor<1x54x54x64xf32>
  %2 = nest.conv %1, %f {kernel = array<i64: 3, 3>, strides = array<i64: 1, 1>,
      dilations = array<i64: 1, 1>, padBegin = array<i64: 1, 1>, padEnd = array<i64: 1, 1>, groups = 1}
    : (tensor<1x54x54x64xf32>, tensor<3x3x64x64xf32>) -> tensor<1x54x54x64xf32>
  return %0, %1, %2 : tensor<1x53x27x64xf32>, tensor<1x54x54x64xf32>, tensor<1x54x54x64xf32>
}

// -----

// A stride of 2 has tiles of its own.
// CHECK-LABEL: func.func @main
// FAST: nest.conv {{.*}}nest.winograd = {{[24]}} : i64
// ROOM: nest.conv {{.*}}nest.winograd = {{[24]}} : i64
// NONE-NOT: nest.winograd
func.func @main(%x: tensor<1x56x56x128xf32>) -> tensor<1x28x28x128xf32> {
  %f = nest.const dense<0.5> : tensor<3x3x128x128xf32>
  %0 = nest.conv %x, %f {kernel = array<i64: 3, 3>, strides = array<i64: 2, 2>,
      dilations = array<i64: 1, 1>, padBegin = array<i64: 1, 1>, padEnd = array<i64: 1, 1>, groups = 1}
    : (tensor<1x56x56x128xf32>, tensor<3x3x128x128xf32>) -> tensor<1x28x28x128xf32>
  return %0 : tensor<1x28x28x128xf32>
}

// -----

// What all readers of a filter cannot follow, none does.
// CHECK-LABEL: func.func @main
// CHECK-NOT: nest.winograd
func.func @main(%x: tensor<1x54x54x64xf32>) -> (tensor<1x27x27x64xf32>, tensor<1x54x54x64xf32>) {
  %f = nest.const dense<0.5> : tensor<3x3x64x64xf32>
  %0 = nest.conv %x, %f {kernel = array<i64: 3, 3>, strides = array<i64: 2, 2>,
      dilations = array<i64: 1, 1>, padBegin = array<i64: 1, 1>, padEnd = array<i64: 0, 0>, groups = 1}
    : (tensor<1x54x54x64xf32>, tensor<3x3x64x64xf32>) -> tensor<1x27x27x64xf32>
  %1 = nest.conv %x, %f {kernel = array<i64: 3, 3>, strides = array<i64: 1, 1>,
      dilations = array<i64: 1, 1>, padBegin = array<i64: 1, 1>, padEnd = array<i64: 1, 1>, groups = 1}
    : (tensor<1x54x54x64xf32>, tensor<3x3x64x64xf32>) -> tensor<1x54x54x64xf32>
  return %0, %1 : tensor<1x27x27x64xf32>, tensor<1x54x54x64xf32>
}

// -----

// All capacities share one choice: that of the full model.
// CHECK-LABEL: func.func @capacity_0
// FAST: nest.conv {{.*}}nest.winograd = 6 : i64
// CHECK-LABEL: func.func @main
// FAST: nest.conv {{.*}}nest.winograd = 6 : i64
nest.global @w = dense<0.5> : tensor<3x3x64x64xf32> edges [[], [], [], [array<i64: 16, 64>]]
func.func @capacity_0(%x: tensor<1x54x54x64xf32>) -> tensor<1x54x54x16xf32> {
  %f = nest.weight @w at 0 : tensor<3x3x64x16xf32>
  %0 = nest.conv %x, %f {kernel = array<i64: 3, 3>, strides = array<i64: 1, 1>,
      dilations = array<i64: 1, 1>, padBegin = array<i64: 1, 1>, padEnd = array<i64: 1, 1>, groups = 1}
    : (tensor<1x54x54x64xf32>, tensor<3x3x64x16xf32>) -> tensor<1x54x54x16xf32>
  return %0 : tensor<1x54x54x16xf32>
}
func.func @main(%x: tensor<1x54x54x64xf32>) -> tensor<1x54x54x64xf32> {
  %f = nest.weight @w at 1 : tensor<3x3x64x64xf32>
  %0 = nest.conv %x, %f {kernel = array<i64: 3, 3>, strides = array<i64: 1, 1>,
      dilations = array<i64: 1, 1>, padBegin = array<i64: 1, 1>, padEnd = array<i64: 1, 1>, groups = 1}
    : (tensor<1x54x54x64xf32>, tensor<3x3x64x64xf32>) -> tensor<1x54x54x64xf32>
  return %0 : tensor<1x54x54x64xf32>
}

// -----

// What was measured counts in place of the table, and leaves nothing behind.
// CHECK-LABEL: func.func @main
// CHECK-NOT: nest.measured
// FAST: nest.conv {{.*}}nest.winograd = 2 : i64
// FAST: nest.conv
// FAST-NOT: nest.winograd
func.func @main(%x: tensor<1x54x54x64xf32>) -> tensor<1x54x54x64xf32> {
  %f = nest.const dense<0.5> : tensor<3x3x64x64xf32>
  %g = nest.const dense<0.25> : tensor<3x3x64x64xf32>
  %0 = nest.conv %x, %f {kernel = array<i64: 3, 3>, strides = array<i64: 1, 1>,
      dilations = array<i64: 1, 1>, padBegin = array<i64: 1, 1>, padEnd = array<i64: 1, 1>, groups = 1,
      nest.measured = {"x86-64-v4" = array<f64: 9.0e5, 5.0e5, 6.0e5, 7.0e5>}}
    : (tensor<1x54x54x64xf32>, tensor<3x3x64x64xf32>) -> tensor<1x54x54x64xf32>
  %1 = nest.conv %0, %g {kernel = array<i64: 3, 3>, strides = array<i64: 1, 1>,
      dilations = array<i64: 1, 1>, padBegin = array<i64: 1, 1>, padEnd = array<i64: 1, 1>, groups = 1,
      nest.measured = {"x86-64-v4" = array<f64: 5.1e5, 5.0e5, 6.0e5, 7.0e5>}}
    : (tensor<1x54x54x64xf32>, tensor<3x3x64x64xf32>) -> tensor<1x54x54x64xf32>
  return %1 : tensor<1x54x54x64xf32>
}

// -----

// A filter that is computed is transformed for each run: not where one image has
// so few pixels, but where a batch has many. No tile is larger than asked for.
// CHECK-LABEL: func.func @main
// CHECK-NOT: nest.winograd
// TRAIN-LABEL: func.func @main(%{{.*}}: tensor<1x4x4x64xf32>
// TRAIN: nest.conv
// TRAIN-NOT: nest.winograd
// TRAIN: nest.conv {{.*}}nest.winograd = 4 : i64
func.func @main(%x: tensor<1x4x4x64xf32>, %y: tensor<32x12x12x64xf32>, %f: tensor<3x3x64x64xf32>, %g: tensor<3x3x64x64xf32>)
    -> (tensor<1x4x4x64xf32>, tensor<32x12x12x64xf32>) {
  %0 = nest.conv %x, %f {kernel = array<i64: 3, 3>, strides = array<i64: 1, 1>,
      dilations = array<i64: 1, 1>, padBegin = array<i64: 1, 1>, padEnd = array<i64: 1, 1>, groups = 1}
    : (tensor<1x4x4x64xf32>, tensor<3x3x64x64xf32>) -> tensor<1x4x4x64xf32>
  %1 = nest.conv %y, %g {kernel = array<i64: 3, 3>, strides = array<i64: 1, 1>,
      dilations = array<i64: 1, 1>, padBegin = array<i64: 1, 1>, padEnd = array<i64: 1, 1>, groups = 1}
    : (tensor<32x12x12x64xf32>, tensor<3x3x64x64xf32>) -> tensor<32x12x12x64xf32>
  return %0, %1 : tensor<1x4x4x64xf32>, tensor<32x12x12x64xf32>
}

// -----

// Gradients of filters; sums of so many channels would not stay in a near cache.
// CHECK-LABEL: func.func @main
// CHECK-NOT: nest.winograd
// TRAIN-LABEL: func.func @main(%{{.*}}: tensor<32x12x12x64xf32>
// TRAIN: nest.conv_filter_grad {{.*}}nest.winograd = 4 : i64
// TRAIN: nest.conv_filter_grad
// TRAIN-NOT: nest.winograd
func.func @main(%x: tensor<32x12x12x64xf32>, %y: tensor<32x12x12x64xf32>, %z: tensor<32x12x12x512xf32>)
    -> (tensor<3x3x64x64xf32>, tensor<3x3x512x512xf32>) {
  %0 = nest.conv_filter_grad %x, %y {kernel = array<i64: 3, 3>, strides = array<i64: 1, 1>,
      dilations = array<i64: 1, 1>, padBegin = array<i64: 1, 1>, padEnd = array<i64: 1, 1>, groups = 1}
    : (tensor<32x12x12x64xf32>, tensor<32x12x12x64xf32>) -> tensor<3x3x64x64xf32>
  %1 = nest.conv_filter_grad %z, %z {kernel = array<i64: 3, 3>, strides = array<i64: 1, 1>,
      dilations = array<i64: 1, 1>, padBegin = array<i64: 1, 1>, padEnd = array<i64: 1, 1>, groups = 1}
    : (tensor<32x12x12x512xf32>, tensor<32x12x12x512xf32>) -> tensor<3x3x512x512xf32>
  return %0, %1 : tensor<3x3x64x64xf32>, tensor<3x3x512x512xf32>
}
