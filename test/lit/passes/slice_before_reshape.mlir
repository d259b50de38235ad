// RUN: nestor-opt --nest-slice-before-reshape --canonicalize --split-input-file %s | FileCheck %s

// ShuffleNet's second half: the odd channels.
// CHECK-LABEL: func.func @every_other
// CHECK: %[[S:.*]] = nest.slice %arg0 {starts = array<i64: 0, 0, 1>, steps = array<i64: 1, 1, 2>} : {{.*}} -> tensor<1x4x3xf32>
// CHECK: return %[[S]]
func.func @every_other(%x: tensor<1x4x6xf32>) -> tensor<1x4x3xf32> {
  %0 = nest.reshape %x : (tensor<1x4x6xf32>) -> tensor<4x3x2xf32>
  %1 = nest.slice %0 {starts = array<i64: 0, 0, 1>, steps = array<i64: 1, 1, 1>}
    : (tensor<4x3x2xf32>) -> tensor<4x3x1xf32>
  %2 = nest.reshape %1 : (tensor<4x3x1xf32>) -> tensor<1x4x3xf32>
  return %2 : tensor<1x4x3xf32>
}

// -----

// CHECK-LABEL: func.func @a_half
// CHECK: nest.slice %arg0 {starts = array<i64: 0, 3>, steps = array<i64: 1, 1>} : (tensor<4x6xf32>) -> tensor<4x3xf32>
func.func @a_half(%x: tensor<4x6xf32>) -> tensor<4x1x3xf32> {
  %0 = nest.reshape %x : (tensor<4x6xf32>) -> tensor<4x2x3xf32>
  %1 = nest.slice %0 {starts = array<i64: 0, 1, 0>, steps = array<i64: 1, 1, 1>}
    : (tensor<4x2x3xf32>) -> tensor<4x1x3xf32>
  return %1 : tensor<4x1x3xf32>
}

// -----

// CHECK-LABEL: func.func @not_evenly_spaced
// CHECK: nest.reshape
// CHECK: nest.slice
func.func @not_evenly_spaced(%x: tensor<8xf32>) -> tensor<2x1x2xf32> {
  %0 = nest.reshape %x : (tensor<8xf32>) -> tensor<2x2x2xf32>
  %1 = nest.slice %0 {starts = array<i64: 0, 1, 0>, steps = array<i64: 1, 1, 1>}
    : (tensor<2x2x2xf32>) -> tensor<2x1x2xf32>
  return %1 : tensor<2x1x2xf32>
}
