// RUN: nestor-opt --nest-fuse %s | FileCheck %s
// RUN: nestor-opt --nest-fuse="across-cuts" %s | FileCheck %s --check-prefix=ACROSS

// The other operand of the addition is computed behind the cut: the addition
// cannot move into the product before it.
// CHECK-LABEL: func.func @cut_between
// CHECK: %[[A:.*]] = nest.matmul %arg0, %arg0
// CHECK-SAME: nest.block = 0 : i64
// CHECK: %[[B:.*]] = nest.reduce
// CHECK-SAME: nest.block = 1 : i64
// CHECK: nest.map %[[A]], %[[B]]
// CHECK-SAME: nest.block = 1 : i64

// Where it may, the whole runs behind the cut, and says that the cut is lost.
// ACROSS-LABEL: func.func @cut_between
// ACROSS: %[[B:.*]] = nest.reduce
// ACROSS: nest.matmul %arg0, %arg0 extras(%[[B]])
// ACROSS-SAME: nest.block = 1 : i64
// ACROSS-SAME: nest.first_block = 0 : i64
func.func @cut_between(%x: tensor<8x8xf32>) -> tensor<8x8xf32>
    attributes {nest.block_count = 2 : i64} {
  %0 = nest.matmul %x, %x {nest.block = 0 : i64}
      : (tensor<8x8xf32>, tensor<8x8xf32>) -> tensor<8x8xf32>
  %1 = nest.reduce %x {kind = #nest.reduce_kind<sum>, axes = array<i64: 0>, nest.block = 1 : i64}
      : (tensor<8x8xf32>) -> tensor<1x8xf32>
  %2 = nest.map %0, %1 : tensor<8x8xf32>, tensor<1x8xf32> -> tensor<8x8xf32> {
  ^bb0(%a: f32, %b: f32):
    %s = arith.addf %a, %b : f32
    nest.yield %s : f32
  }
  return %2 : tensor<8x8xf32>
}

// Two maps of one block become one, which stays in it.
// CHECK-LABEL: func.func @one_block
// CHECK: nest.map
// CHECK-SAME: nest.block = 0 : i64
// CHECK-NOT: nest.map
// CHECK: nest.matmul
func.func @one_block(%x: tensor<8x8xf32>) -> tensor<8x8xf32>
    attributes {nest.block_count = 2 : i64} {
  %0 = nest.map %x : tensor<8x8xf32> -> tensor<8x8xf32> attributes {nest.block = 0 : i64} {
  ^bb0(%a: f32):
    %s = math.exp %a : f32
    nest.yield %s : f32
  }
  %1 = nest.map %0 : tensor<8x8xf32> -> tensor<8x8xf32> attributes {nest.block = 0 : i64} {
  ^bb0(%a: f32):
    %s = arith.negf %a : f32
    nest.yield %s : f32
  }
  %2 = nest.matmul %1, %1 {nest.block = 1 : i64}
      : (tensor<8x8xf32>, tensor<8x8xf32>) -> tensor<8x8xf32>
  return %2 : tensor<8x8xf32>
}
