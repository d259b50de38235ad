// RUN: nestor-opt --nest-capacities="widths=1" %s | FileCheck %s
// RUN: nestor-opt --nest-order-channels="orders=2.0.1" --nest-capacities="widths=2" %S/Inputs/streaming_gru.mlir | FileCheck %s --check-prefix=STATE
// RUN: nestor-opt --nest-capacities="widths=1" --nest-pack-recurrent --nest-fold-constants %s | FileCheck %s --check-prefix=PACKED

// A capacity reads the first rows of each gate and the first columns of the
// recurrence; its bias is its own.
// CHECK: nest.global @gru = {{.*}} edges {{\[\[}}], [array<i64: 1, 2>, array<i64: 1, 2>, array<i64: 1, 2>], []]
// CHECK: nest.global @gru_0 = {{.*}} edges {{\[\[}}], [array<i64: 1, 2>, array<i64: 1, 2>, array<i64: 1, 2>], [array<i64: 1, 2>]]
// CHECK-LABEL: func.func @capacity_0
// CHECK: nest.const dense<{{.*}}[0.000000e+00, 2.000000e+00, 4.000000e+00, 6.000000e+00, 8.000000e+00, 1.000000e+01]{{.*}}tensor<1x6xf32>
// CHECK: nest.gru {{.*}}tensor<1x3x2xf32>, tensor<1x3x1xf32>, tensor<1x6xf32>) -> (tensor<4x1x1x1xf32>, tensor<1x1x1xf32>)

// The weights of both capacities stay parts of one.
// PACKED-LABEL: func.func @capacity_0
// PACKED: %[[W:.*]] = nest.weight @gru at 0 : tensor<1x3x2xf32>
// PACKED: %[[R:.*]] = nest.weight @gru_0 at 0 : tensor<1x3x1xf32>
// PACKED-DAG: nest.pack_recurrent %[[W]] {gates = 3 : i64} : (tensor<1x3x2xf32>) -> tensor<1x1x2x3x16xf32>
// PACKED-DAG: nest.pack_recurrent %[[R]] {gates = 3 : i64} : (tensor<1x3x1xf32>) -> tensor<1x1x1x3x16xf32>
// PACKED: nest.gru {{.*}}packed{{.*}}tensor<1x1x2x3x16xf32>, tensor<1x1x1x3x16xf32>, tensor<1x1x4x16xf32>)
// A state that the model takes and returns keeps its shape there: the layer
// picks the units that it has, in its own order, and returns zeros for the rest.
// STATE-LABEL: func.func @capacity_0
// STATE: %[[PICKED:.*]] = nest.gather %arg1
// STATE: %[[OWN:.*]] = nest.slice %[[PICKED]] {{.*}}-> tensor<1x1x2xf32>
// STATE: %[[ALL:.*]], %[[LAST:.*]] = nest.gru %arg0, {{.*}}, %[[OWN]]
// STATE: %[[PADDED:.*]] = nest.pad %[[LAST]] {{.*}}-> tensor<1x1x3xf32>
// STATE: %[[BACK:.*]] = nest.gather %[[PADDED]]
// STATE: return {{.*}}, %[[BACK]]
func.func @main(%x: tensor<4x1x2xf32>) -> tensor<4x1x2xf32> {
  %w = nest.const dense<1.0> : tensor<1x6x2xf32>
  %r = nest.const dense<2.0> : tensor<1x6x2xf32>
  %b = nest.const dense<[[0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0, 11.0]]> : tensor<1x12xf32>
  %y, %h = "nest.gru"(%x, %w, %r, %b) {direction = #nest.direction<forward>, activations = ["Sigmoid", "Tanh"],
      activationAlpha = array<f64: 1.0, 1.0>, activationBeta = array<f64: 1.0, 1.0>,
      operandSegmentSizes = array<i32: 1, 1, 1, 1, 0, 0>}
    : (tensor<4x1x2xf32>, tensor<1x6x2xf32>, tensor<1x6x2xf32>, tensor<1x12xf32>)
    -> (tensor<4x1x1x2xf32>, tensor<1x1x2xf32>) loc("gru")
  %s = nest.reshape %y : (tensor<4x1x1x2xf32>) -> tensor<4x1x2xf32>
  %f = nest.const dense<1.0> : tensor<1x2x2xf32>
  %out = nest.conv %s, %f {dilations = array<i64: 1>, groups = 1, kernel = array<i64: 1>, padBegin = array<i64: 0>,
      padEnd = array<i64: 0>, strides = array<i64: 1>}
    : (tensor<4x1x2xf32>, tensor<1x2x2xf32>) -> tensor<4x1x2xf32> loc("out")
  return %out : tensor<4x1x2xf32>
}
