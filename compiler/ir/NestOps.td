//===- NestOps.td - Operations of the nest dialect ---------*- tablegen -*-===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
#ifndef NESTOR_IR_NESTOPS_TD
#define NESTOR_IR_NESTOPS_TD

include "NestAttrs.td"
include "mlir/IR/OpAsmInterface.td"
include "mlir/IR/SymbolInterfaces.td"
include "mlir/Interfaces/InferTypeOpInterface.td"
include "mlir/Interfaces/SideEffectInterfaces.td"
include "mlir/Interfaces/ControlFlowInterfaces.td"

//===----------------------------------------------------------------------===//
// Constants and element-wise computation
//===----------------------------------------------------------------------===//

def Nest_ConstOp : Nest_Op<"const", [Pure, ConstantLike, AllTypesMatch<["value", "result"]>]> {
  let summary = "a tensor known at compile time";
  let description = [{
    Large values are `dense_resource` attributes: they are neither uniqued nor
    copied.
  }];
  let arguments = (ins ElementsAttr:$value);
  let results = (outs AnyStaticShapeTensor:$result);
  let assemblyFormat = "attr-dict $value";
  let builders = [OpBuilder<(ins "::mlir::ElementsAttr":$value), [{
    build($_builder, $_state, value.getType(), value);
  }]>];
  let hasFolder = 1;
}

def Nest_MapOp : Nest_Op<"map", [Pure, SingleBlock, IsolatedFromAbove]> {
  let summary = "element-wise computation with numpy broadcasting";
  let description = [{
    Every input is broadcast to the result's shape (aligned at the last
    dimension; extents equal or 1; lower ranks allowed), which may be larger
    than all of them. The block has one scalar argument per input, of its
    element type made signless, and yields the result's.

    ```mlir
    %y = nest.map %x, %slope : tensor<1x8x8x4xf32>, tensor<4xf32> -> tensor<1x8x8x4xf32> {
    ^bb0(%a: f32, %s: f32):
      %zero = arith.constant 0.0 : f32
      %p = arith.mulf %a, %s : f32
      %c = arith.cmpf olt, %a, %zero : f32
      %r = arith.select %c, %p, %a : f32
      nest.yield %r : f32
    }
    ```
    The region holds operations of `arith` and `math` only.
  }];
  let arguments = (ins Variadic<AnyStaticShapeTensor>:$inputs);
  let results = (outs AnyStaticShapeTensor:$result);
  let regions = (region SizedRegion<1>:$body);
  let hasCustomAssemblyFormat = 1;
  let hasVerifier = 1;
  let hasCanonicalizer = 1;
}

def Nest_YieldOp : Nest_Op<"yield", [Pure, Terminator, ReturnLike,
    ParentOneOf<["MapOp", "ConvOp", "MatmulOp"]>]> {
  let summary = "ends a map or an epilogue";
  let arguments = (ins AnyType:$value);
  let assemblyFormat = "attr-dict $value `:` type($value)";
}

//===----------------------------------------------------------------------===//
// Weights that capacities share
//===----------------------------------------------------------------------===//

def Nest_GlobalOp : Nest_Op<"global", [Symbol]> {
  let summary = "a weight of which every capacity reads a part";
  let description = [{
    `value` is the weight of the full model. A dimension that shrinks is a
    concatenation of parts (the inputs of a concat; most dimensions have one),
    and a capacity keeps the first so many indices of each. `edges` has one
    list for each dimension, empty where it never shrinks, of one array for
    each part: the indices kept at each capacity, ascending; the last is the
    part's whole extent.

    ```mlir
    nest.global @conv2 = dense_resource<w> : tensor<3x3x16x32xf32>
        edges [[], [], [array<i64: 4, 8, 12, 16>], [array<i64: 8, 16, 24, 32>]]
    ```
  }];
  let arguments = (ins SymbolNameAttr:$sym_name, ElementsAttr:$value, ArrayAttr:$edges);
  let assemblyFormat = "$sym_name `=` $value `edges` $edges attr-dict";
  let hasVerifier = 1;
}

def Nest_WeightOp : Nest_Op<"weight", [Pure, DeclareOpInterfaceMethods<SymbolUserOpInterface>]> {
  let summary = "what one capacity reads of a shared weight";
  let description = [{
    The tensor of the indices that capacity number `capacity` keeps in each
    dimension, in order.

    ```mlir
    %w = nest.weight @conv2 at 1 : tensor<3x3x8x16xf32>
    ```
    Kernels that read it do so in place (runtime/format/artifact.proto, Shells).
  }];
  let arguments = (ins FlatSymbolRefAttr:$global, I64Attr:$capacity);
  let results = (outs AnyStaticShapeTensor:$result);
  let assemblyFormat = "$global `at` $capacity attr-dict `:` type($result)";
}

//===----------------------------------------------------------------------===//
// Convolution, matrix product, pooling
//===----------------------------------------------------------------------===//

def Nest_ConvOp : Nest_Op<"conv", [Pure, AttrSizedOperandSegments, IsolatedFromAbove]> {
  let summary = "convolution, channels last, with an optional fused epilogue";
  let description = [{
    - `input`  [N, D1.., Dn, C]; with `planar` [N, C, D1.., Dn], as models are
      given images (one group, a packed filter, few channels)
    - `filter` [K1.., Kn, C/groups, O]; with `packed`, the layout that kernels
      read: [O/16, K1*..*Kn, C/groups, 16] (O rounded up, zero-filled), or
      [C/16, K1*..*Kn, 1, 16] for depthwise
    - `scale`, `bias` [O]: the accumulator becomes acc * scale + bias
    - `extras`: operands of the epilogue, broadcast to the result as in
      `nest.map` (a residual, a slope per channel)
    - result   [N, E1.., En, O],
      E = (D + padBegin + padEnd - dilation*(K-1) - 1) / stride + 1 rounded
      down; padEnd may be negative or excessive as ONNX's auto_pad leaves it

    The epilogue's block takes the accumulator (after scale and bias) and one
    scalar per extra, and yields the element to store. No region: stored as is.
    n is 1, 2 or 3. Depthwise is groups == C == O.
  }];
  let arguments = (ins
    AnyStaticShapeTensor:$input, AnyStaticShapeTensor:$filter,
    Optional<AnyStaticShapeTensor>:$scale, Optional<AnyStaticShapeTensor>:$bias,
    Variadic<AnyStaticShapeTensor>:$extras,
    DenseI64ArrayAttr:$kernel, DenseI64ArrayAttr:$strides, DenseI64ArrayAttr:$dilations,
    DenseI64ArrayAttr:$padBegin, DenseI64ArrayAttr:$padEnd,
    I64Attr:$groups, UnitAttr:$packed, UnitAttr:$planar);
  let results = (outs AnyStaticShapeTensor:$result);
  let regions = (region AnyRegion:$epilogue);
  let extraClassDeclaration = [{
    /// Of the input, channels last, however it lies in memory.
    ::llvm::SmallVector<int64_t> getInputShape();
  }];
  let assemblyFormat = [{
    $input `,` $filter (`scale` $scale^)? (`bias` $bias^)? (`extras` `(` $extras^ `)`)?
    attr-dict `:` functional-type(operands, results) ($epilogue^)?
  }];
  let hasVerifier = 1;
  let hasCanonicalizer = 1;
}

def Nest_ConvTransposeOp : Nest_Op<"conv_transpose", [Pure]> {
  let summary = "transposed convolution, channels last";
  let description = [{
    - `input` [N, D1.., Dn, C], `filter` [K1.., Kn, C, O/groups], `bias` [O]
    - result [N, E1.., En, O], E = stride*(D-1) + dilation*(K-1) + 1 - padBegin
      - padEnd; a negative padEnd is ONNX's output_padding.
    Output e gathers input d and tap k where e + padBegin = d*stride + k*dilation.
  }];
  let arguments = (ins
    AnyStaticShapeTensor:$input, AnyStaticShapeTensor:$filter, Optional<AnyStaticShapeTensor>:$bias,
    DenseI64ArrayAttr:$strides, DenseI64ArrayAttr:$dilations,
    DenseI64ArrayAttr:$padBegin, DenseI64ArrayAttr:$padEnd, I64Attr:$groups);
  let results = (outs AnyStaticShapeTensor:$result);
  let assemblyFormat = "$input `,` $filter (`bias` $bias^)? attr-dict `:` functional-type(operands, results)";
  let hasVerifier = 1;
}

def Nest_MatmulOp : Nest_Op<"matmul", [Pure, IsolatedFromAbove]> {
  let summary = "batched matrix product with an optional fused epilogue";
  let description = [{
    `lhs` [..., M, K] and `rhs` [..., K, N] of the same rank >= 2, batch
    dimensions equal or 1; result [..., M, N]. `transposeLhs` / `transposeRhs`:
    the operand is stored [..., K, M] / [..., N, K]. The epilogue is as in
    `nest.conv`. f32, or a product of integers accumulated in the result's
    type. A product with a constant [K, N] is imported as a 1x1 `nest.conv`
    over M pixels.
  }];
  let arguments = (ins AnyStaticShapeTensor:$lhs, AnyStaticShapeTensor:$rhs,
    Variadic<AnyStaticShapeTensor>:$extras, UnitAttr:$transposeLhs, UnitAttr:$transposeRhs);
  let results = (outs AnyStaticShapeTensor:$result);
  let regions = (region AnyRegion:$epilogue);
  let assemblyFormat = [{
    $lhs `,` $rhs (`extras` `(` $extras^ `)`)?
    attr-dict `:` functional-type(operands, results) ($epilogue^)?
  }];
  let hasVerifier = 1;
}

def Nest_PackOp : Nest_Op<"pack", [Pure]> {
  let summary = "convolution filter into the layout that kernels read";
  let description = [{
    [K1.., Kn, I, O] -> [ceil(O/16), K1*..*Kn, I, 16], zero-filled; with
    `depthwise`, [K1.., Kn, 1, C] -> [ceil(C/16), K1*..*Kn, 1, 16]. With
    groups > 1 (not depthwise) each group's O/groups outputs are padded to
    whole panels of their own: [groups*ceil(O/groups/16), taps, I, 16].
    Constants are packed at compile time.
  }];
  let arguments = (ins AnyStaticShapeTensor:$filter, I64Attr:$groups, UnitAttr:$depthwise);
  let results = (outs AnyStaticShapeTensor:$result);
  let assemblyFormat = "$filter attr-dict `:` functional-type(operands, results)";
  let hasVerifier = 1;
}

def Nest_PoolOp : Nest_Op<"pool", [Pure]> {
  let summary = "pooling, channels last";
  let description = [{
    `input` [N, D1.., Dn, C], result [N, E1.., En, C]. Windows are clipped to
    the input; one that lies outside altogether gives the lowest value for
    `max` and zero for the others. A NaN in a window of `max` is its result.
    `avg` divides by the taps inside the input, or, with `countIncludePad`, by
    those inside the input extended by the pads. `lp` computes
    (sum |x|^p)^(1/p). The result's extents decide floor or ceil.
  }];
  let arguments = (ins AnyStaticShapeTensor:$input, Nest_PoolKindAttr:$kind,
    DenseI64ArrayAttr:$kernel, DenseI64ArrayAttr:$strides, DenseI64ArrayAttr:$dilations,
    DenseI64ArrayAttr:$padBegin, DenseI64ArrayAttr:$padEnd,
    UnitAttr:$countIncludePad, DefaultValuedAttr<I64Attr, "2">:$p);
  let results = (outs AnyStaticShapeTensor:$result);
  let assemblyFormat = "$input attr-dict `:` functional-type(operands, results)";
  let hasVerifier = 1;
  let hasCanonicalizer = 1;
}

def Nest_MaxPoolIndicesOp : Nest_Op<"max_pool_indices", [Pure]> {
  let summary = "where the maxima of a max pooling are";
  let description = [{
    As `nest.pool` max; the result [N, E1.., En, C] is i64: for each window the
    index of the first maximum in the tensor flattened as [N, C, D1.., Dn]
    (ONNX MaxPool's second output), or as [N, C, Dn.., D1] with `columnMajor`.
  }];
  let arguments = (ins AnyStaticShapeTensor:$input,
    DenseI64ArrayAttr:$kernel, DenseI64ArrayAttr:$strides, DenseI64ArrayAttr:$dilations,
    DenseI64ArrayAttr:$padBegin, DenseI64ArrayAttr:$padEnd, UnitAttr:$columnMajor);
  let results = (outs AnyStaticShapeTensor:$result);
  let assemblyFormat = "$input attr-dict `:` functional-type(operands, results)";
  let hasVerifier = 1;
}

//===----------------------------------------------------------------------===//
// Gradients that no other operation expresses
//===----------------------------------------------------------------------===//

def Nest_ConvFilterGradOp : Nest_Op<"conv_filter_grad", [Pure]> {
  let summary = "gradient of a convolution with respect to its filter";
  let description = [{
    `input` [N, D1.., Dn, C] is the convolution's, `grad` [N, E1.., En, O] the
    gradient of its result; the result [K1.., Kn, C/groups, O] is
    sum over n and e of input[n, e*stride + k*dilation - padBegin, i] *
    grad[n, e, o], taps in the padding left out. Attributes as in `nest.conv`.
  }];
  let arguments = (ins AnyStaticShapeTensor:$input, AnyStaticShapeTensor:$grad,
    DenseI64ArrayAttr:$kernel, DenseI64ArrayAttr:$strides, DenseI64ArrayAttr:$dilations,
    DenseI64ArrayAttr:$padBegin, DenseI64ArrayAttr:$padEnd, I64Attr:$groups);
  let results = (outs AnyStaticShapeTensor:$result);
  let assemblyFormat = "$input `,` $grad attr-dict `:` functional-type(operands, results)";
  let hasVerifier = 1;
}

def Nest_PoolGradOp : Nest_Op<"pool_grad", [Pure]> {
  let summary = "gradient of a pooling with respect to its input";
  let description = [{
    `input` [N, D1.., Dn, C] is the pooling's, `grad` [N, E1.., En, C] the
    gradient of its result; the result has the input's shape. `max` gives a
    window's gradient to its first maximum in row-major order, `avg` divides it
    among the taps that the pooling divided by. Attributes as in `nest.pool`.
  }];
  let arguments = (ins AnyStaticShapeTensor:$input, AnyStaticShapeTensor:$grad, Nest_PoolKindAttr:$kind,
    DenseI64ArrayAttr:$kernel, DenseI64ArrayAttr:$strides, DenseI64ArrayAttr:$dilations,
    DenseI64ArrayAttr:$padBegin, DenseI64ArrayAttr:$padEnd, UnitAttr:$countIncludePad);
  let results = (outs AnyStaticShapeTensor:$result);
  let assemblyFormat = "$input `,` $grad attr-dict `:` functional-type(operands, results)";
  let hasVerifier = 1;
}

//===----------------------------------------------------------------------===//
// Reductions and normalisations
//===----------------------------------------------------------------------===//

def Nest_ReduceOp : Nest_Op<"reduce", [Pure]> {
  let summary = "reduction over axes; they stay as extents of 1";
  let description = [{
    No axes: a copy. Integers wrap, and their mean is rounded towards zero. max
    and min of floats are NaN where an element is. Over no elements: sum 0,
    prod 1, mean NaN, max and min the end of the range they start from.
  }];
  let arguments = (ins AnyStaticShapeTensor:$input, Nest_ReduceKindAttr:$kind, DenseI64ArrayAttr:$axes);
  let results = (outs AnyStaticShapeTensor:$result);
  let assemblyFormat = "$input attr-dict `:` functional-type(operands, results)";
  let hasVerifier = 1;
}

def Nest_ArgReduceOp : Nest_Op<"arg_reduce", [Pure]> {
  let summary = "index of the maximum or minimum along an axis (i64; the axis stays as 1)";
  let description = [{ The first of several equal ones, or the last with `selectLast`. }];
  let arguments = (ins AnyStaticShapeTensor:$input, I64Attr:$axis, UnitAttr:$min, UnitAttr:$selectLast);
  let results = (outs AnyStaticShapeTensor:$result);
  let assemblyFormat = "$input attr-dict `:` functional-type(operands, results)";
  let hasVerifier = 1;
}

def Nest_SoftmaxOp : Nest_Op<"softmax", [Pure, SameOperandsAndResultType]> {
  let summary = "softmax along one axis, or its logarithm";
  let arguments = (ins AnyStaticShapeTensor:$input, I64Attr:$axis, UnitAttr:$log);
  let results = (outs AnyStaticShapeTensor:$result);
  let assemblyFormat = "$input attr-dict `:` type($result)";
  let hasVerifier = 1;
}

def Nest_NormOp : Nest_Op<"norm", [Pure, AttrSizedOperandSegments]> {
  let summary = "layer normalisation over the axes from `axis` to the last";
  let description = [{
    (x - mean) / sqrt(variance + epsilon) * scale + bias; with `rms`,
    x / sqrt(mean(x*x) + epsilon) * scale. `scale` and `bias` broadcast to the
    input as in `nest.map`.
  }];
  let arguments = (ins AnyStaticShapeTensor:$input, Optional<AnyStaticShapeTensor>:$scale,
    Optional<AnyStaticShapeTensor>:$bias, I64Attr:$axis, F64Attr:$epsilon, UnitAttr:$rms);
  let results = (outs AnyStaticShapeTensor:$result);
  let assemblyFormat = [{
    $input (`scale` $scale^)? (`bias` $bias^)? attr-dict `:` functional-type(operands, results)
  }];
  let hasVerifier = 1;
}

def Nest_LrnOp : Nest_Op<"lrn", [Pure, SameOperandsAndResultType]> {
  let summary = "local response normalisation over the last dimension";
  let description = [{
    x / (k + alpha/size * sum(x^2 over the window))^beta; the window of channel
    c is [c - floor((size-1)/2), c + ceil((size-1)/2)].
  }];
  let arguments = (ins AnyStaticShapeTensor:$input, I64Attr:$size, F64Attr:$alpha, F64Attr:$beta, F64Attr:$k);
  let results = (outs AnyStaticShapeTensor:$result);
  let assemblyFormat = "$input attr-dict `:` type($result)";
  let hasVerifier = 1;
}

def Nest_CumsumOp : Nest_Op<"cumsum", [Pure, SameOperandsAndResultType]> {
  let summary = "running sum along an axis";
  let description = [{
    Each element becomes the sum of those up to it, itself included unless
    `exclusive`; with `reverse`, of those from it to the end.
  }];
  let arguments = (ins AnyStaticShapeTensor:$input, I64Attr:$axis, UnitAttr:$exclusive, UnitAttr:$reverse);
  let results = (outs AnyStaticShapeTensor:$result);
  let assemblyFormat = "$input attr-dict `:` type($result)";
  let hasVerifier = 1;
}

def Nest_TopKOp : Nest_Op<"topk", [Pure]> {
  let summary = "the k largest (or smallest) along an axis, sorted, and where they are";
  let description = [{
    The axis has extent k in both results. Equal values: the lower index first.
    NaN counts as the largest number. Indices are i64.
  }];
  let arguments = (ins AnyStaticShapeTensor:$input, I64Attr:$k, I64Attr:$axis, UnitAttr:$smallest);
  let results = (outs AnyStaticShapeTensor:$values, AnyStaticShapeTensor:$indices);
  let assemblyFormat = "$input attr-dict `:` functional-type(operands, results)";
  let hasVerifier = 1;
}

//===----------------------------------------------------------------------===//
// Moving data
//===----------------------------------------------------------------------===//

def Nest_TransposeOp : Nest_Op<"transpose", [Pure]> {
  let summary = "result dimension i is input dimension perm[i]";
  let arguments = (ins AnyStaticShapeTensor:$input, DenseI64ArrayAttr:$perm);
  let results = (outs AnyStaticShapeTensor:$result);
  let assemblyFormat = "$input attr-dict `:` functional-type(operands, results)";
  let hasVerifier = 1;
  let hasCanonicalizer = 1;
  let hasFolder = 1;
}

def Nest_ReshapeOp : Nest_Op<"reshape", [Pure]> {
  let summary = "the same elements in the same order under another shape; free";
  let arguments = (ins AnyStaticShapeTensor:$input);
  let results = (outs AnyStaticShapeTensor:$result);
  let assemblyFormat = "$input attr-dict `:` functional-type(operands, results)";
  let hasVerifier = 1;
  let hasFolder = 1;
}

def Nest_SliceOp : Nest_Op<"slice", [Pure]> {
  let summary = "result[i] = input[starts + i*steps]; steps may be negative";
  let arguments = (ins AnyStaticShapeTensor:$input, DenseI64ArrayAttr:$starts, DenseI64ArrayAttr:$steps);
  let results = (outs AnyStaticShapeTensor:$result);
  let assemblyFormat = "$input attr-dict `:` functional-type(operands, results)";
  let hasVerifier = 1;
  let hasCanonicalizer = 1;
  let hasFolder = 1;
}

def Nest_PadOp : Nest_Op<"pad", [Pure]> {
  let summary = "extends (or, where negative, crops) each dimension";
  let description = [{
    Negative amounts crop before the others pad. What lies outside is `value`, a
    tensor of one element (absent: zero), or by `mode` the nearest element
    (edge), the tensor mirrored about its end elements (reflect) or repeated
    (wrap); reflect and wrap go on as often as it takes.
  }];
  let arguments = (ins AnyStaticShapeTensor:$input, Optional<AnyStaticShapeTensor>:$value,
    DenseI64ArrayAttr:$low, DenseI64ArrayAttr:$high, Nest_PadModeAttr:$mode);
  let results = (outs AnyStaticShapeTensor:$result);
  let assemblyFormat = "$input (`value` $value^)? attr-dict `:` functional-type(operands, results)";
  let hasVerifier = 1;
  let hasCanonicalizer = 1;
}

def Nest_ConcatOp : Nest_Op<"concat", [Pure]> {
  let summary = "inputs one after the other along an axis";
  let arguments = (ins Variadic<AnyStaticShapeTensor>:$inputs, I64Attr:$axis);
  let results = (outs AnyStaticShapeTensor:$result);
  let assemblyFormat = "$inputs attr-dict `:` functional-type(operands, results)";
  let hasVerifier = 1;
  let hasCanonicalizer = 1;
}

def Nest_GatherOp : Nest_Op<"gather", [Pure]> {
  let summary = "slices along an axis, picked by index (numpy take)";
  let description = [{ Negative indices count from the end; others are clamped into range. }];
  let arguments = (ins AnyStaticShapeTensor:$input, AnyStaticShapeTensor:$indices, I64Attr:$axis);
  let results = (outs AnyStaticShapeTensor:$result);
  let assemblyFormat = "$input `,` $indices attr-dict `:` functional-type(operands, results)";
  let hasVerifier = 1;
  let hasCanonicalizer = 1;
}

def Nest_GatherElementsOp : Nest_Op<"gather_elements", [Pure]> {
  let summary = "one element of a line along an axis for each index";
  let description = [{
    ONNX GatherElements: result[i][j][k] = input[indices[i][j][k]][j][k] for
    axis 0. Indices as in `nest.gather`.
  }];
  let arguments = (ins AnyStaticShapeTensor:$input, AnyStaticShapeTensor:$indices, I64Attr:$axis);
  let results = (outs AnyStaticShapeTensor:$result);
  let assemblyFormat = "$input `,` $indices attr-dict `:` functional-type(operands, results)";
  let hasVerifier = 1;
}

def Nest_GatherNDOp : Nest_Op<"gather_nd", [Pure]> {
  let summary = "slices picked by tuples of indices";
  let description = [{
    ONNX GatherND: the last dimension of `indices` is a tuple that names
    positions in the input's dimensions from `batchDims` on; the first
    `batchDims` dimensions of both correspond. Indices as in `nest.gather`.
  }];
  let arguments = (ins AnyStaticShapeTensor:$input, AnyStaticShapeTensor:$indices, I64Attr:$batchDims);
  let results = (outs AnyStaticShapeTensor:$result);
  let assemblyFormat = "$input `,` $indices attr-dict `:` functional-type(operands, results)";
  let hasVerifier = 1;
}

def Nest_ScatterElementsOp : Nest_Op<"scatter_elements", [Pure]> {
  let summary = "the input with single elements along an axis replaced";
  let description = [{
    ONNX ScatterElements: the result starts as the input, then, in row-major
    order of the updates, result[indices[i][j][k]][j][k] becomes
    kind(it, updates[i][j][k]) for axis 0. Indices as in `nest.gather`.
  }];
  let arguments = (ins AnyStaticShapeTensor:$input, AnyStaticShapeTensor:$indices,
    AnyStaticShapeTensor:$updates, I64Attr:$axis, Nest_ScatterKindAttr:$kind);
  let results = (outs AnyStaticShapeTensor:$result);
  let assemblyFormat = "$input `,` $indices `,` $updates attr-dict `:` functional-type(operands, results)";
  let hasVerifier = 1;
}

def Nest_ScatterNDOp : Nest_Op<"scatter_nd", [Pure]> {
  let summary = "the input with slices named by tuples of indices replaced";
  let description = [{
    ONNX ScatterND: the last dimension of `indices` is a tuple that names
    positions in the input's first dimensions; the slice there is combined with
    that of `updates`, in row-major order. Indices as in `nest.gather`.
  }];
  let arguments = (ins AnyStaticShapeTensor:$input, AnyStaticShapeTensor:$indices,
    AnyStaticShapeTensor:$updates, Nest_ScatterKindAttr:$kind);
  let results = (outs AnyStaticShapeTensor:$result);
  let assemblyFormat = "$input `,` $indices `,` $updates attr-dict `:` functional-type(operands, results)";
  let hasVerifier = 1;
}

def Nest_OneHotOp : Nest_Op<"one_hot", [Pure]> {
  let summary = "values[1] where the new axis equals the index, else values[0]";
  let description = [{
    ONNX OneHot; the depth is the result's extent along `axis`. Indices may be
    of any type (floats truncate); negative ones count from the end, and one
    out of range gives a line of values[0].
  }];
  let arguments = (ins AnyStaticShapeTensor:$indices, AnyStaticShapeTensor:$values, I64Attr:$axis);
  let results = (outs AnyStaticShapeTensor:$result);
  let assemblyFormat = "$indices `,` $values attr-dict `:` functional-type(operands, results)";
  let hasVerifier = 1;
}

def Nest_ReverseSequenceOp : Nest_Op<"reverse_sequence", [Pure]> {
  let summary = "the first lengths[b] steps of each sequence in reverse order";
  let description = [{ ONNX ReverseSequence; lengths are clamped into range. }];
  let arguments = (ins AnyStaticShapeTensor:$input, AnyStaticShapeTensor:$lengths,
    I64Attr:$batchAxis, I64Attr:$timeAxis);
  let results = (outs AnyStaticShapeTensor:$result);
  let assemblyFormat = "$input `,` $lengths attr-dict `:` functional-type(operands, results)";
  let hasVerifier = 1;
}

def Nest_ResizeOp : Nest_Op<"resize", [Pure]> {
  let summary = "ONNX Resize with scales and sizes resolved";
  let description = [{
    `scales` has one entry per dimension (1 where nothing changes); they enter
    the coordinate transformation as given, the result's extents are in its
    type. `roi` (2 per dimension, starts then ends) is used by
    tf_crop_and_resize only.

    With scale s, input extent n and result extent m, position x of the result
    lies at, in the input,
      half_pixel            (x + 0.5)/s - 0.5
      half_pixel_symmetric  n/2 * (1 - m/(s*n)) + (x + 0.5)/s - 0.5
      pytorch_half_pixel    as half_pixel; 0 if m = 1
      align_corners         x*(n-1)/(s*n-1); 0 if m = 1
      asymmetric            x/s
      tf_half_pixel_for_nn  (x + 0.5)/s
      tf_crop_and_resize    start*(n-1) + x*(end-start)*(n-1)/(m-1), the middle
                            of the region if m = 1; where that is outside
                            [0, n-1] in any dimension, the result is
                            `extrapolation`.
    There the input is interpolated, one dimension after the other; positions
    outside it repeat its border. `antialias` stretches the kernel of linear
    and cubic by 1/s where s < 1; with it, and with `excludeOutside`, which
    drops the positions outside, weights are scaled to add up to 1.
  }];
  let arguments = (ins AnyStaticShapeTensor:$input, DenseF64ArrayAttr:$scales,
    OptionalAttr<DenseF64ArrayAttr>:$roi,
    Nest_ResizeModeAttr:$mode, Nest_CoordinateModeAttr:$coordinates, Nest_NearestModeAttr:$nearest,
    DefaultValuedAttr<F64Attr, "-0.75">:$cubicCoefficient,
    UnitAttr:$excludeOutside, UnitAttr:$antialias,
    DefaultValuedAttr<F64Attr, "0.0">:$extrapolation);
  let results = (outs AnyStaticShapeTensor:$result);
  let assemblyFormat = "$input attr-dict `:` functional-type(operands, results)";
  let hasVerifier = 1;
}

//===----------------------------------------------------------------------===//
// Recurrent layers (ONNX layouts with layout = 0)
//===----------------------------------------------------------------------===//

def Nest_PackRecurrentOp : Nest_Op<"pack_recurrent", [Pure]> {
  let summary = "shared recurrent weights in the layout that kernels read";
  let description = [{
    The `weights` or `recurrence` of a layer of `gates` gates, [D, G*H, I] ->
    [D, ceil(H/16), I, G, 16], zero-filled. The operand is a `nest.weight`:
    kernels find it packed in the shells, nothing computes it.
  }];
  let arguments = (ins AnyStaticShapeTensor:$weights, I64Attr:$gates);
  let results = (outs AnyStaticShapeTensor:$result);
  let assemblyFormat = "$weights attr-dict `:` functional-type(operands, results)";
  let hasVerifier = 1;
}

class Nest_RecurrentOp<string mnemonic> : Nest_Op<mnemonic, [Pure, AttrSizedOperandSegments]>;

def Nest_LstmOp : Nest_RecurrentOp<"lstm"> {
  let summary = "ONNX LSTM";
  let description = [{
    T steps, B batch, I inputs, H hidden, D directions.
    `input` [T,B,I], `weights` [D,4H,I], `recurrence` [D,4H,H], `bias` [D,8H],
    `lengths` [B] (int), `initialHidden` / `initialCell` [D,B,H], `peephole` [D,3H].
    Gates in the order i, o, f, c. `activations`: f, g, h per direction by ONNX
    name, with `activationAlpha` / `activationBeta` parallel to them.
    Results: all hidden states [T,D,B,H], the last hidden and the last cell
    state [D,B,H]. A sequence ends after `lengths` steps: its states after that
    are zero, its last state is that of its last step, and the reverse
    direction starts there. `clip` bounds what enters the activations of gates.
    With `inputForget`, f = 1 - i.
    With `packed`, operands are as kernels read them, P = ceil(H/16) panels of
    16 hidden units, zero-filled: `weights` [D,P,I,4,16], `recurrence`
    [D,P,H,4,16], `bias` [D,P,4,16] (input and recurrent bias added),
    `peephole` [D,P,3,16].
  }];
  let arguments = (ins AnyStaticShapeTensor:$input, AnyStaticShapeTensor:$weights,
    AnyStaticShapeTensor:$recurrence, Optional<AnyStaticShapeTensor>:$bias,
    Optional<AnyStaticShapeTensor>:$lengths, Optional<AnyStaticShapeTensor>:$initialHidden,
    Optional<AnyStaticShapeTensor>:$initialCell, Optional<AnyStaticShapeTensor>:$peephole,
    Nest_DirectionAttr:$direction, StrArrayAttr:$activations,
    DenseF64ArrayAttr:$activationAlpha, DenseF64ArrayAttr:$activationBeta,
    OptionalAttr<F64Attr>:$clip, UnitAttr:$inputForget, UnitAttr:$packed);
  let results = (outs AnyStaticShapeTensor:$hidden, AnyStaticShapeTensor:$lastHidden,
    AnyStaticShapeTensor:$lastCell);
  let assemblyFormat = "operands attr-dict `:` functional-type(operands, results)";
  let hasVerifier = 1;
}

def Nest_GruOp : Nest_RecurrentOp<"gru"> {
  let summary = "ONNX GRU";
  let description = [{
    As `nest.lstm` with three gates z, r, h: `weights` [D,3H,I],
    `recurrence` [D,3H,H], `bias` [D,6H]; activations f, g per direction.
    With `packed`: [D,P,I,3,16], [D,P,H,3,16] and [D,P,4,16]: z and r added,
    then the input and the recurrent bias of h.
  }];
  let arguments = (ins AnyStaticShapeTensor:$input, AnyStaticShapeTensor:$weights,
    AnyStaticShapeTensor:$recurrence, Optional<AnyStaticShapeTensor>:$bias,
    Optional<AnyStaticShapeTensor>:$lengths, Optional<AnyStaticShapeTensor>:$initialHidden,
    Nest_DirectionAttr:$direction, StrArrayAttr:$activations,
    DenseF64ArrayAttr:$activationAlpha, DenseF64ArrayAttr:$activationBeta,
    OptionalAttr<F64Attr>:$clip, UnitAttr:$linearBeforeReset, UnitAttr:$packed);
  let results = (outs AnyStaticShapeTensor:$hidden, AnyStaticShapeTensor:$lastHidden);
  let assemblyFormat = "operands attr-dict `:` functional-type(operands, results)";
  let hasVerifier = 1;
}

def Nest_RnnOp : Nest_RecurrentOp<"rnn"> {
  let summary = "ONNX RNN";
  let description = [{
    As `nest.lstm` with one gate: `weights` [D,H,I], `recurrence` [D,H,H],
    `bias` [D,2H]; one activation per direction. With `packed`: [D,P,I,1,16],
    [D,P,H,1,16] and [D,P,1,16].
  }];
  let arguments = (ins AnyStaticShapeTensor:$input, AnyStaticShapeTensor:$weights,
    AnyStaticShapeTensor:$recurrence, Optional<AnyStaticShapeTensor>:$bias,
    Optional<AnyStaticShapeTensor>:$lengths, Optional<AnyStaticShapeTensor>:$initialHidden,
    Nest_DirectionAttr:$direction, StrArrayAttr:$activations,
    DenseF64ArrayAttr:$activationAlpha, DenseF64ArrayAttr:$activationBeta,
    OptionalAttr<F64Attr>:$clip, UnitAttr:$packed);
  let results = (outs AnyStaticShapeTensor:$hidden, AnyStaticShapeTensor:$lastHidden);
  let assemblyFormat = "operands attr-dict `:` functional-type(operands, results)";
  let hasVerifier = 1;
}

#endif // NESTOR_IR_NESTOPS_TD
