// RUN: nestor-opt %s --split-input-file --verify-diagnostics

func.func @gather_axis(%x: tensor<2x3xf32>, %i: tensor<1xi64>) -> tensor<1x3xf32> {
  // expected-error @+1 {{axis 2 is out of range for rank 2}}
  %0 = nest.gather %x, %i {axis = 2 : i64} : (tensor<2x3xf32>, tensor<1xi64>) -> tensor<1x3xf32>
  return %0 : tensor<1x3xf32>
}

// -----

func.func @gather_floats(%x: tensor<2x3xf32>, %i: tensor<1xf32>) -> tensor<1x3xf32> {
  // expected-error @+1 {{indices must hold integers, not 'f32'}}
  %0 = nest.gather %x, %i {axis = 0 : i64} : (tensor<2x3xf32>, tensor<1xf32>) -> tensor<1x3xf32>
  return %0 : tensor<1x3xf32>
}

// -----

func.func @gather_shape(%x: tensor<2x3xf32>, %i: tensor<1xi64>) -> tensor<2x3xf32> {
  // expected-error @+1 {{result must have shape [1, 3], not [2, 3]}}
  %0 = nest.gather %x, %i {axis = 0 : i64} : (tensor<2x3xf32>, tensor<1xi64>) -> tensor<2x3xf32>
  return %0 : tensor<2x3xf32>
}

// -----

func.func @gather_nothing(%x: tensor<0x3xf32>, %i: tensor<1xi64>) -> tensor<1x3xf32> {
  // expected-error @+1 {{picks elements along a dimension that has none}}
  %0 = nest.gather %x, %i {axis = 0 : i64} : (tensor<0x3xf32>, tensor<1xi64>) -> tensor<1x3xf32>
  return %0 : tensor<1x3xf32>
}

// -----

func.func @elements_too_long(%x: tensor<2x3xf32>, %i: tensor<2x4xi64>) -> tensor<2x4xf32> {
  // expected-error @+1 {{indices are longer than the input in dimension 1}}
  %0 = nest.gather_elements %x, %i {axis = 0 : i64}
      : (tensor<2x3xf32>, tensor<2x4xi64>) -> tensor<2x4xf32>
  return %0 : tensor<2x4xf32>
}

// -----

func.func @tuples_too_long(%x: tensor<2x3xf32>, %i: tensor<4x3xi64>) -> tensor<4xf32> {
  // expected-error @+1 {{index tuples of length 3 do not fit an input of rank 2}}
  %0 = nest.gather_nd %x, %i {batchDims = 0 : i64} : (tensor<2x3xf32>, tensor<4x3xi64>) -> tensor<4xf32>
  return %0 : tensor<4xf32>
}

// -----

func.func @batches(%x: tensor<2x3xf32>, %i: tensor<3x1xi64>) -> tensor<3xf32> {
  // expected-error @+1 {{input and indices differ in the batch dimensions}}
  %0 = nest.gather_nd %x, %i {batchDims = 1 : i64} : (tensor<2x3xf32>, tensor<3x1xi64>) -> tensor<3xf32>
  return %0 : tensor<3xf32>
}

// -----

func.func @updates(%x: tensor<4xf32>, %i: tensor<2x1xi64>, %u: tensor<3xf32>) -> tensor<4xf32> {
  // expected-error @+1 {{updates must have shape [2], not [3]}}
  %0 = nest.scatter_nd %x, %i, %u {kind = #nest.scatter_kind<none>}
      : (tensor<4xf32>, tensor<2x1xi64>, tensor<3xf32>) -> tensor<4xf32>
  return %0 : tensor<4xf32>
}

// -----

func.func @mixed(%x: tensor<4xf32>, %i: tensor<2xi64>, %u: tensor<2xf64>) -> tensor<4xf32> {
  // expected-error @+1 {{mixes elements of type 'f32' and 'f64'}}
  %0 = nest.scatter_elements %x, %i, %u {axis = 0 : i64, kind = #nest.scatter_kind<none>}
      : (tensor<4xf32>, tensor<2xi64>, tensor<2xf64>) -> tensor<4xf32>
  return %0 : tensor<4xf32>
}

// -----

func.func @one_hot(%i: tensor<3xi64>, %v: tensor<2xf32>) -> tensor<4x5xf32> {
  // expected-error @+1 {{result without the axis must have shape [3]}}
  %0 = nest.one_hot %i, %v {axis = 1 : i64} : (tensor<3xi64>, tensor<2xf32>) -> tensor<4x5xf32>
  return %0 : tensor<4x5xf32>
}

// -----

func.func @same_axes(%x: tensor<2x3xf32>, %n: tensor<2xi64>) -> tensor<2x3xf32> {
  // expected-error @+1 {{batch and time must be different axes}}
  %0 = nest.reverse_sequence %x, %n {batchAxis = 0 : i64, timeAxis = 0 : i64}
      : (tensor<2x3xf32>, tensor<2xi64>) -> tensor<2x3xf32>
  return %0 : tensor<2x3xf32>
}
