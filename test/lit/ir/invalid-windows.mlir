// RUN: nestor-opt %s --split-input-file --verify-diagnostics

func.func @conv_extent(%x: tensor<1x8x4xf32>, %w: tensor<3x4x8xf32>) -> tensor<1x8x8xf32> {
  // expected-error @+1 {{spatial dimension 0 of the result must be 6, not 8}}
  %0 = nest.conv %x, %w {kernel = array<i64: 3>, strides = array<i64: 1>, dilations = array<i64: 1>,
      padBegin = array<i64: 0>, padEnd = array<i64: 0>, groups = 1 : i64}
      : (tensor<1x8x4xf32>, tensor<3x4x8xf32>) -> tensor<1x8x8xf32>
  return %0 : tensor<1x8x8xf32>
}

// -----

func.func @conv_groups(%x: tensor<1x8x4xf32>, %w: tensor<1x4x8xf32>) -> tensor<1x8x8xf32> {
  // expected-error @+1 {{groups 3 must divide 4 inputs and 8 outputs}}
  %0 = nest.conv %x, %w {kernel = array<i64: 1>, strides = array<i64: 1>, dilations = array<i64: 1>,
      padBegin = array<i64: 0>, padEnd = array<i64: 0>, groups = 3 : i64}
      : (tensor<1x8x4xf32>, tensor<1x4x8xf32>) -> tensor<1x8x8xf32>
  return %0 : tensor<1x8x8xf32>
}

// -----

func.func @conv_packed(%x: tensor<1x8x4xf32>, %w: tensor<1x1x4x16xf32>) -> tensor<1x8x20xf32> {
  // expected-error @+1 {{filter must have shape [2, 1, 4, 16], not [1, 1, 4, 16]}}
  %0 = nest.conv %x, %w {kernel = array<i64: 1>, strides = array<i64: 1>, dilations = array<i64: 1>,
      padBegin = array<i64: 0>, padEnd = array<i64: 0>, groups = 1 : i64, packed}
      : (tensor<1x8x4xf32>, tensor<1x1x4x16xf32>) -> tensor<1x8x20xf32>
  return %0 : tensor<1x8x20xf32>
}

// -----

func.func @epilogue(%x: tensor<1x8x4xf32>, %w: tensor<1x4x8xf32>) -> tensor<1x8x8xf32> {
  // expected-error @+1 {{region must yield 'f32'}}
  %0 = nest.conv %x, %w {kernel = array<i64: 1>, strides = array<i64: 1>, dilations = array<i64: 1>,
      padBegin = array<i64: 0>, padEnd = array<i64: 0>, groups = 1 : i64}
      : (tensor<1x8x4xf32>, tensor<1x4x8xf32>) -> tensor<1x8x8xf32> {
  ^bb0(%a: f32):
    %1 = arith.extf %a : f32 to f64
    nest.yield %1 : f64
  }
  return %0 : tensor<1x8x8xf32>
}

// -----

func.func @pack_depthwise(%w: tensor<3x2x8xf32>) -> tensor<1x3x2x16xf32> {
  // expected-error @+1 {{a depthwise filter is [K.., 1, C] with C groups}}
  %0 = nest.pack %w {groups = 8 : i64, depthwise} : (tensor<3x2x8xf32>) -> tensor<1x3x2x16xf32>
  return %0 : tensor<1x3x2x16xf32>
}

// -----

func.func @pack_recurrent(%w: tensor<1x80x9xf32>) -> tensor<1x1x9x4x16xf32> {
  // expected-error @+1 {{result must have shape [1, 2, 9, 4, 16], not [1, 1, 9, 4, 16]}}
  %0 = nest.pack_recurrent %w {gates = 4 : i64} : (tensor<1x80x9xf32>) -> tensor<1x1x9x4x16xf32>
  return %0 : tensor<1x1x9x4x16xf32>
}

// -----

func.func @pack_gates(%w: tensor<1x80x9xf32>) -> tensor<1x2x9x3x16xf32> {
  // expected-error @+1 {{weights must be [D, G*H, I] with G = 3 gates}}
  %0 = nest.pack_recurrent %w {gates = 3 : i64} : (tensor<1x80x9xf32>) -> tensor<1x2x9x3x16xf32>
  return %0 : tensor<1x2x9x3x16xf32>
}

// -----

func.func @pool_channels(%x: tensor<1x8x4xf32>) -> tensor<1x7x3xf32> {
  // expected-error @+1 {{input and result differ in channels}}
  %0 = nest.pool %x {kind = #nest.pool_kind<max>, kernel = array<i64: 2>, strides = array<i64: 1>,
      dilations = array<i64: 1>, padBegin = array<i64: 0>, padEnd = array<i64: 0>}
      : (tensor<1x8x4xf32>) -> tensor<1x7x3xf32>
  return %0 : tensor<1x7x3xf32>
}

// -----

func.func @indices_type(%x: tensor<1x8x4xf32>) -> tensor<1x7x4xi32> {
  // expected-error @+1 {{result must hold i64, not 'i32'}}
  %0 = nest.max_pool_indices %x {kernel = array<i64: 2>, strides = array<i64: 1>,
      dilations = array<i64: 1>, padBegin = array<i64: 0>, padEnd = array<i64: 0>}
      : (tensor<1x8x4xf32>) -> tensor<1x7x4xi32>
  return %0 : tensor<1x7x4xi32>
}

// -----

func.func @four_dimensions(%x: tensor<1x2x2x2x2x4xf32>) -> tensor<1x2x2x2x2x4xf32> {
  // expected-error @+1 {{windows have 1, 2 or 3 spatial dimensions, not 4}}
  %0 = nest.pool %x {kind = #nest.pool_kind<max>, kernel = array<i64: 1, 1, 1, 1>,
      strides = array<i64: 1, 1, 1, 1>, dilations = array<i64: 1, 1, 1, 1>,
      padBegin = array<i64: 0, 0, 0, 0>, padEnd = array<i64: 0, 0, 0, 0>}
      : (tensor<1x2x2x2x2x4xf32>) -> tensor<1x2x2x2x2x4xf32>
  return %0 : tensor<1x2x2x2x2x4xf32>
}

// -----

func.func @matmul(%a: tensor<2x3xf32>, %b: tensor<4x5xf32>) -> tensor<2x5xf32> {
  // expected-error @+1 {{[M,K] x [K,N] must be [M,N]}}
  %0 = nest.matmul %a, %b : (tensor<2x3xf32>, tensor<4x5xf32>) -> tensor<2x5xf32>
  return %0 : tensor<2x5xf32>
}

// -----

func.func @winograd_tile(%x: tensor<1x8x8x4xf32>, %f: tensor<3x3x4x4xf32>) -> tensor<1x6x6x4xf32> {
  // expected-error @+1 {{winograd computes tiles of 2, 4 or 6 outputs, not 3}}
  %0 = nest.conv %x, %f {kernel = array<i64: 3, 3>, strides = array<i64: 1, 1>,
      dilations = array<i64: 1, 1>, padBegin = array<i64: 0, 0>, padEnd = array<i64: 0, 0>,
      groups = 1, nest.winograd = 3 : i64} : (tensor<1x8x8x4xf32>, tensor<3x3x4x4xf32>) -> tensor<1x6x6x4xf32>
  return %0 : tensor<1x6x6x4xf32>
}

// -----

func.func @winograd_strides(%x: tensor<1x8x8x4xf32>, %f: tensor<3x3x4x4xf32>) -> tensor<1x3x3x4xf32> {
  // expected-error @+1 {{winograd has strides of 1 or 2, not 3}}
  %0 = nest.conv %x, %f {kernel = array<i64: 3, 3>, strides = array<i64: 3, 3>,
      dilations = array<i64: 1, 1>, padBegin = array<i64: 0, 0>, padEnd = array<i64: 1, 1>,
      groups = 1, nest.winograd = 2 : i64} : (tensor<1x8x8x4xf32>, tensor<3x3x4x4xf32>) -> tensor<1x3x3x4xf32>
  return %0 : tensor<1x3x3x4xf32>
}

// -----

func.func @winograd_steps(%x: tensor<1x8x8x4xf32>, %f: tensor<3x3x4x4xf32>) -> tensor<1x3x6x4xf32> {
  // expected-error @+1 {{winograd has one stride for both dimensions and no dilations}}
  %0 = nest.conv %x, %f {kernel = array<i64: 3, 3>, strides = array<i64: 2, 1>,
      dilations = array<i64: 1, 1>, padBegin = array<i64: 0, 0>, padEnd = array<i64: 0, 0>,
      groups = 1, nest.winograd = 2 : i64} : (tensor<1x8x8x4xf32>, tensor<3x3x4x4xf32>) -> tensor<1x3x6x4xf32>
  return %0 : tensor<1x3x6x4xf32>
}

// -----

func.func @winograd_stride_2_tile(%f: tensor<3x3x4x4xf32>) -> tensor<1x64x4x16xf32> {
  // expected-error @+1 {{winograd computes tiles of 2 or 4 outputs of stride 2, not 6}}
  %0 = nest.pack %f {groups = 1, nest.winograd = 6 : i64, nest.winograd_stride = 2 : i64}
    : (tensor<3x3x4x4xf32>) -> tensor<1x64x4x16xf32>
  return %0 : tensor<1x64x4x16xf32>
}

// -----

func.func @winograd_filter(%x: tensor<1x9x9x4xf32>, %f: tensor<3x3x4x4xf32>) -> tensor<1x4x4x4xf32> {
  %p = nest.pack %f {groups = 1, nest.winograd = 4 : i64} : (tensor<3x3x4x4xf32>) -> tensor<1x36x4x16xf32>
  // expected-error @+1 {{needs its filter packed for winograd of the same outputs and stride}}
  %0 = nest.conv %x, %p {kernel = array<i64: 3, 3>, strides = array<i64: 2, 2>,
      dilations = array<i64: 1, 1>, padBegin = array<i64: 0, 0>, padEnd = array<i64: 0, 0>,
      groups = 1, packed, nest.winograd = 4 : i64} : (tensor<1x9x9x4xf32>, tensor<1x36x4x16xf32>) -> tensor<1x4x4x4xf32>
  return %0 : tensor<1x4x4x4xf32>
}

// -----

func.func @winograd_kernel(%f: tensor<1x1x4x4xf32>) -> tensor<1x16x4x16xf32> {
  // expected-error @+1 {{winograd is for filters of floats, 3x3 taps and one group}}
  %0 = nest.pack %f {groups = 1, nest.winograd = 2 : i64} : (tensor<1x1x4x4xf32>) -> tensor<1x16x4x16xf32>
  return %0 : tensor<1x16x4x16xf32>
}

// -----

func.func @strassen_kernel(%f: tensor<3x3x4x4xf32>) -> tensor<1x7x16x16xf32> {
  // expected-error @+1 {{strassen is for filters of f32, one tap and one group}}
  %0 = nest.pack %f {groups = 1, nest.strassen} : (tensor<3x3x4x4xf32>) -> tensor<1x7x16x16xf32>
  return %0 : tensor<1x7x16x16xf32>
}

// -----

func.func @strassen_strides(%x: tensor<1x8x8x4xf32>, %f: tensor<1x1x4x4xf32>) -> tensor<1x4x4x4xf32> {
  // expected-error @+1 {{strassen has strides of 1, no pads, and channels last}}
  %0 = nest.conv %x, %f {kernel = array<i64: 1, 1>, strides = array<i64: 2, 2>,
      dilations = array<i64: 1, 1>, padBegin = array<i64: 0, 0>, padEnd = array<i64: 0, 0>,
      groups = 1, nest.strassen} : (tensor<1x8x8x4xf32>, tensor<1x1x4x4xf32>) -> tensor<1x4x4x4xf32>
  return %0 : tensor<1x4x4x4xf32>
}

// -----

func.func @strassen_filter(%x: tensor<1x9x40xf32>, %f: tensor<1x40x33xf32>) -> tensor<1x9x33xf32> {
  %p = nest.pack %f {groups = 1, nest.strassen} : (tensor<1x40x33xf32>) -> tensor<2x7x32x16xf32>
  // expected-error @+1 {{needs its filter packed for strassen where it is computed so}}
  %0 = nest.conv %x, %p {kernel = array<i64: 1>, strides = array<i64: 1>, dilations = array<i64: 1>,
      padBegin = array<i64: 0>, padEnd = array<i64: 0>, groups = 1, packed}
    : (tensor<1x9x40xf32>, tensor<2x7x32x16xf32>) -> tensor<1x9x33xf32>
  return %0 : tensor<1x9x33xf32>
}

// -----

func.func @planar(%x: tensor<1x3x9x9xf32>, %f: tensor<3x3x3x16xf32>) {
  // expected-error @+1 {{planar needs one group and a packed filter of floats, not Winograd's}}
  %0 = nest.conv %x, %f {kernel = array<i64: 3, 3>, strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>,
      padBegin = array<i64: 0, 0>, padEnd = array<i64: 0, 0>, groups = 1, planar}
    : (tensor<1x3x9x9xf32>, tensor<3x3x3x16xf32>) -> tensor<1x7x7x16xf32>
  return
}

// -----

func.func @pack_halves(%f: tensor<3x3x4x4xbf16>) -> tensor<1x16x4x16xbf16> {
  // expected-error @+1 {{result must hold 'f32', not 'bf16'}}
  %0 = nest.pack %f {groups = 1, nest.winograd = 2 : i64} : (tensor<3x3x4x4xbf16>) -> tensor<1x16x4x16xbf16>
  return %0 : tensor<1x16x4x16xbf16>
}
