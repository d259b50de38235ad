// RUN: nestor-opt --nest-round-filters="element=f16" --split-input-file %s | FileCheck %s --check-prefixes=CHECK,F16
// RUN: nestor-opt --nest-round-filters="element=bf16" --split-input-file %s | FileCheck %s --check-prefixes=CHECK,BF16

// A filter, but not its bias.
// CHECK-LABEL: func.func @main
// F16: nest.const dense<{{.*}}> : tensor<1x8x4xf16>
// BF16: nest.const dense<{{.*}}> : tensor<1x8x4xbf16>
// CHECK: nest.const dense<1.000000e-01> : tensor<4xf32>
// F16: (tensor<1x5x8xf32>, tensor<1x8x4xf16>, tensor<4xf32>) -> tensor<1x5x4xf32>
// BF16: (tensor<1x5x8xf32>, tensor<1x8x4xbf16>, tensor<4xf32>) -> tensor<1x5x4xf32>
func.func @main(%x: tensor<1x5x8xf32>) -> tensor<1x5x4xf32> {
  %f = nest.const dense<0.1> : tensor<1x8x4xf32>
  %b = nest.const dense<0.1> : tensor<4xf32>
  %0 = nest.conv %x, %f bias %b {kernel = array<i64: 1>, strides = array<i64: 1>, dilations = array<i64: 1>,
      padBegin = array<i64: 0>, padEnd = array<i64: 0>, groups = 1}
    : (tensor<1x5x8xf32>, tensor<1x8x4xf32>, tensor<4xf32>) -> tensor<1x5x4xf32>
  return %0 : tensor<1x5x4xf32>
}

// -----

// Filters of groups, what is read in another way too, and other types stay.
// CHECK-LABEL: func.func @main
// CHECK-NOT: f16>
func.func @main(%x: tensor<1x5x8xf32>, %d: tensor<1x5x8xf64>) -> (tensor<1x5x8xf32>, tensor<1x5x8xf32>, tensor<1x8x8xf32>, tensor<1x5x8xf64>) {
  %f = nest.const dense<0.1> : tensor<1x1x8xf32>
  %g = nest.const dense<0.2> : tensor<1x8x8xf32>
  %h = nest.const dense<0.1> : tensor<1x8x8xf64>
  %0 = nest.conv %x, %f {kernel = array<i64: 1>, strides = array<i64: 1>, dilations = array<i64: 1>,
      padBegin = array<i64: 0>, padEnd = array<i64: 0>, groups = 8}
    : (tensor<1x5x8xf32>, tensor<1x1x8xf32>) -> tensor<1x5x8xf32>
  %1 = nest.conv %x, %g {kernel = array<i64: 1>, strides = array<i64: 1>, dilations = array<i64: 1>,
      padBegin = array<i64: 0>, padEnd = array<i64: 0>, groups = 1}
    : (tensor<1x5x8xf32>, tensor<1x8x8xf32>) -> tensor<1x5x8xf32>
  %2 = nest.conv %d, %h {kernel = array<i64: 1>, strides = array<i64: 1>, dilations = array<i64: 1>,
      padBegin = array<i64: 0>, padEnd = array<i64: 0>, groups = 1}
    : (tensor<1x5x8xf64>, tensor<1x8x8xf64>) -> tensor<1x5x8xf64>
  return %0, %1, %g, %2 : tensor<1x5x8xf32>, tensor<1x5x8xf32>, tensor<1x8x8xf32>, tensor<1x5x8xf64>
}

// -----

// What capacities share is rounded once, and all read it so.
// F16: nest.global @w = dense<{{.*}}> : tensor<1x4x8xf16>
// BF16: nest.global @w = dense<{{.*}}> : tensor<1x4x8xbf16>
// F16: nest.weight @w at 0 : tensor<1x4x4xf16>
// BF16: nest.weight @w at 0 : tensor<1x4x4xbf16>
// F16: nest.weight @w at 1 : tensor<1x4x8xf16>
// BF16: nest.weight @w at 1 : tensor<1x4x8xbf16>
nest.global @w = dense<0.1> : tensor<1x4x8xf32> edges [[], [], [array<i64: 4, 8>]]
func.func @capacity_0(%x: tensor<1x5x4xf32>) -> tensor<1x5x4xf32> {
  %f = nest.weight @w at 0 : tensor<1x4x4xf32>
  %0 = nest.conv %x, %f {kernel = array<i64: 1>, strides = array<i64: 1>, dilations = array<i64: 1>,
      padBegin = array<i64: 0>, padEnd = array<i64: 0>, groups = 1}
    : (tensor<1x5x4xf32>, tensor<1x4x4xf32>) -> tensor<1x5x4xf32>
  return %0 : tensor<1x5x4xf32>
}
func.func @main(%x: tensor<1x5x4xf32>) -> tensor<1x5x8xf32> {
  %f = nest.weight @w at 1 : tensor<1x4x8xf32>
  %0 = nest.conv %x, %f {kernel = array<i64: 1>, strides = array<i64: 1>, dilations = array<i64: 1>,
      padBegin = array<i64: 0>, padEnd = array<i64: 0>, groups = 1}
    : (tensor<1x5x4xf32>, tensor<1x4x8xf32>) -> tensor<1x5x8xf32>
  return %0 : tensor<1x5x8xf32>
}
