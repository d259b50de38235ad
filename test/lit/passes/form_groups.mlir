// RUN: nestor-opt --nest-form-groups --split-input-file %s | FileCheck %s

// The channels between two convolutions shrink; those of the model's input and
// output do not.
// CHECK-LABEL: func.func @inner
// CHECK-SAME: nest.groups = ["first: 4 inner, 1 -> 1"]
// CHECK-SAME: nest.whole = ["second: they are the model's output"]
// CHECK: nest.conv {{.*}}nest.runs = "2: 0:0+4"
// CHECK: nest.conv
// CHECK-NOT: nest.runs
func.func @inner(%x: tensor<1x4x3xf32>) -> tensor<1x4x2xf32> {
  %ffirst = nest.const dense<1.0> : tensor<1x3x4xf32>
  %first = nest.conv %x, %ffirst {dilations = array<i64: 1>, groups = 1, kernel = array<i64: 1>, padBegin = array<i64: 0>,
      padEnd = array<i64: 0>, strides = array<i64: 1>}
    : (tensor<1x4x3xf32>, tensor<1x3x4xf32>) -> tensor<1x4x4xf32> loc("first")
  %fsecond = nest.const dense<1.0> : tensor<1x4x2xf32>
  %second = nest.conv %first, %fsecond {dilations = array<i64: 1>, groups = 1, kernel = array<i64: 1>, padBegin = array<i64: 0>,
      padEnd = array<i64: 0>, strides = array<i64: 1>}
    : (tensor<1x4x4xf32>, tensor<1x4x2xf32>) -> tensor<1x4x2xf32> loc("second")
  return %second : tensor<1x4x2xf32>
}

// -----

// An addition ties the stream; what is inside the block is a group of its own.
// CHECK-LABEL: func.func @residual
// CHECK-SAME: nest.groups = ["stem: 4 stream, 2 -> 2", "inside: 6 inner, 1 -> 1"]
func.func @residual(%x: tensor<1x4x3xf32>) -> tensor<1x4x2xf32> {
  %fstem = nest.const dense<1.0> : tensor<1x3x4xf32>
  %stem = nest.conv %x, %fstem {dilations = array<i64: 1>, groups = 1, kernel = array<i64: 1>, padBegin = array<i64: 0>,
      padEnd = array<i64: 0>, strides = array<i64: 1>}
    : (tensor<1x4x3xf32>, tensor<1x3x4xf32>) -> tensor<1x4x4xf32> loc("stem")
  %finside = nest.const dense<1.0> : tensor<1x4x6xf32>
  %inside = nest.conv %stem, %finside {dilations = array<i64: 1>, groups = 1, kernel = array<i64: 1>, padBegin = array<i64: 0>,
      padEnd = array<i64: 0>, strides = array<i64: 1>}
    : (tensor<1x4x4xf32>, tensor<1x4x6xf32>) -> tensor<1x4x6xf32> loc("inside")
  %fback = nest.const dense<1.0> : tensor<1x6x4xf32>
  %back = nest.conv %inside, %fback {dilations = array<i64: 1>, groups = 1, kernel = array<i64: 1>, padBegin = array<i64: 0>,
      padEnd = array<i64: 0>, strides = array<i64: 1>}
    : (tensor<1x4x6xf32>, tensor<1x6x4xf32>) -> tensor<1x4x4xf32> loc("back")
  %sum = nest.map %back, %stem : tensor<1x4x4xf32>, tensor<1x4x4xf32> -> tensor<1x4x4xf32> {
  ^bb0(%p: f32, %q: f32):
    %s = arith.addf %p, %q : f32
    nest.yield %s : f32
  } loc("sum")
  %fhead = nest.const dense<1.0> : tensor<1x4x2xf32>
  %head = nest.conv %sum, %fhead {dilations = array<i64: 1>, groups = 1, kernel = array<i64: 1>, padBegin = array<i64: 0>,
      padEnd = array<i64: 0>, strides = array<i64: 1>}
    : (tensor<1x4x4xf32>, tensor<1x4x2xf32>) -> tensor<1x4x2xf32> loc("head")
  return %head : tensor<1x4x2xf32>
}

// -----

// Groups lie side by side in what a concat yields.
// CHECK-LABEL: func.func @concat
// CHECK-SAME: nest.groups = ["a: 4 inner, 1 -> 1", "b: 6 inner, 1 -> 1"]
// CHECK: nest.concat {{.*}}nest.runs = "2: 1:0+6 0:0+4"
func.func @concat(%x: tensor<1x4x3xf32>) -> tensor<1x4x2xf32> {
  %fa = nest.const dense<1.0> : tensor<1x3x4xf32>
  %a = nest.conv %x, %fa {dilations = array<i64: 1>, groups = 1, kernel = array<i64: 1>, padBegin = array<i64: 0>,
      padEnd = array<i64: 0>, strides = array<i64: 1>}
    : (tensor<1x4x3xf32>, tensor<1x3x4xf32>) -> tensor<1x4x4xf32> loc("a")
  %fb = nest.const dense<1.0> : tensor<1x3x6xf32>
  %b = nest.conv %x, %fb {dilations = array<i64: 1>, groups = 1, kernel = array<i64: 1>, padBegin = array<i64: 0>,
      padEnd = array<i64: 0>, strides = array<i64: 1>}
    : (tensor<1x4x3xf32>, tensor<1x3x6xf32>) -> tensor<1x4x6xf32> loc("b")
  %cat = nest.concat %b, %a {axis = 2} : (tensor<1x4x6xf32>, tensor<1x4x4xf32>) -> tensor<1x4x10xf32>
  %fhead = nest.const dense<1.0> : tensor<1x10x2xf32>
  %head = nest.conv %cat, %fhead {dilations = array<i64: 1>, groups = 1, kernel = array<i64: 1>, padBegin = array<i64: 0>,
      padEnd = array<i64: 0>, strides = array<i64: 1>}
    : (tensor<1x4x10xf32>, tensor<1x10x2xf32>) -> tensor<1x4x2xf32> loc("head")
  return %head : tensor<1x4x2xf32>
}

// -----

// A channel that occurs twice is left out twice.
// CHECK-LABEL: func.func @twice
// CHECK-SAME: nest.groups = ["a: 4 inner, 1 -> 1"]
// CHECK: nest.concat {{.*}}nest.runs = "2: 0:0+4 0:0+4"
func.func @twice(%x: tensor<1x4x3xf32>) -> tensor<1x4x2xf32> {
  %fa = nest.const dense<1.0> : tensor<1x3x4xf32>
  %a = nest.conv %x, %fa {dilations = array<i64: 1>, groups = 1, kernel = array<i64: 1>, padBegin = array<i64: 0>,
      padEnd = array<i64: 0>, strides = array<i64: 1>}
    : (tensor<1x4x3xf32>, tensor<1x3x4xf32>) -> tensor<1x4x4xf32> loc("a")
  %cat = nest.concat %a, %a {axis = 2} : (tensor<1x4x4xf32>, tensor<1x4x4xf32>) -> tensor<1x4x8xf32>
  %fhead = nest.const dense<1.0> : tensor<1x8x2xf32>
  %head = nest.conv %cat, %fhead {dilations = array<i64: 1>, groups = 1, kernel = array<i64: 1>, padBegin = array<i64: 0>,
      padEnd = array<i64: 0>, strides = array<i64: 1>}
    : (tensor<1x4x8xf32>, tensor<1x8x2xf32>) -> tensor<1x4x2xf32> loc("head")
  return %head : tensor<1x4x2xf32>
}

// -----

// A depthwise convolution neither produces nor consumes channels.
// CHECK-LABEL: func.func @depthwise
// CHECK-SAME: nest.groups = ["first: 4 inner, 1 -> 1"]
func.func @depthwise(%x: tensor<1x6x3xf32>) -> tensor<1x4x2xf32> {
  %ffirst = nest.const dense<1.0> : tensor<1x3x4xf32>
  %first = nest.conv %x, %ffirst {dilations = array<i64: 1>, groups = 1, kernel = array<i64: 1>, padBegin = array<i64: 0>,
      padEnd = array<i64: 0>, strides = array<i64: 1>}
    : (tensor<1x6x3xf32>, tensor<1x3x4xf32>) -> tensor<1x6x4xf32> loc("first")
  %fdw = nest.const dense<1.0> : tensor<3x1x4xf32>
  %dw = nest.conv %first, %fdw {dilations = array<i64: 1>, groups = 4, kernel = array<i64: 3>, padBegin = array<i64: 0>,
      padEnd = array<i64: 0>, strides = array<i64: 1>}
    : (tensor<1x6x4xf32>, tensor<3x1x4xf32>) -> tensor<1x4x4xf32> loc("dw")
  %fhead = nest.const dense<1.0> : tensor<1x4x2xf32>
  %head = nest.conv %dw, %fhead {dilations = array<i64: 1>, groups = 1, kernel = array<i64: 1>, padBegin = array<i64: 0>,
      padEnd = array<i64: 0>, strides = array<i64: 1>}
    : (tensor<1x4x4xf32>, tensor<1x4x2xf32>) -> tensor<1x4x2xf32> loc("head")
  return %head : tensor<1x4x2xf32>
}

// -----

// Groups of a convolution go as a whole.
// CHECK-LABEL: func.func @grouped
// CHECK-SAME: nest.groups = ["first: 3 inner, 2 -> 2"]
// CHECK: nest.conv {{.*}}nest.runs = "2: 0:0+1 0:0+2 0:1+2 0:2+1"
// CHECK: nest.conv {{.*}}nest.runs = "2: 0:0+3"
func.func @grouped(%x: tensor<1x4x3xf32>) -> tensor<1x4x2xf32> {
  %ffirst = nest.const dense<1.0> : tensor<1x3x6xf32>
  %first = nest.conv %x, %ffirst {dilations = array<i64: 1>, groups = 1, kernel = array<i64: 1>, padBegin = array<i64: 0>,
      padEnd = array<i64: 0>, strides = array<i64: 1>}
    : (tensor<1x4x3xf32>, tensor<1x3x6xf32>) -> tensor<1x4x6xf32> loc("first")
  %fmid = nest.const dense<1.0> : tensor<1x2x3xf32>
  %mid = nest.conv %first, %fmid {dilations = array<i64: 1>, groups = 3, kernel = array<i64: 1>, padBegin = array<i64: 0>,
      padEnd = array<i64: 0>, strides = array<i64: 1>}
    : (tensor<1x4x6xf32>, tensor<1x2x3xf32>) -> tensor<1x4x3xf32> loc("mid")
  %fhead = nest.const dense<1.0> : tensor<1x3x2xf32>
  %head = nest.conv %mid, %fhead {dilations = array<i64: 1>, groups = 1, kernel = array<i64: 1>, padBegin = array<i64: 0>,
      padEnd = array<i64: 0>, strides = array<i64: 1>}
    : (tensor<1x4x3xf32>, tensor<1x3x2xf32>) -> tensor<1x4x2xf32> loc("head")
  return %head : tensor<1x4x2xf32>
}

// -----

// The zeros beside a shortcut are channels of the convolution that they are added to.
// CHECK-LABEL: func.func @zero_padded_shortcut
// CHECK-SAME: nest.groups = ["stem: 4 stream, 2 -> 2", "wide: 3 stream, 1 -> 1"]
// CHECK: nest.pad {{.*}}nest.runs = "2: 1:0+1 0:0+4 1:1+2"
func.func @zero_padded_shortcut(%x: tensor<1x4x3xf32>) -> tensor<1x4x2xf32> {
  %fstem = nest.const dense<1.0> : tensor<1x3x4xf32>
  %stem = nest.conv %x, %fstem {dilations = array<i64: 1>, groups = 1, kernel = array<i64: 1>, padBegin = array<i64: 0>,
      padEnd = array<i64: 0>, strides = array<i64: 1>}
    : (tensor<1x4x3xf32>, tensor<1x3x4xf32>) -> tensor<1x4x4xf32> loc("stem")
  %fwide = nest.const dense<1.0> : tensor<1x4x7xf32>
  %wide = nest.conv %stem, %fwide {dilations = array<i64: 1>, groups = 1, kernel = array<i64: 1>, padBegin = array<i64: 0>,
      padEnd = array<i64: 0>, strides = array<i64: 1>}
    : (tensor<1x4x4xf32>, tensor<1x4x7xf32>) -> tensor<1x4x7xf32> loc("wide")
  %pad = nest.pad %stem {low = array<i64: 0, 0, 1>, high = array<i64: 0, 0, 2>, mode = #nest.pad_mode<constant>}
    : (tensor<1x4x4xf32>) -> tensor<1x4x7xf32>
  %sum = nest.map %wide, %pad : tensor<1x4x7xf32>, tensor<1x4x7xf32> -> tensor<1x4x7xf32> {
  ^bb0(%p: f32, %q: f32):
    %s = arith.addf %p, %q : f32
    nest.yield %s : f32
  } loc("sum")
  %fhead = nest.const dense<1.0> : tensor<1x7x2xf32>
  %head = nest.conv %sum, %fhead {dilations = array<i64: 1>, groups = 1, kernel = array<i64: 1>, padBegin = array<i64: 0>,
      padEnd = array<i64: 0>, strides = array<i64: 1>}
    : (tensor<1x4x7xf32>, tensor<1x7x2xf32>) -> tensor<1x4x2xf32> loc("head")
  return %head : tensor<1x4x2xf32>
}

// -----

// What goes different ways shrinks by itself.
// CHECK-LABEL: func.func @split
// CHECK-SAME: nest.groups = ["first: 2 inner, 1 -> 1", "first (2): 4 inner, 1 -> 1"]
// CHECK: nest.conv {{.*}}nest.runs = "2: 0:0+2 1:0+4"
func.func @split(%x: tensor<1x4x3xf32>) -> (tensor<1x4x2xf32>, tensor<1x4x2xf32>) {
  %ffirst = nest.const dense<1.0> : tensor<1x3x6xf32>
  %first = nest.conv %x, %ffirst {dilations = array<i64: 1>, groups = 1, kernel = array<i64: 1>, padBegin = array<i64: 0>,
      padEnd = array<i64: 0>, strides = array<i64: 1>}
    : (tensor<1x4x3xf32>, tensor<1x3x6xf32>) -> tensor<1x4x6xf32> loc("first")
  %a = nest.slice %first {starts = array<i64: 0, 0, 0>, steps = array<i64: 1, 1, 1>} : (tensor<1x4x6xf32>) -> tensor<1x4x2xf32>
  %b = nest.slice %first {starts = array<i64: 0, 0, 2>, steps = array<i64: 1, 1, 1>} : (tensor<1x4x6xf32>) -> tensor<1x4x4xf32>
  %fha = nest.const dense<1.0> : tensor<1x2x2xf32>
  %ha = nest.conv %a, %fha {dilations = array<i64: 1>, groups = 1, kernel = array<i64: 1>, padBegin = array<i64: 0>,
      padEnd = array<i64: 0>, strides = array<i64: 1>}
    : (tensor<1x4x2xf32>, tensor<1x2x2xf32>) -> tensor<1x4x2xf32> loc("ha")
  %fhb = nest.const dense<1.0> : tensor<1x4x2xf32>
  %hb = nest.conv %b, %fhb {dilations = array<i64: 1>, groups = 1, kernel = array<i64: 1>, padBegin = array<i64: 0>,
      padEnd = array<i64: 0>, strides = array<i64: 1>}
    : (tensor<1x4x4xf32>, tensor<1x4x2xf32>) -> tensor<1x4x2xf32> loc("hb")
  return %ha, %hb : tensor<1x4x2xf32>, tensor<1x4x2xf32>
}

// -----

// ShuffleNet's even and odd channels.
// CHECK-LABEL: func.func @every_other
// CHECK-SAME: nest.groups = ["first: 3 inner, 1 -> 1", "first (2): 3 inner, 1 -> 1"]
// CHECK: nest.conv {{.*}}nest.runs = "2: 0:0+1 1:0+1 0:1+1 1:1+1 0:2+1 1:2+1"
func.func @every_other(%x: tensor<1x4x3xf32>) -> (tensor<1x4x2xf32>, tensor<1x4x2xf32>) {
  %ffirst = nest.const dense<1.0> : tensor<1x3x6xf32>
  %first = nest.conv %x, %ffirst {dilations = array<i64: 1>, groups = 1, kernel = array<i64: 1>, padBegin = array<i64: 0>,
      padEnd = array<i64: 0>, strides = array<i64: 1>}
    : (tensor<1x4x3xf32>, tensor<1x3x6xf32>) -> tensor<1x4x6xf32> loc("first")
  %a = nest.slice %first {starts = array<i64: 0, 0, 0>, steps = array<i64: 1, 1, 2>} : (tensor<1x4x6xf32>) -> tensor<1x4x3xf32>
  %b = nest.slice %first {starts = array<i64: 0, 0, 1>, steps = array<i64: 1, 1, 2>} : (tensor<1x4x6xf32>) -> tensor<1x4x3xf32>
  %fha = nest.const dense<1.0> : tensor<1x3x2xf32>
  %ha = nest.conv %a, %fha {dilations = array<i64: 1>, groups = 1, kernel = array<i64: 1>, padBegin = array<i64: 0>,
      padEnd = array<i64: 0>, strides = array<i64: 1>}
    : (tensor<1x4x3xf32>, tensor<1x3x2xf32>) -> tensor<1x4x2xf32> loc("ha")
  %fhb = nest.const dense<1.0> : tensor<1x3x2xf32>
  %hb = nest.conv %b, %fhb {dilations = array<i64: 1>, groups = 1, kernel = array<i64: 1>, padBegin = array<i64: 0>,
      padEnd = array<i64: 0>, strides = array<i64: 1>}
    : (tensor<1x4x3xf32>, tensor<1x3x2xf32>) -> tensor<1x4x2xf32> loc("hb")
  return %ha, %hb : tensor<1x4x2xf32>, tensor<1x4x2xf32>
}

// -----

// Channels in another order are the same channels.
// CHECK-LABEL: func.func @gather
// CHECK-SAME: nest.groups = ["first: 3 inner, 1 -> 1"]
// CHECK: nest.gather {{.*}}nest.runs = "2: 0:2+1 0:0+2"
func.func @gather(%x: tensor<1x4x3xf32>) -> tensor<1x4x2xf32> {
  %ffirst = nest.const dense<1.0> : tensor<1x3x3xf32>
  %first = nest.conv %x, %ffirst {dilations = array<i64: 1>, groups = 1, kernel = array<i64: 1>, padBegin = array<i64: 0>,
      padEnd = array<i64: 0>, strides = array<i64: 1>}
    : (tensor<1x4x3xf32>, tensor<1x3x3xf32>) -> tensor<1x4x3xf32> loc("first")
  %i = nest.const dense<[2, 0, 1]> : tensor<3xi64>
  %a = nest.gather %first, %i {axis = 2} : (tensor<1x4x3xf32>, tensor<3xi64>) -> tensor<1x4x3xf32>
  %fhead = nest.const dense<1.0> : tensor<1x3x2xf32>
  %head = nest.conv %a, %fhead {dilations = array<i64: 1>, groups = 1, kernel = array<i64: 1>, padBegin = array<i64: 0>,
      padEnd = array<i64: 0>, strides = array<i64: 1>}
    : (tensor<1x4x3xf32>, tensor<1x3x2xf32>) -> tensor<1x4x2xf32> loc("head")
  return %head : tensor<1x4x2xf32>
}

// -----

// A shuffle puts channels into another order, no more.
// CHECK-LABEL: func.func @channel_shuffle
// CHECK-SAME: nest.groups = ["a: 3 inner, 1 -> 1", "b: 3 inner, 1 -> 1"]
// CHECK: nest.transpose
// CHECK: nest.reshape {{.*}}nest.runs = "2: 0:0+1 1:0+1 0:1+1 1:1+1 0:2+1 1:2+1"
func.func @channel_shuffle(%x: tensor<1x4x3xf32>) -> tensor<1x4x2xf32> {
  %fa = nest.const dense<1.0> : tensor<1x3x3xf32>
  %a = nest.conv %x, %fa {dilations = array<i64: 1>, groups = 1, kernel = array<i64: 1>, padBegin = array<i64: 0>,
      padEnd = array<i64: 0>, strides = array<i64: 1>}
    : (tensor<1x4x3xf32>, tensor<1x3x3xf32>) -> tensor<1x4x3xf32> loc("a")
  %fb = nest.const dense<1.0> : tensor<1x3x3xf32>
  %b = nest.conv %x, %fb {dilations = array<i64: 1>, groups = 1, kernel = array<i64: 1>, padBegin = array<i64: 0>,
      padEnd = array<i64: 0>, strides = array<i64: 1>}
    : (tensor<1x4x3xf32>, tensor<1x3x3xf32>) -> tensor<1x4x3xf32> loc("b")
  %cat = nest.concat %a, %b {axis = 2} : (tensor<1x4x3xf32>, tensor<1x4x3xf32>) -> tensor<1x4x6xf32>
  %r = nest.reshape %cat : (tensor<1x4x6xf32>) -> tensor<1x4x2x3xf32>
  %t = nest.transpose %r {perm = array<i64: 0, 1, 3, 2>} : (tensor<1x4x2x3xf32>) -> tensor<1x4x3x2xf32>
  %m = nest.reshape %t : (tensor<1x4x3x2xf32>) -> tensor<1x4x6xf32>
  %fhead = nest.const dense<1.0> : tensor<1x6x2xf32>
  %head = nest.conv %m, %fhead {dilations = array<i64: 1>, groups = 1, kernel = array<i64: 1>, padBegin = array<i64: 0>,
      padEnd = array<i64: 0>, strides = array<i64: 1>}
    : (tensor<1x4x6xf32>, tensor<1x6x2xf32>) -> tensor<1x4x2xf32> loc("head")
  return %head : tensor<1x4x2xf32>
}

// -----

// The gates of channels are left out with them.
// CHECK-LABEL: func.func @squeeze_excite
// CHECK-SAME: nest.groups = ["first: 4 inner, 2 -> 2", "squeeze: 2 inner, 1 -> 1"]
func.func @squeeze_excite(%x: tensor<1x4x3xf32>) -> tensor<1x4x2xf32> {
  %ffirst = nest.const dense<1.0> : tensor<1x3x4xf32>
  %first = nest.conv %x, %ffirst {dilations = array<i64: 1>, groups = 1, kernel = array<i64: 1>, padBegin = array<i64: 0>,
      padEnd = array<i64: 0>, strides = array<i64: 1>}
    : (tensor<1x4x3xf32>, tensor<1x3x4xf32>) -> tensor<1x4x4xf32> loc("first")
  %mean = nest.reduce %first {axes = array<i64: 1>, kind = #nest.reduce_kind<mean>} : (tensor<1x4x4xf32>) -> tensor<1x1x4xf32>
  %fsqueeze = nest.const dense<1.0> : tensor<1x4x2xf32>
  %squeeze = nest.conv %mean, %fsqueeze {dilations = array<i64: 1>, groups = 1, kernel = array<i64: 1>, padBegin = array<i64: 0>,
      padEnd = array<i64: 0>, strides = array<i64: 1>}
    : (tensor<1x1x4xf32>, tensor<1x4x2xf32>) -> tensor<1x1x2xf32> loc("squeeze")
  %fexcite = nest.const dense<1.0> : tensor<1x2x4xf32>
  %excite = nest.conv %squeeze, %fexcite {dilations = array<i64: 1>, groups = 1, kernel = array<i64: 1>, padBegin = array<i64: 0>,
      padEnd = array<i64: 0>, strides = array<i64: 1>}
    : (tensor<1x1x2xf32>, tensor<1x2x4xf32>) -> tensor<1x1x4xf32> loc("excite")
  %gated = nest.map %first, %excite : tensor<1x4x4xf32>, tensor<1x1x4xf32> -> tensor<1x4x4xf32> {
  ^bb0(%p: f32, %q: f32):
    %s = arith.mulf %p, %q : f32
    nest.yield %s : f32
  } loc("gated")
  %fhead = nest.const dense<1.0> : tensor<1x4x2xf32>
  %head = nest.conv %gated, %fhead {dilations = array<i64: 1>, groups = 1, kernel = array<i64: 1>, padBegin = array<i64: 0>,
      padEnd = array<i64: 0>, strides = array<i64: 1>}
    : (tensor<1x4x4xf32>, tensor<1x4x2xf32>) -> tensor<1x4x2xf32> loc("head")
  return %head : tensor<1x4x2xf32>
}

// -----

// Slopes and the like are cut with the channels that they belong to.
// CHECK-LABEL: func.func @constant_operands
// CHECK-SAME: nest.groups = ["first: 4 inner, 1 -> 1"]
// CHECK: nest.const {nest.runs = "0: 0:0+4"} dense<2.0
func.func @constant_operands(%x: tensor<1x4x3xf32>) -> tensor<1x4x2xf32> {
  %ffirst = nest.const dense<1.0> : tensor<1x3x4xf32>
  %first = nest.conv %x, %ffirst {dilations = array<i64: 1>, groups = 1, kernel = array<i64: 1>, padBegin = array<i64: 0>,
      padEnd = array<i64: 0>, strides = array<i64: 1>}
    : (tensor<1x4x3xf32>, tensor<1x3x4xf32>) -> tensor<1x4x4xf32> loc("first")
  %slope = nest.const dense<2.0> : tensor<4xf32>
  %scaled = nest.map %first, %slope : tensor<1x4x4xf32>, tensor<4xf32> -> tensor<1x4x4xf32> {
  ^bb0(%p: f32, %q: f32):
    %s = arith.mulf %p, %q : f32
    nest.yield %s : f32
  } loc("scaled")
  %fhead = nest.const dense<1.0> : tensor<1x4x2xf32>
  %head = nest.conv %scaled, %fhead {dilations = array<i64: 1>, groups = 1, kernel = array<i64: 1>, padBegin = array<i64: 0>,
      padEnd = array<i64: 0>, strides = array<i64: 1>}
    : (tensor<1x4x4xf32>, tensor<1x4x2xf32>) -> tensor<1x4x2xf32> loc("head")
  return %head : tensor<1x4x2xf32>
}

// -----

// Pooling, resizing and padding of pixels leave channels alone.
// CHECK-LABEL: func.func @windows
// CHECK-SAME: nest.groups = ["first: 4 inner, 1 -> 1"]
// CHECK: nest.pool {{.*}}nest.runs = "2: 0:0+4"
// CHECK: nest.resize {{.*}}nest.runs = "2: 0:0+4"
// CHECK: nest.pad {{.*}}nest.runs = "2: 0:0+4"
func.func @windows(%x: tensor<1x4x3xf32>) -> tensor<1x6x2xf32> {
  %ffirst = nest.const dense<1.0> : tensor<1x3x4xf32>
  %first = nest.conv %x, %ffirst {dilations = array<i64: 1>, groups = 1, kernel = array<i64: 1>, padBegin = array<i64: 0>,
      padEnd = array<i64: 0>, strides = array<i64: 1>}
    : (tensor<1x4x3xf32>, tensor<1x3x4xf32>) -> tensor<1x4x4xf32> loc("first")
  %pool = nest.pool %first {kind = #nest.pool_kind<max>, kernel = array<i64: 2>, strides = array<i64: 2>, dilations = array<i64: 1>,
      padBegin = array<i64: 0>, padEnd = array<i64: 0>} : (tensor<1x4x4xf32>) -> tensor<1x2x4xf32>
  %up = nest.resize %pool {scales = array<f64: 1.0, 2.0, 1.0>, mode = #nest.resize_mode<nearest>, coordinates = #nest.coordinate_mode<asymmetric>,
      nearest = #nest.nearest_mode<floor>} : (tensor<1x2x4xf32>) -> tensor<1x4x4xf32>
  %pad = nest.pad %up {low = array<i64: 0, 1, 0>, high = array<i64: 0, 1, 0>, mode = #nest.pad_mode<edge>}
    : (tensor<1x4x4xf32>) -> tensor<1x6x4xf32>
  %fhead = nest.const dense<1.0> : tensor<1x4x2xf32>
  %head = nest.conv %pad, %fhead {dilations = array<i64: 1>, groups = 1, kernel = array<i64: 1>, padBegin = array<i64: 0>,
      padEnd = array<i64: 0>, strides = array<i64: 1>}
    : (tensor<1x6x4xf32>, tensor<1x4x2xf32>) -> tensor<1x6x2xf32> loc("head")
  return %head : tensor<1x6x2xf32>
}

// -----

// A flattened tensor has its channels at every pixel.
// CHECK-LABEL: func.func @flatten
// CHECK-SAME: nest.groups = ["first: 2 inner, 1 -> 1"]
// CHECK: nest.reshape {{.*}}nest.runs = "2: 0:0+2 0:0+2 0:0+2 0:0+2"
func.func @flatten(%x: tensor<1x4x3xf32>) -> tensor<1x1x2xf32> {
  %ffirst = nest.const dense<1.0> : tensor<1x3x2xf32>
  %first = nest.conv %x, %ffirst {dilations = array<i64: 1>, groups = 1, kernel = array<i64: 1>, padBegin = array<i64: 0>,
      padEnd = array<i64: 0>, strides = array<i64: 1>}
    : (tensor<1x4x3xf32>, tensor<1x3x2xf32>) -> tensor<1x4x2xf32> loc("first")
  %flat = nest.reshape %first : (tensor<1x4x2xf32>) -> tensor<1x1x8xf32>
  %fhead = nest.const dense<1.0> : tensor<1x8x2xf32>
  %head = nest.conv %flat, %fhead {dilations = array<i64: 1>, groups = 1, kernel = array<i64: 1>, padBegin = array<i64: 0>,
      padEnd = array<i64: 0>, strides = array<i64: 1>}
    : (tensor<1x1x8xf32>, tensor<1x8x2xf32>) -> tensor<1x1x2xf32> loc("head")
  return %head : tensor<1x1x2xf32>
}

// -----

// Attention leaves out whole heads: of 2 here, with 3 channels each.
// CHECK-LABEL: func.func @heads
// CHECK-SAME: nest.groups = ["q: 2 inner, 3 -> 1"]
// CHECK-SAME: nest.whole = ["out: they are the model's output"]
// CHECK: nest.conv {{.*}}nest.runs = "2: 0:0+1 0:0+1 0:0+2 0:1+1 0:1+1"
func.func @heads(%x: tensor<1x4x3xf32>) -> tensor<1x4x2xf32> {
  %fq = nest.const dense<1.0> : tensor<1x3x6xf32>
  %q = nest.conv %x, %fq {dilations = array<i64: 1>, groups = 1, kernel = array<i64: 1>, padBegin = array<i64: 0>,
      padEnd = array<i64: 0>, strides = array<i64: 1>}
    : (tensor<1x4x3xf32>, tensor<1x3x6xf32>) -> tensor<1x4x6xf32> loc("q")
  %fk = nest.const dense<1.0> : tensor<1x3x6xf32>
  %k = nest.conv %x, %fk {dilations = array<i64: 1>, groups = 1, kernel = array<i64: 1>, padBegin = array<i64: 0>,
      padEnd = array<i64: 0>, strides = array<i64: 1>}
    : (tensor<1x4x3xf32>, tensor<1x3x6xf32>) -> tensor<1x4x6xf32> loc("k")
  %fv = nest.const dense<1.0> : tensor<1x3x6xf32>
  %v = nest.conv %x, %fv {dilations = array<i64: 1>, groups = 1, kernel = array<i64: 1>, padBegin = array<i64: 0>,
      padEnd = array<i64: 0>, strides = array<i64: 1>}
    : (tensor<1x4x3xf32>, tensor<1x3x6xf32>) -> tensor<1x4x6xf32> loc("v")
  %qs = nest.reshape %q : (tensor<1x4x6xf32>) -> tensor<1x4x2x3xf32>
  %qh = nest.transpose %qs {perm = array<i64: 0, 2, 1, 3>} : (tensor<1x4x2x3xf32>) -> tensor<1x2x4x3xf32>
  %ks = nest.reshape %k : (tensor<1x4x6xf32>) -> tensor<1x4x2x3xf32>
  %kh = nest.transpose %ks {perm = array<i64: 0, 2, 1, 3>} : (tensor<1x4x2x3xf32>) -> tensor<1x2x4x3xf32>
  %vs = nest.reshape %v : (tensor<1x4x6xf32>) -> tensor<1x4x2x3xf32>
  %vh = nest.transpose %vs {perm = array<i64: 0, 2, 1, 3>} : (tensor<1x4x2x3xf32>) -> tensor<1x2x4x3xf32>
  %s = nest.matmul %qh, %kh {transposeRhs} : (tensor<1x2x4x3xf32>, tensor<1x2x4x3xf32>) -> tensor<1x2x4x4xf32>
  %w = nest.softmax %s {axis = 3} : tensor<1x2x4x4xf32>
  %m = nest.matmul %w, %vh : (tensor<1x2x4x4xf32>, tensor<1x2x4x3xf32>) -> tensor<1x2x4x3xf32>
  %t = nest.transpose %m {perm = array<i64: 0, 2, 1, 3>} : (tensor<1x2x4x3xf32>) -> tensor<1x4x2x3xf32>
  %merged = nest.reshape %t : (tensor<1x4x2x3xf32>) -> tensor<1x4x6xf32>
  %fout = nest.const dense<1.0> : tensor<1x6x2xf32>
  %out = nest.conv %merged, %fout {dilations = array<i64: 1>, groups = 1, kernel = array<i64: 1>, padBegin = array<i64: 0>,
      padEnd = array<i64: 0>, strides = array<i64: 1>}
    : (tensor<1x4x6xf32>, tensor<1x6x2xf32>) -> tensor<1x4x2xf32> loc("out")
  return %out : tensor<1x4x2xf32>
}

// -----

// Convolutions that share a filter share their channels.
// CHECK-LABEL: func.func @shared_filter
// CHECK-SAME: nest.groups = ["a: 4 inner, 2 -> 2"]
func.func @shared_filter(%x: tensor<1x4x3xf32>) -> (tensor<1x4x2xf32>, tensor<1x4x2xf32>) {
  %fa = nest.const dense<1.0> : tensor<1x3x4xf32>
  %a = nest.conv %x, %fa {dilations = array<i64: 1>, groups = 1, kernel = array<i64: 1>, padBegin = array<i64: 0>,
      padEnd = array<i64: 0>, strides = array<i64: 1>}
    : (tensor<1x4x3xf32>, tensor<1x3x4xf32>) -> tensor<1x4x4xf32> loc("a")
  %b = nest.conv %x, %fa {dilations = array<i64: 1>, groups = 1, kernel = array<i64: 1>, padBegin = array<i64: 0>,
      padEnd = array<i64: 0>, strides = array<i64: 1>}
    : (tensor<1x4x3xf32>, tensor<1x3x4xf32>) -> tensor<1x4x4xf32> loc("b")
  %fha = nest.const dense<1.0> : tensor<1x4x2xf32>
  %ha = nest.conv %a, %fha {dilations = array<i64: 1>, groups = 1, kernel = array<i64: 1>, padBegin = array<i64: 0>,
      padEnd = array<i64: 0>, strides = array<i64: 1>}
    : (tensor<1x4x4xf32>, tensor<1x4x2xf32>) -> tensor<1x4x2xf32> loc("ha")
  %fhb = nest.const dense<1.0> : tensor<1x4x2xf32>
  %hb = nest.conv %b, %fhb {dilations = array<i64: 1>, groups = 1, kernel = array<i64: 1>, padBegin = array<i64: 0>,
      padEnd = array<i64: 0>, strides = array<i64: 1>}
    : (tensor<1x4x4xf32>, tensor<1x4x2xf32>) -> tensor<1x4x2xf32> loc("hb")
  return %ha, %hb : tensor<1x4x2xf32>, tensor<1x4x2xf32>
}

// -----

// An operation that needs all channels keeps them, and is named.
// CHECK-LABEL: func.func @softmax
// CHECK-SAME: nest.groups = []
// CHECK-SAME: nest.whole = ["first: node 'sm' takes its softmax over them", "head: they are the model's output"]
func.func @softmax(%x: tensor<1x4x3xf32>) -> tensor<1x4x2xf32> {
  %ffirst = nest.const dense<1.0> : tensor<1x3x4xf32>
  %first = nest.conv %x, %ffirst {dilations = array<i64: 1>, groups = 1, kernel = array<i64: 1>, padBegin = array<i64: 0>,
      padEnd = array<i64: 0>, strides = array<i64: 1>}
    : (tensor<1x4x3xf32>, tensor<1x3x4xf32>) -> tensor<1x4x4xf32> loc("first")
  %y = nest.softmax %first {axis = 2} : tensor<1x4x4xf32> loc("sm")
  %fhead = nest.const dense<1.0> : tensor<1x4x2xf32>
  %head = nest.conv %y, %fhead {dilations = array<i64: 1>, groups = 1, kernel = array<i64: 1>, padBegin = array<i64: 0>,
      padEnd = array<i64: 0>, strides = array<i64: 1>}
    : (tensor<1x4x4xf32>, tensor<1x4x2xf32>) -> tensor<1x4x2xf32> loc("head")
  return %head : tensor<1x4x2xf32>
}

// -----

// Layer normalisation.
// CHECK-LABEL: func.func @layer_norm
// CHECK-SAME: nest.groups = []
// CHECK-SAME: nest.whole = ["first: node 'ln' normalises over them", "head: they are the model's output"]
func.func @layer_norm(%x: tensor<1x4x3xf32>) -> tensor<1x4x2xf32> {
  %ffirst = nest.const dense<1.0> : tensor<1x3x4xf32>
  %first = nest.conv %x, %ffirst {dilations = array<i64: 1>, groups = 1, kernel = array<i64: 1>, padBegin = array<i64: 0>,
      padEnd = array<i64: 0>, strides = array<i64: 1>}
    : (tensor<1x4x3xf32>, tensor<1x3x4xf32>) -> tensor<1x4x4xf32> loc("first")
  %y = nest.norm %first {axis = 2, epsilon = 1.0e-5} : (tensor<1x4x4xf32>) -> tensor<1x4x4xf32> loc("ln")
  %fhead = nest.const dense<1.0> : tensor<1x4x2xf32>
  %head = nest.conv %y, %fhead {dilations = array<i64: 1>, groups = 1, kernel = array<i64: 1>, padBegin = array<i64: 0>,
      padEnd = array<i64: 0>, strides = array<i64: 1>}
    : (tensor<1x4x4xf32>, tensor<1x4x2xf32>) -> tensor<1x4x2xf32> loc("head")
  return %head : tensor<1x4x2xf32>
}

// -----

// Local response normalisation.
// CHECK-LABEL: func.func @lrn
// CHECK-SAME: nest.groups = []
// CHECK-SAME: nest.whole = ["first: node 'lrn' normalises each by its neighbours", "head: they are the model's output"]
func.func @lrn(%x: tensor<1x4x3xf32>) -> tensor<1x4x2xf32> {
  %ffirst = nest.const dense<1.0> : tensor<1x3x4xf32>
  %first = nest.conv %x, %ffirst {dilations = array<i64: 1>, groups = 1, kernel = array<i64: 1>, padBegin = array<i64: 0>,
      padEnd = array<i64: 0>, strides = array<i64: 1>}
    : (tensor<1x4x3xf32>, tensor<1x3x4xf32>) -> tensor<1x4x4xf32> loc("first")
  %y = nest.lrn %first {size = 3, alpha = 1.0, beta = 1.0, k = 1.0} : tensor<1x4x4xf32> loc("lrn")
  %fhead = nest.const dense<1.0> : tensor<1x4x2xf32>
  %head = nest.conv %y, %fhead {dilations = array<i64: 1>, groups = 1, kernel = array<i64: 1>, padBegin = array<i64: 0>,
      padEnd = array<i64: 0>, strides = array<i64: 1>}
    : (tensor<1x4x4xf32>, tensor<1x4x2xf32>) -> tensor<1x4x2xf32> loc("head")
  return %head : tensor<1x4x2xf32>
}

// -----

// Running sums.
// CHECK-LABEL: func.func @cumsum
// CHECK-SAME: nest.groups = []
// CHECK-SAME: nest.whole = ["first: node 'cs' adds them up one after the other", "head: they are the model's output"]
func.func @cumsum(%x: tensor<1x4x3xf32>) -> tensor<1x4x2xf32> {
  %ffirst = nest.const dense<1.0> : tensor<1x3x4xf32>
  %first = nest.conv %x, %ffirst {dilations = array<i64: 1>, groups = 1, kernel = array<i64: 1>, padBegin = array<i64: 0>,
      padEnd = array<i64: 0>, strides = array<i64: 1>}
    : (tensor<1x4x3xf32>, tensor<1x3x4xf32>) -> tensor<1x4x4xf32> loc("first")
  %y = nest.cumsum %first {axis = 2} : tensor<1x4x4xf32> loc("cs")
  %fhead = nest.const dense<1.0> : tensor<1x4x2xf32>
  %head = nest.conv %y, %fhead {dilations = array<i64: 1>, groups = 1, kernel = array<i64: 1>, padBegin = array<i64: 0>,
      padEnd = array<i64: 0>, strides = array<i64: 1>}
    : (tensor<1x4x4xf32>, tensor<1x4x2xf32>) -> tensor<1x4x2xf32> loc("head")
  return %head : tensor<1x4x2xf32>
}

// -----

// Channels repeated at the border.
// CHECK-LABEL: func.func @edge_pad
// CHECK-SAME: nest.groups = []
// CHECK-SAME: nest.whole = ["first: node 'pd' extends them by other than zeros", "head: they are the model's output"]
func.func @edge_pad(%x: tensor<1x4x3xf32>) -> tensor<1x4x2xf32> {
  %ffirst = nest.const dense<1.0> : tensor<1x3x4xf32>
  %first = nest.conv %x, %ffirst {dilations = array<i64: 1>, groups = 1, kernel = array<i64: 1>, padBegin = array<i64: 0>,
      padEnd = array<i64: 0>, strides = array<i64: 1>}
    : (tensor<1x4x3xf32>, tensor<1x3x4xf32>) -> tensor<1x4x4xf32> loc("first")
  %p = nest.pad %first {low = array<i64: 0, 0, 1>, high = array<i64: 0, 0, -1>, mode = #nest.pad_mode<edge>}
    : (tensor<1x4x4xf32>) -> tensor<1x4x4xf32> loc("pd")
  %y = nest.slice %p {starts = array<i64: 0, 0, 0>, steps = array<i64: 1, 1, 1>} : (tensor<1x4x4xf32>) -> tensor<1x4x4xf32>
  %fhead = nest.const dense<1.0> : tensor<1x4x2xf32>
  %head = nest.conv %y, %fhead {dilations = array<i64: 1>, groups = 1, kernel = array<i64: 1>, padBegin = array<i64: 0>,
      padEnd = array<i64: 0>, strides = array<i64: 1>}
    : (tensor<1x4x4xf32>, tensor<1x4x2xf32>) -> tensor<1x4x2xf32> loc("head")
  return %head : tensor<1x4x2xf32>
}

// -----

// Channels picked by a computed index.
// CHECK-LABEL: func.func @dynamic_gather
// CHECK-SAME: nest.groups = []
// CHECK-SAME: nest.whole = ["first: node 'ga' picks any of them", "head: they are the model's output"]
func.func @dynamic_gather(%x: tensor<1x4x3xf32>, %i: tensor<4xi64>) -> tensor<1x4x2xf32> {
  %ffirst = nest.const dense<1.0> : tensor<1x3x4xf32>
  %first = nest.conv %x, %ffirst {dilations = array<i64: 1>, groups = 1, kernel = array<i64: 1>, padBegin = array<i64: 0>,
      padEnd = array<i64: 0>, strides = array<i64: 1>}
    : (tensor<1x4x3xf32>, tensor<1x3x4xf32>) -> tensor<1x4x4xf32> loc("first")
  %y = nest.gather %first, %i {axis = 2} : (tensor<1x4x4xf32>, tensor<4xi64>) -> tensor<1x4x4xf32> loc("ga")
  %fhead = nest.const dense<1.0> : tensor<1x4x2xf32>
  %head = nest.conv %y, %fhead {dilations = array<i64: 1>, groups = 1, kernel = array<i64: 1>, padBegin = array<i64: 0>,
      padEnd = array<i64: 0>, strides = array<i64: 1>}
    : (tensor<1x4x4xf32>, tensor<1x4x2xf32>) -> tensor<1x4x2xf32> loc("head")
  return %head : tensor<1x4x2xf32>
}

// -----

// An operation without a rule.
// CHECK-LABEL: func.func @no_rule
// CHECK-SAME: nest.groups = []
// CHECK-SAME: nest.whole = ["first: node 'ge' needs all of its input", "head: they are the model's output"]
func.func @no_rule(%x: tensor<1x4x3xf32>, %i: tensor<1x4x4xi64>) -> tensor<1x4x2xf32> {
  %ffirst = nest.const dense<1.0> : tensor<1x3x4xf32>
  %first = nest.conv %x, %ffirst {dilations = array<i64: 1>, groups = 1, kernel = array<i64: 1>, padBegin = array<i64: 0>,
      padEnd = array<i64: 0>, strides = array<i64: 1>}
    : (tensor<1x4x3xf32>, tensor<1x3x4xf32>) -> tensor<1x4x4xf32> loc("first")
  %y = nest.gather_elements %first, %i {axis = 1} : (tensor<1x4x4xf32>, tensor<1x4x4xi64>) -> tensor<1x4x4xf32> loc("ge")
  %fhead = nest.const dense<1.0> : tensor<1x4x2xf32>
  %head = nest.conv %y, %fhead {dilations = array<i64: 1>, groups = 1, kernel = array<i64: 1>, padBegin = array<i64: 0>,
      padEnd = array<i64: 0>, strides = array<i64: 1>}
    : (tensor<1x4x4xf32>, tensor<1x4x2xf32>) -> tensor<1x4x2xf32> loc("head")
  return %head : tensor<1x4x2xf32>
}

// -----

// Phases of a transposed convolution: the first outputs of each phase are not the
// first outputs of the filter.
// CHECK-LABEL: func.func @phases
// CHECK-SAME: nest.groups = []
// CHECK-SAME: nest.whole = ["first: node 'd2s' spreads them over several places", "head: they are the model's output"]
func.func @phases(%x: tensor<1x4x3xf32>) -> tensor<1x4x2xf32> {
  %ffirst = nest.const dense<1.0> : tensor<1x3x4xf32>
  %first = nest.conv %x, %ffirst {dilations = array<i64: 1>, groups = 1, kernel = array<i64: 1>, padBegin = array<i64: 0>,
      padEnd = array<i64: 0>, strides = array<i64: 1>}
    : (tensor<1x4x3xf32>, tensor<1x3x4xf32>) -> tensor<1x4x4xf32> loc("first")
  %a = nest.reshape %first : (tensor<1x4x4xf32>) -> tensor<1x4x2x2xf32> loc("d2s")
  %b = nest.reshape %a : (tensor<1x4x2x2xf32>) -> tensor<1x8x2xf32>
  %c = nest.reshape %b : (tensor<1x8x2xf32>) -> tensor<1x4x2x2xf32>
  %y = nest.reshape %c : (tensor<1x4x2x2xf32>) -> tensor<1x4x4xf32>
  %fhead = nest.const dense<1.0> : tensor<1x4x2xf32>
  %head = nest.conv %y, %fhead {dilations = array<i64: 1>, groups = 1, kernel = array<i64: 1>, padBegin = array<i64: 0>,
      padEnd = array<i64: 0>, strides = array<i64: 1>}
    : (tensor<1x4x4xf32>, tensor<1x4x2xf32>) -> tensor<1x4x2xf32> loc("head")
  return %head : tensor<1x4x2xf32>
}

// -----

// Some channels of a convolution shrink, some do not.
// CHECK-LABEL: func.func @part_whole
// CHECK-SAME: nest.groups = ["first: 2 inner, 1 -> 1"]
// CHECK-SAME: nest.whole = ["first: they are the model's output (4 of 6 channels)"
// CHECK: nest.conv {{.*}}nest.runs = "2: -4 0:0+2"
func.func @part_whole(%x: tensor<1x4x3xf32>) -> (tensor<1x4x2xf32>, tensor<1x4x4xf32>) {
  %ffirst = nest.const dense<1.0> : tensor<1x3x6xf32>
  %first = nest.conv %x, %ffirst {dilations = array<i64: 1>, groups = 1, kernel = array<i64: 1>, padBegin = array<i64: 0>,
      padEnd = array<i64: 0>, strides = array<i64: 1>}
    : (tensor<1x4x3xf32>, tensor<1x3x6xf32>) -> tensor<1x4x6xf32> loc("first")
  %a = nest.slice %first {starts = array<i64: 0, 0, 0>, steps = array<i64: 1, 1, 1>} : (tensor<1x4x6xf32>) -> tensor<1x4x4xf32>
  %fhead = nest.const dense<1.0> : tensor<1x6x2xf32>
  %head = nest.conv %first, %fhead {dilations = array<i64: 1>, groups = 1, kernel = array<i64: 1>, padBegin = array<i64: 0>,
      padEnd = array<i64: 0>, strides = array<i64: 1>}
    : (tensor<1x4x6xf32>, tensor<1x6x2xf32>) -> tensor<1x4x2xf32> loc("head")
  return %head, %a : tensor<1x4x2xf32>, tensor<1x4x4xf32>
}

// -----

// Hidden units of both directions shrink together: in the gates, in what a
// later layer reads and in the last states; the inputs with what computes them.
// CHECK-LABEL: func.func @lstm
// CHECK-SAME: nest.groups = ["in: 3 inner, 1 -> 0", "lstm: 2 inner, 0 -> 1"]
// CHECK-SAME: nest.whole = ["out: they are the model's output"]
// CHECK: nest.lstm {{.*}}nest.runs = "3: 1:0+2, 2: 1:0+2, 2: 1:0+2"
// CHECK: nest.reshape {{.*}}nest.runs = "2: 1:0+2 1:0+2"
func.func @lstm(%x: tensor<4x1x5xf32>) -> tensor<4x1x2xf32> {
  %fin = nest.const dense<1.0> : tensor<1x5x3xf32>
  %in = nest.conv %x, %fin {dilations = array<i64: 1>, groups = 1, kernel = array<i64: 1>, padBegin = array<i64: 0>,
      padEnd = array<i64: 0>, strides = array<i64: 1>}
    : (tensor<4x1x5xf32>, tensor<1x5x3xf32>) -> tensor<4x1x3xf32> loc("in")
  %w = nest.const dense<1.0> : tensor<2x8x3xf32>
  %r = nest.const dense<1.0> : tensor<2x8x2xf32>
  %b = nest.const dense<1.0> : tensor<2x16xf32>
  %y, %h, %c = "nest.lstm"(%in, %w, %r, %b) {direction = #nest.direction<bidirectional>,
      activations = ["Sigmoid", "Tanh", "Tanh", "Sigmoid", "Tanh", "Tanh"],
      activationAlpha = array<f64: 1.0, 1.0, 1.0, 1.0, 1.0, 1.0>,
      activationBeta = array<f64: 1.0, 1.0, 1.0, 1.0, 1.0, 1.0>,
      operandSegmentSizes = array<i32: 1, 1, 1, 1, 0, 0, 0, 0>}
    : (tensor<4x1x3xf32>, tensor<2x8x3xf32>, tensor<2x8x2xf32>, tensor<2x16xf32>)
    -> (tensor<4x2x1x2xf32>, tensor<2x1x2xf32>, tensor<2x1x2xf32>) loc("lstm")
  %t = nest.transpose %y {perm = array<i64: 0, 2, 1, 3>} : (tensor<4x2x1x2xf32>) -> tensor<4x1x2x2xf32>
  %both = nest.reshape %t : (tensor<4x1x2x2xf32>) -> tensor<4x1x4xf32>
  %fout = nest.const dense<1.0> : tensor<1x4x2xf32>
  %out = nest.conv %both, %fout {dilations = array<i64: 1>, groups = 1, kernel = array<i64: 1>, padBegin = array<i64: 0>,
      padEnd = array<i64: 0>, strides = array<i64: 1>}
    : (tensor<4x1x4xf32>, tensor<1x4x2xf32>) -> tensor<4x1x2xf32> loc("out")
  return %out : tensor<4x1x2xf32>
}
