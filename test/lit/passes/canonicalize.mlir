// RUN: nestor-opt --canonicalize --split-input-file %s | FileCheck %s

// CHECK-LABEL: func.func @scalars_move_into_the_body
// CHECK: nest.map %arg0 : tensor<4xf32> -> tensor<4xf32>
// CHECK-NEXT: ^bb0(%[[A:.*]]: f32):
// CHECK-NEXT: %[[TWO:.*]] = arith.constant 2.0
// CHECK-NEXT: arith.mulf %[[A]], %[[TWO]]
func.func @scalars_move_into_the_body(%x: tensor<4xf32>) -> tensor<4xf32> {
  %two = nest.const dense<2.0> : tensor<1xf32>
  %0 = nest.map %x, %two : tensor<4xf32>, tensor<1xf32> -> tensor<4xf32> {
  ^bb0(%a: f32, %b: f32):
    %m = arith.mulf %a, %b : f32
    nest.yield %m : f32
  }
  return %0 : tensor<4xf32>
}

// -----

// Inside regions integers are signless.
// CHECK-LABEL: func.func @unsigned_scalar
// CHECK: arith.constant -56 : i8
func.func @unsigned_scalar(%x: tensor<4xui8>) -> tensor<4xui8> {
  %c = nest.const dense<200> : tensor<ui8>
  %0 = nest.map %x, %c : tensor<4xui8>, tensor<ui8> -> tensor<4xui8> {
  ^bb0(%a: i8, %b: i8):
    %m = arith.minui %a, %b : i8
    nest.yield %m : i8
  }
  return %0 : tensor<4xui8>
}

// -----

// CHECK-LABEL: func.func @same_input_twice
// CHECK: nest.map %arg0 : tensor<4xf32> -> tensor<4xf32>
// CHECK: arith.mulf %[[A:.*]], %[[A]]
func.func @same_input_twice(%x: tensor<4xf32>) -> tensor<4xf32> {
  %0 = nest.map %x, %x : tensor<4xf32>, tensor<4xf32> -> tensor<4xf32> {
  ^bb0(%a: f32, %b: f32):
    %m = arith.mulf %a, %b : f32
    nest.yield %m : f32
  }
  return %0 : tensor<4xf32>
}

// -----

// CHECK-LABEL: func.func @identities
// CHECK-NEXT: return %arg0
func.func @identities(%x: tensor<2x3xf32>) -> tensor<2x3xf32> {
  %0 = nest.map %x : tensor<2x3xf32> -> tensor<2x3xf32> {
  ^bb0(%a: f32):
    nest.yield %a : f32
  }
  %1 = nest.transpose %0 {perm = array<i64: 1, 0>} : (tensor<2x3xf32>) -> tensor<3x2xf32>
  %2 = nest.transpose %1 {perm = array<i64: 1, 0>} : (tensor<3x2xf32>) -> tensor<2x3xf32>
  %3 = nest.pad %2 {low = array<i64: 0, 0>, high = array<i64: 0, 0>, mode = #nest.pad_mode<edge>}
    : (tensor<2x3xf32>) -> tensor<2x3xf32>
  %4 = nest.concat %3 {axis = 0 : i64} : (tensor<2x3xf32>) -> tensor<2x3xf32>
  return %4 : tensor<2x3xf32>
}

// -----

// A map may broadcast: the result is larger than what it yields from.
// CHECK-LABEL: func.func @broadcast_is_no_identity
// CHECK: nest.map
func.func @broadcast_is_no_identity(%x: tensor<3xf32>) -> tensor<2x3xf32> {
  %0 = nest.map %x : tensor<3xf32> -> tensor<2x3xf32> {
  ^bb0(%a: f32):
    nest.yield %a : f32
  }
  return %0 : tensor<2x3xf32>
}

// -----

// CHECK-LABEL: func.func @slice_of_slice
// CHECK-NEXT: nest.slice %arg0 {starts = array<i64: 7>, steps = array<i64: -4>} : (tensor<10xf32>) -> tensor<2xf32>
func.func @slice_of_slice(%x: tensor<10xf32>) -> tensor<2xf32> {
  %0 = nest.slice %x {starts = array<i64: 1>, steps = array<i64: 2>} : (tensor<10xf32>) -> tensor<4xf32>
  %1 = nest.slice %0 {starts = array<i64: 3>, steps = array<i64: -2>} : (tensor<4xf32>) -> tensor<2xf32>
  return %1 : tensor<2xf32>
}

// -----

// What lies between two blocks stays as small as it is.
// CHECK-LABEL: func.func @slice_of_slice_in_another_block
// CHECK-NEXT: nest.slice
// CHECK-NEXT: nest.slice
func.func @slice_of_slice_in_another_block(%x: tensor<10xf32>) -> tensor<2xf32> {
  %0 = nest.slice %x {starts = array<i64: 1>, steps = array<i64: 2>, nest.block = 0 : i64} : (tensor<10xf32>) -> tensor<4xf32>
  %1 = nest.slice %0 {starts = array<i64: 3>, steps = array<i64: -2>, nest.block = 1 : i64} : (tensor<4xf32>) -> tensor<2xf32>
  return %1 : tensor<2xf32>
}

// -----

// ShuffleNet's halves, of two branches each.
// CHECK-LABEL: func.func @slices_of_concat
// CHECK-DAG: %[[X0:.*]] = nest.slice %arg0 {starts = array<i64: 0, 0>, steps = array<i64: 1, 1>} : (tensor<2x4xf32>) -> tensor<2x3xf32>
// CHECK-DAG: %[[X1:.*]] = nest.slice %arg0 {starts = array<i64: 0, 3>, steps = array<i64: 1, 1>} : (tensor<2x4xf32>) -> tensor<2x1xf32>
// CHECK-DAG: %[[Y:.*]] = nest.slice %arg1 {starts = array<i64: 0, 0>, steps = array<i64: 1, 1>} : (tensor<2x5xf32>) -> tensor<2x4xf32>
// CHECK-DAG: %[[J:.*]] = nest.concat %[[X1]], %[[Y]] {axis = 1 : i64} : (tensor<2x1xf32>, tensor<2x4xf32>) -> tensor<2x5xf32>
// CHECK: return %[[X0]], %[[J]]
func.func @slices_of_concat(%x: tensor<2x4xf32>, %y: tensor<2x5xf32>) -> (tensor<2x3xf32>, tensor<2x5xf32>) {
  %0 = nest.concat %x, %y {axis = 1 : i64} : (tensor<2x4xf32>, tensor<2x5xf32>) -> tensor<2x9xf32>
  %1 = nest.slice %0 {starts = array<i64: 0, 0>, steps = array<i64: 1, 1>} : (tensor<2x9xf32>) -> tensor<2x3xf32>
  %2 = nest.slice %0 {starts = array<i64: 0, 3>, steps = array<i64: 1, 1>} : (tensor<2x9xf32>) -> tensor<2x5xf32>
  return %1, %2 : tensor<2x3xf32>, tensor<2x5xf32>
}

// -----

// CHECK-LABEL: func.func @concat_that_is_needed
// CHECK: %[[J:.*]] = nest.concat
// CHECK-NEXT: nest.slice %[[J]]
func.func @concat_that_is_needed(%x: tensor<4xf32>, %y: tensor<4xf32>) -> (tensor<3xf32>, tensor<8xf32>) {
  %0 = nest.concat %x, %y {axis = 0 : i64} : (tensor<4xf32>, tensor<4xf32>) -> tensor<8xf32>
  %1 = nest.slice %0 {starts = array<i64: 1>, steps = array<i64: 1>} : (tensor<8xf32>) -> tensor<3xf32>
  return %1, %0 : tensor<3xf32>, tensor<8xf32>
}

// -----

// Each operand would have to be sliced.
// CHECK-LABEL: func.func @slices_along_another_axis
// CHECK: %[[J:.*]] = nest.concat
// CHECK-NEXT: nest.slice %[[J]]
func.func @slices_along_another_axis(%x: tensor<2x4xf32>, %y: tensor<5x4xf32>) -> tensor<7x2xf32> {
  %0 = nest.concat %x, %y {axis = 0 : i64} : (tensor<2x4xf32>, tensor<5x4xf32>) -> tensor<7x4xf32>
  %1 = nest.slice %0 {starts = array<i64: 0, 2>, steps = array<i64: 1, 1>} : (tensor<7x4xf32>) -> tensor<7x2xf32>
  return %1 : tensor<7x2xf32>
}

// -----

// CHECK-LABEL: func.func @concat_of_concat
// CHECK-NEXT: nest.concat %arg0, %arg1, %arg0 {axis = 0 : i64}
func.func @concat_of_concat(%x: tensor<2xf32>, %y: tensor<3xf32>) -> tensor<7xf32> {
  %0 = nest.concat %x, %y {axis = 0 : i64} : (tensor<2xf32>, tensor<3xf32>) -> tensor<5xf32>
  %1 = nest.concat %0, %x {axis = 0 : i64} : (tensor<5xf32>, tensor<2xf32>) -> tensor<7xf32>
  return %1 : tensor<7xf32>
}

// -----

// CHECK-LABEL: func.func @pad_before_conv
// CHECK-NEXT: nest.conv %arg0, %arg1 {{.*}} padBegin = array<i64: 2>, padEnd = array<i64: 1>
func.func @pad_before_conv(%x: tensor<1x4x8xf32>, %f: tensor<3x8x8xf32>) -> tensor<1x5x8xf32> {
  %0 = nest.pad %x {low = array<i64: 0, 1, 0>, high = array<i64: 0, 1, 0>, mode = #nest.pad_mode<constant>}
    : (tensor<1x4x8xf32>) -> tensor<1x6x8xf32>
  %1 = nest.conv %0, %f {kernel = array<i64: 3>, strides = array<i64: 1>, dilations = array<i64: 1>,
      padBegin = array<i64: 1>, padEnd = array<i64: 0>, groups = 1}
    : (tensor<1x6x8xf32>, tensor<3x8x8xf32>) -> tensor<1x5x8xf32>
  return %1 : tensor<1x5x8xf32>
}

// -----

// CHECK-LABEL: func.func @other_pads_stay
// CHECK: nest.pad
// CHECK: nest.conv
func.func @other_pads_stay(%x: tensor<1x4x8xf32>, %f: tensor<3x8x8xf32>) -> tensor<1x4x8xf32> {
  %one = nest.const dense<1.0> : tensor<f32>
  %0 = nest.pad %x value %one {low = array<i64: 0, 1, 0>, high = array<i64: 0, 1, 0>, mode = #nest.pad_mode<constant>}
    : (tensor<1x4x8xf32>, tensor<f32>) -> tensor<1x6x8xf32>
  %1 = nest.conv %0, %f {kernel = array<i64: 3>, strides = array<i64: 1>, dilations = array<i64: 1>,
      padBegin = array<i64: 0>, padEnd = array<i64: 0>, groups = 1}
    : (tensor<1x6x8xf32>, tensor<3x8x8xf32>) -> tensor<1x4x8xf32>
  return %1 : tensor<1x4x8xf32>
}

// -----

// Zeros that were added explicitly are counted by an average, a maximum sees them.
// CHECK-LABEL: func.func @pad_before_pool
// CHECK: %[[PADDED:.*]] = nest.pad
// CHECK: nest.pool %arg0 {countIncludePad, {{.*}}padBegin = array<i64: 1>, padEnd = array<i64: 1>
// CHECK: nest.pool %[[PADDED]]
func.func @pad_before_pool(%x: tensor<1x4x8xf32>) -> (tensor<1x3x8xf32>, tensor<1x3x8xf32>) {
  %0 = nest.pad %x {low = array<i64: 0, 1, 0>, high = array<i64: 0, 1, 0>, mode = #nest.pad_mode<constant>}
    : (tensor<1x4x8xf32>) -> tensor<1x6x8xf32>
  %1 = nest.pool %0 {kind = #nest.pool_kind<avg>, kernel = array<i64: 2>, strides = array<i64: 2>,
      dilations = array<i64: 1>, padBegin = array<i64: 0>, padEnd = array<i64: 0>}
    : (tensor<1x6x8xf32>) -> tensor<1x3x8xf32>
  %2 = nest.pool %0 {kind = #nest.pool_kind<max>, kernel = array<i64: 2>, strides = array<i64: 2>,
      dilations = array<i64: 1>, padBegin = array<i64: 0>, padEnd = array<i64: 0>}
    : (tensor<1x6x8xf32>) -> tensor<1x3x8xf32>
  return %1, %2 : tensor<1x3x8xf32>, tensor<1x3x8xf32>
}

// -----

// CHECK-LABEL: func.func @gather_of_known_indices
// CHECK-DAG: %[[ONE:.*]] = nest.slice %arg0 {starts = array<i64: 2, 0>, steps = array<i64: 1, 1>} : (tensor<4x3xf32>) -> tensor<1x3xf32>
// CHECK-DAG: nest.reshape %[[ONE]] : (tensor<1x3xf32>) -> tensor<3xf32>
// CHECK-DAG: nest.slice %arg0 {starts = array<i64: 3, 0>, steps = array<i64: -2, 1>} : (tensor<4x3xf32>) -> tensor<2x3xf32>
// CHECK-DAG: nest.gather
func.func @gather_of_known_indices(%x: tensor<4x3xf32>)
    -> (tensor<3xf32>, tensor<2x3xf32>, tensor<3x3xf32>) {
  %one = nest.const dense<-2> : tensor<i64>
  %spaced = nest.const dense<[3, 1]> : tensor<2xi64>
  %other = nest.const dense<[0, 1, 3]> : tensor<3xi64>
  %0 = nest.gather %x, %one {axis = 0 : i64} : (tensor<4x3xf32>, tensor<i64>) -> tensor<3xf32>
  %1 = nest.gather %x, %spaced {axis = 0 : i64} : (tensor<4x3xf32>, tensor<2xi64>) -> tensor<2x3xf32>
  %2 = nest.gather %x, %other {axis = 0 : i64} : (tensor<4x3xf32>, tensor<3xi64>) -> tensor<3x3xf32>
  return %0, %1, %2 : tensor<3xf32>, tensor<2x3xf32>, tensor<3x3xf32>
}
