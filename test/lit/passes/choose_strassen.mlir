// RUN: nestor-opt --nest-choose-strassen="targets=x86-64-v4" --split-input-file %s | FileCheck %s

// Many channels pay for sums of them.
// CHECK-LABEL: func.func @main
// CHECK: nest.conv {{.*}}nest.strassen{{[,}]}}
func.func @main(%x: tensor<1x128x1536xf32>) -> tensor<1x128x512xf32> {
  %f = nest.const dense<0.5> : tensor<1x1536x512xf32>
  %0 = nest.conv %x, %f {kernel = array<i64: 1>, strides = array<i64: 1>,
      dilations = array<i64: 1>, padBegin = array<i64: 0>, padEnd = array<i64: 0>, groups = 1}
    : (tensor<1x128x1536xf32>, tensor<1x1536x512xf32>) -> tensor<1x128x512xf32>
  return %0 : tensor<1x128x512xf32>
}

// -----

// Few channels do not.
// CHECK-LABEL: func.func @main
// CHECK-NOT: nest.strassen
func.func @main(%x: tensor<1x128x32xf32>) -> tensor<1x128x64xf32> {
  %f = nest.const dense<0.5> : tensor<1x32x64xf32>
  %0 = nest.conv %x, %f {kernel = array<i64: 1>, strides = array<i64: 1>,
      dilations = array<i64: 1>, padBegin = array<i64: 0>, padEnd = array<i64: 0>, groups = 1}
    : (tensor<1x128x32xf32>, tensor<1x32x64xf32>) -> tensor<1x128x64xf32>
  return %0 : tensor<1x128x64xf32>
}

// -----

// A filter that is computed, a stride, and halves are computed directly.
// CHECK-LABEL: func.func @main
// CHECK-NOT: nest.strassen
func.func @main(%x: tensor<1x128x1536xf32>, %f: tensor<1x1536x512xf32>)
    -> (tensor<1x128x512xf32>, tensor<1x64x512xf32>, tensor<1x128x512xf32>) {
  %g = nest.const dense<0.5> : tensor<1x1536x512xf32>
  %h = nest.const dense<0.5> : tensor<1x1536x512xf16>
  %0 = nest.conv %x, %f {kernel = array<i64: 1>, strides = array<i64: 1>,
      dilations = array<i64: 1>, padBegin = array<i64: 0>, padEnd = array<i64: 0>, groups = 1}
    : (tensor<1x128x1536xf32>, tensor<1x1536x512xf32>) -> tensor<1x128x512xf32>
  %1 = nest.conv %x, %g {kernel = array<i64: 1>, strides = array<i64: 2>,
      dilations = array<i64: 1>, padBegin = array<i64: 0>, padEnd = array<i64: 0>, groups = 1}
    : (tensor<1x128x1536xf32>, tensor<1x1536x512xf32>) -> tensor<1x64x512xf32>
  %2 = nest.conv %x, %h {kernel = array<i64: 1>, strides = array<i64: 1>,
      dilations = array<i64: 1>, padBegin = array<i64: 0>, padEnd = array<i64: 0>, groups = 1}
    : (tensor<1x128x1536xf32>, tensor<1x1536x512xf16>) -> tensor<1x128x512xf32>
  return %0, %1, %2 : tensor<1x128x512xf32>, tensor<1x64x512xf32>, tensor<1x128x512xf32>
}

// -----

// The widest capacity decides for all of them.
nest.global @w = dense<0.5> : tensor<1x1536x512xf32> edges [[], [array<i64: 48, 1536>], [array<i64: 16, 512>]]

// CHECK-LABEL: func.func @capacity_0
// CHECK: nest.conv {{.*}}nest.strassen{{[,}]}}
// CHECK-LABEL: func.func @main
// CHECK: nest.conv {{.*}}nest.strassen{{[,}]}}
func.func @capacity_0(%x: tensor<1x128x48xf32>) -> tensor<1x128x16xf32> {
  %w = nest.weight @w at 0 : tensor<1x48x16xf32>
  %0 = nest.conv %x, %w {kernel = array<i64: 1>, strides = array<i64: 1>,
      dilations = array<i64: 1>, padBegin = array<i64: 0>, padEnd = array<i64: 0>, groups = 1}
    : (tensor<1x128x48xf32>, tensor<1x48x16xf32>) -> tensor<1x128x16xf32>
  return %0 : tensor<1x128x16xf32>
}
func.func @main(%x: tensor<1x128x1536xf32>) -> tensor<1x128x512xf32> {
  %w = nest.weight @w at 1 : tensor<1x1536x512xf32>
  %0 = nest.conv %x, %w {kernel = array<i64: 1>, strides = array<i64: 1>,
      dilations = array<i64: 1>, padBegin = array<i64: 0>, padEnd = array<i64: 0>, groups = 1}
    : (tensor<1x128x1536xf32>, tensor<1x1536x512xf32>) -> tensor<1x128x512xf32>
  return %0 : tensor<1x128x512xf32>
}

// -----

// Inputs in two parts: capacities could not share the transformed filter.
nest.global @w = dense<0.5> : tensor<1x1536x512xf32> edges [[], [array<i64: 64, 768>, array<i64: 64, 768>], []]

// CHECK-LABEL: func.func @main
// CHECK-NOT: nest.strassen
func.func @main(%x: tensor<1x128x1536xf32>) -> tensor<1x128x512xf32> {
  %w = nest.weight @w at 1 : tensor<1x1536x512xf32>
  %0 = nest.conv %x, %w {kernel = array<i64: 1>, strides = array<i64: 1>,
      dilations = array<i64: 1>, padBegin = array<i64: 0>, padEnd = array<i64: 0>, groups = 1}
    : (tensor<1x128x1536xf32>, tensor<1x1536x512xf32>) -> tensor<1x128x512xf32>
  return %0 : tensor<1x128x512xf32>
}

// -----

// What was measured counts in place of the table.
// CHECK-LABEL: func.func @main
// CHECK: nest.conv {{.*}}nest.strassen{{[,}]}}
// CHECK: nest.conv
// CHECK-NOT: nest.strassen
func.func @main(%x: tensor<1x128x32xf32>, %y: tensor<1x128x1536xf32>)
    -> (tensor<1x128x64xf32>, tensor<1x128x512xf32>) {
  %f = nest.const dense<0.5> : tensor<1x32x64xf32>
  %g = nest.const dense<0.5> : tensor<1x1536x512xf32>
  %0 = nest.conv %x, %f {kernel = array<i64: 1>, strides = array<i64: 1>,
      dilations = array<i64: 1>, padBegin = array<i64: 0>, padEnd = array<i64: 0>, groups = 1,
      nest.measured = {"x86-64-v4" = array<f64: 9.0e5, 5.0e5>}}
    : (tensor<1x128x32xf32>, tensor<1x32x64xf32>) -> tensor<1x128x64xf32>
  %1 = nest.conv %y, %g {kernel = array<i64: 1>, strides = array<i64: 1>,
      dilations = array<i64: 1>, padBegin = array<i64: 0>, padEnd = array<i64: 0>, groups = 1,
      nest.measured = {"x86-64-v4" = array<f64: 5.0e5, 5.0e5>}}
    : (tensor<1x128x1536xf32>, tensor<1x1536x512xf32>) -> tensor<1x128x512xf32>
  return %0, %1 : tensor<1x128x64xf32>, tensor<1x128x512xf32>
}
