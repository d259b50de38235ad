//===- Passes.td - Passes over the nest dialect ------------*- tablegen -*-===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
#ifndef NESTOR_PASSES_TD
#define NESTOR_PASSES_TD

include "mlir/Pass/PassBase.td"

def FoldConstantsPass : Pass<"nest-fold-constants", "::mlir::func::FuncOp"> {
  let summary = "evaluate operations whose operands are all constants";
  let description = [{
    Uses the reference evaluator. Weights are packed and transposed at compile
    time this way. A result that would take over `max-growth` bytes more than
    its operands stays an operation: a broadcast scalar is cheaper to compute
    than to store.

    ```mlir
    %0 = nest.const dense<[1.0, 2.0]> : tensor<2xf32>
    %1 = nest.reshape %0 : (tensor<2xf32>) -> tensor<2x1xf32>
    ```
    becomes
    ```mlir
    %1 = nest.const dense<[[1.0], [2.0]]> : tensor<2x1xf32>
    ```
  }];
  let dependentDialects = ["::nestor::nest::NestDialect"];
  let options = [Option<"maxGrowth", "max-growth", "int64_t", "1048576",
      "bytes by which a result may exceed its operands; packed filters are exempt">];
}

def FoldBatchNormPass : Pass<"nest-fold-batch-norm", "::mlir::func::FuncOp"> {
  let summary = "absorb per-channel affine maps into the convolution before them";
  let description = [{
    A map after a convolution whose body is a chain of additions,
    subtractions, multiplications and divisions with constants per output
    channel computes acc * a + b. `a` scales the filter, `b` goes to the bias;
    both are computed in double precision.

    ```mlir
    %0 = nest.conv %x, %filter bias %bias {...}
    %1 = nest.map %0, %a, %b : ... { acc * a + b }
    ```
    becomes
    ```mlir
    %1 = nest.conv %x, %filterTimesA bias %biasTimesAPlusB {...}
    ```
  }];
  let dependentDialects = ["::nestor::nest::NestDialect"];
}

def PropagateLayoutPass : Pass<"nest-propagate-layout", "::mlir::func::FuncOp"> {
  let summary = "remove transposes by letting operations run channels last";
  let description = [{
    The importer puts every convolution, pooling and resize between a transpose
    to channels last and one back. Transposes move down through whatever can
    run in the other layout until they meet their inverse and vanish; those that
    are left move up where that makes them smaller. Constants are transposed at
    compile time, a flattened tensor's order is undone in the filter that reads
    it, and transposes that only move dimensions of extent 1 become reshapes.
    Arguments and results of the function keep their layout.

    ```mlir
    %1 = nest.transpose %0 {perm = array<i64: 0, 3, 1, 2>}    // NHWC -> NCHW
    %2 = nest.map %1 { relu }
    %3 = nest.transpose %2 {perm = array<i64: 0, 2, 3, 1>}    // NCHW -> NHWC
    ```
    becomes
    ```mlir
    %3 = nest.map %0 { relu }
    ```
  }];
  let dependentDialects = ["::nestor::nest::NestDialect"];
}

def RecognizeNormalizationPass : Pass<"nest-recognize-normalization", "::mlir::func::FuncOp"> {
  let summary = "find layer normalisation and softmax in the pieces that exporters leave";
  let description = [{
    Older opsets have no LayerNormalization: exporters write mean, subtract,
    square, mean, add epsilon, square root, divide, and an optional scale and
    shift. Softmax comes as exp(x) / sum(exp(x)), with or without the maximum
    subtracted.

    ```mlir
    %mean = nest.reduce %x {kind = mean, axes = [2]}
    %d = nest.map %x, %mean { x - mean }
    %sq = nest.map %d { d * d }
    %var = nest.reduce %sq {kind = mean, axes = [2]}
    %sd = nest.map %var { sqrt(var + eps) }
    %y = nest.map %d, %sd { d / sd }
    ```
    becomes
    ```mlir
    %y = nest.norm %x {axis = 2, epsilon = eps}
    ```
  }];
  let dependentDialects = ["::nestor::nest::NestDialect"];
}

def FindCutsPass : Pass<"nest-find-cuts", "::mlir::func::FuncOp"> {
  let summary = "cut a network into blocks that can run one after the other, or elsewhere";
  let description = [{
    Runs before nesting and fusing, so that every capacity and target has the
    same cuts. A block begins with a product, a recurrent layer, a pooling or
    what else changes the size of tensors, in the order of the function, and
    light operations join the block of their last operand: what may be fused
    stays together. So everything in front of a cut is computed from there, and
    what is alive at it is all that the rest needs. Operations get their block,
    the function the number of blocks. A function that has blocks keeps them.

    ```mlir
    %0 = nest.conv %x, %f {...}
    %1 = nest.map %0 { relu }
    %2 = nest.conv %1, %g {...}
    %3 = nest.map %2, %x { add }
    ```
    becomes, with %1 and %x alive at the only cut between inputs and outputs,
    ```mlir
    %0 = nest.conv %x, %f {..., nest.block = 0 : i64}
    %1 = nest.map %0 { relu } attributes {nest.block = 0 : i64}
    %2 = nest.conv %1, %g {..., nest.block = 1 : i64}
    %3 = nest.map %2, %x { add } attributes {nest.block = 1 : i64}
    ```
  }];
  let dependentDialects = ["::nestor::nest::NestDialect"];
  let options = [Option<"maxTensors", "max-tensors", "int64_t", "16",
                        "leave out cuts at which more tensors are alive">,
                 Option<"maxCuts", "max-cuts", "int64_t", "255",
                        "keep at most so many, those with the fewest bytes">];
}

def FusePass : Pass<"nest-fuse", "::mlir::func::FuncOp"> {
  let summary = "fuse element-wise work into its producers";
  let description = [{
    A map moves into the epilogue of the convolution or matrix product that it
    alone reads; its other inputs become extras. Maps that only one other map
    reads become part of it, so that chains and diamonds (SiLU, GELU) are one
    body. Reshapes in between step aside. Nothing is ever computed twice.
    Transposes of a matrix product's operands become its flags.

    In a function that `nest-find-cuts` has cut, only operations of one block
    are fused, so that every cut can be had. With `across-cuts` what is fused
    belongs to the last block of its parts and says which is the first
    (`nest.first_block`): cuts between these are lost.

    ```mlir
    %0 = nest.conv %x, %filter bias %bias {...}
    %1 = nest.map %0, %residual { max(a + b, 0) }
    ```
    becomes
    ```mlir
    %1 = nest.conv %x, %filter bias %bias extras(%residual) {...} { max(acc + extra, 0) }
    ```
  }];
  let dependentDialects = ["::nestor::nest::NestDialect"];
  let options = [Option<"acrossCuts", "across-cuts", "bool", "false",
                        "fuse also what a cut lies between">];
}

def LowerConvTransposePass : Pass<"nest-lower-conv-transpose", "::mlir::func::FuncOp"> {
  let summary = "transposed convolutions as convolutions";
  let description = [{
    Outputs whose coordinates agree modulo the stride read the same taps: a
    transposed convolution is one convolution with stride 1 whose output
    channels are [O, phase], then depth to space and a crop. Left alone where
    it has groups, or a dilation together with a stride.

    ```mlir
    %y = nest.conv_transpose %x, %filter {strides = [2, 2], ...}
           : (tensor<1x4x4xC>, tensor<2x2xCxO>) -> tensor<1x8x8xO>
    ```
    becomes
    ```mlir
    %0 = nest.conv %x, %phases : ... -> tensor<1x4x4x(4*O)>
    %1 = nest.reshape %0       : ... -> tensor<1x4x4xOx2x2>
    %2 = nest.transpose %1     : ... -> tensor<1x4x2x4x2xO>
    %y = nest.reshape %2       : ... -> tensor<1x8x8xO>
    ```
  }];
  let dependentDialects = ["::nestor::nest::NestDialect"];
}

def SliceBeforeReshapePass : Pass<"nest-slice-before-reshape", "::mlir::func::FuncOp"> {
  let summary = "every n-th channel, picked after a reshape, is a strided slice";
  let description = [{
    ShuffleNet takes its channels apart by a reshape to [C/2, 2] and two slices.

    ```mlir
    %1 = nest.reshape %0 : (tensor<1x4x4x8xf32>) -> tensor<4x4x4x2xf32>
    %2 = nest.slice %1 {starts = [0, 0, 0, 1], ...} : ... -> tensor<4x4x4x1xf32>
    ```
    becomes
    ```mlir
    %1 = nest.slice %0 {starts = [0, 0, 0, 1], steps = [1, 1, 1, 2]} : ... -> tensor<1x4x4x4xf32>
    %2 = nest.reshape %1 : (tensor<1x4x4x4xf32>) -> tensor<4x4x4x1xf32>
    ```
  }];
  let dependentDialects = ["::nestor::nest::NestDialect"];
}

def DenseToWindowPass : Pass<"nest-dense-to-window", "::mlir::func::FuncOp"> {
  let summary = "a product with a flattened tensor is a window over all of it";
  let description = [{
    The filter then has its channels in a dimension of their own, so that a
    capacity reads the first channels of every pixel.

    ```mlir
    %1 = nest.reshape %0 : (tensor<1x4x4x16xf32>) -> tensor<1x1x256xf32>
    %2 = nest.conv %1, %filter {kernel = 1, ...} : (..., tensor<1x256x10xf32>) -> tensor<1x1x10xf32>
    ```
    becomes
    ```mlir
    %1 = nest.reshape %0 : (tensor<1x4x4x16xf32>) -> tensor<1x16x16xf32>
    %2 = nest.conv %1, %filter {kernel = 16, ...} : (..., tensor<16x16x10xf32>) -> tensor<1x1x10xf32>
    ```
  }];
  let dependentDialects = ["::nestor::nest::NestDialect"];
}

def QuantizePass : Pass<"nest-quantize", "::mlir::ModuleOp"> {
  let summary = "compute on bytes where ranges of values are known";
  let description = [{
    Runs on a fused module whose filters are not packed yet. A convolution that
    has the range of its input (`nest.input_range`, scale and zero: a byte b
    stands for (b - zero) * scale) becomes one of bytes (compiler/ir/Quantized.h);
    with `nest.result_range` its result is bytes, too. Weights get one scale for
    each output, the same in all capacities, so that these share the words. Scale
    and bias take in all scales and zeros; an epilogue that does more than to add
    and to clamp is computed on floats. What moves bytes without changing them
    (reshapes, max pooling) is left to move bytes, and what reads floats gets them
    by a map. A convolution with ranges that cannot compute on bytes is an error:
    `learn::calibrate` gives ranges to those only that can.

    ```mlir
    %0 = nest.conv %x, %f bias %b {..., nest.input_range = array<f32: 0.5, 0.0>,
                                   nest.result_range = array<f32: 0.1, 3.0>}
           : (tensor<1x4x4x8xf32>, tensor<1x1x8x16xf32>, tensor<16xf32>) -> tensor<1x4x4x16xf32>
    %1 = nest.conv %0, %g {..., nest.input_range = array<f32: 0.1, 3.0>} : ...
    ```
    becomes, with `round(value / 0.5)` in the body of the map
    ```mlir
    %q = nest.map %x { to bytes } : tensor<1x4x4x8xf32> -> tensor<1x4x4x8xui8>
    %0 = nest.conv %q, %words scale %s bias %t {...} { to bytes }
           : (tensor<1x4x4x8xui8>, tensor<1x1x2x16xi32>, ...) -> tensor<1x4x4x16xui8>
    %1 = nest.conv %0, %words2 scale %s2 bias %t2 {...} : ... -> tensor<1x4x4x4xf32>
    ```
  }];
  let dependentDialects = ["::nestor::nest::NestDialect", "::mlir::arith::ArithDialect",
                           "::mlir::math::MathDialect"];
}

def ChooseWinogradPass : Pass<"nest-choose-winograd", "::mlir::ModuleOp"> {
  let summary = "compute 3x3 convolutions by Winograd's algorithm where that is faster";
  let description = [{
    For f32 convolutions of one group with a 3x3 filter, a stride of 1 or 2 and
    without dilations, a table of what was measured for each instruction set, or
    for a convolution what `nest.measured` says of it, decides between tiles of 2,
    4 or 6 outputs squared (with a stride of 2: 2 or 4) and the direct algorithm. The
    filter of a tile of m has (m + 2)^2 taps in place of 9. `growth` bounds by
    what fraction of the model's weights all of them may grow: what saves most
    time per byte comes first. All capacities of a layer share one choice.
    With `computed` filters that are no constants are transformed at run time, each
    time the function runs, where that pays all the same, and gradients of filters
    are computed in tiles, too.

    ```mlir
    %y = nest.conv %x, %filter {...} : (..., tensor<3x3x64x64xf32>) -> ...
    ```
    becomes
    ```mlir
    %y = nest.conv %x, %filter {..., nest.winograd = 4 : i64} : ...
    ```
    and `--nest-pack-filters` transforms the filter.
  }];
  let dependentDialects = ["::nestor::nest::NestDialect"];
  let options = [ListOption<"targets", "targets", "std::string",
                            "instruction sets that the time is that of">,
                 Option<"growth", "growth", "double", "-1",
                        "bytes that filters may take more, as a fraction of the weights; "
                        "negative: any">,
                 Option<"largest", "largest", "int64_t", "6", "tile that may be chosen">,
                 Option<"computed", "computed", "bool", "false",
                        "also for filters that are no constants, and gradients of filters">];
}

def ChooseStrassenPass : Pass<"nest-choose-strassen", "::mlir::ModuleOp"> {
  let summary = "compute pointwise convolutions by Strassen's algorithm where that is faster";
  let description = [{
    For pointwise convolutions of one group with a constant filter of f32, what was
    measured (`nest.measured`) or else a table for each instruction set decides
    between the direct algorithm and Strassen's (compiler/ir/Strassen.h), whose filter
    has 7/4 of the weights. All capacities of a layer share one choice. Filters of which
    capacities keep channels of several parts are left alone: they could not share the
    transformed filter. Comes before `--nest-choose-winograd`, which removes what was
    measured.

    ```mlir
    %y = nest.conv %x, %filter {...} : (tensor<1x128x384xf32>, tensor<1x384x1536xf32>) -> ...
    ```
    becomes
    ```mlir
    %y = nest.conv %x, %filter {..., nest.strassen} : ...
    ```
    and `--nest-pack-filters` transforms the filter.
  }];
  let dependentDialects = ["::nestor::nest::NestDialect"];
  let options = [ListOption<"targets", "targets", "std::string",
                            "instruction sets that the time is that of">];
}

def RoundFiltersPass : Pass<"nest-round-filters", "::mlir::ModuleOp"> {
  let summary = "store the filters of f32 convolutions in two bytes a weight";
  let description = [{
    Constants and globals that are nothing but filters are rounded to `element`,
    to nearest, ties to even; kernels widen them (compiler/ir/HalfFilter.h).
    Filters of groups stay f32. A weight that `element` has no room for is an
    error at the convolution.

    ```mlir
    %f = nest.const dense<0.1> : tensor<3x3x8x24xf32>
    %y = nest.conv %x, %f {...} : (tensor<1x9x9x8xf32>, tensor<3x3x8x24xf32>) -> tensor<1x9x9x24xf32>
    ```
    becomes
    ```mlir
    %f = nest.const dense<9.997560e-02> : tensor<3x3x8x24xf16>
    %y = nest.conv %x, %f {...} : (tensor<1x9x9x8xf32>, tensor<3x3x8x24xf16>) -> tensor<1x9x9x24xf32>
    ```
  }];
  let dependentDialects = ["::nestor::nest::NestDialect"];
  let options = [Option<"element", "element", "std::string", "\"f16\"", "f16 or bf16">];
}

def PackFiltersPass : Pass<"nest-pack-filters", "::mlir::func::FuncOp"> {
  let summary = "give f32 convolutions the filter layout that their kernels read";
  let description = [{
    ```mlir
    %y = nest.conv %x, %filter {...} : (..., tensor<3x3x8x24xf32>) -> ...
    ```
    becomes
    ```mlir
    %0 = nest.pack %filter {groups = 1} : (tensor<3x3x8x24xf32>) -> tensor<2x9x8x16xf32>
    %y = nest.conv %x, %0 {packed, ...} : (..., tensor<2x9x8x16xf32>) -> ...
    ```
    and `--nest-fold-constants` packs constant filters.
  }];
  let dependentDialects = ["::nestor::nest::NestDialect"];
}

def ReadPlanarInputsPass : Pass<"nest-read-planar-inputs", "::mlir::func::FuncOp"> {
  let summary = "let convolutions read images with channels first, as they are given";
  let description = [{
    A model's first convolution reads its few channels from planes instead of
    from a copy with channels last:

    ```mlir
    %0 = nest.transpose %image [0, 2, 3, 1] : tensor<1x3x224x224xf32> -> tensor<1x224x224x3xf32>
    %y = nest.conv %0, %filter {packed, ...} : (tensor<1x224x224x3xf32>, ...) -> ...
    ```
    becomes
    ```mlir
    %y = nest.conv %image, %filter {packed, planar, ...} : (tensor<1x3x224x224xf32>, ...) -> ...
    ```
    Comes last: what else looks at convolutions expects channels last.
  }];
  let dependentDialects = ["::nestor::nest::NestDialect"];
}

def SumRowsPass : Pass<"nest-sum-rows", "::mlir::func::FuncOp"> {
  let summary = "have depthwise convolutions sum what a global pooling averages";
  let description = [{
    A convolution has every element in a register when it stores it; adding it to
    the sum of its row there saves the pass over the tensor that a global pooling
    would be (compiler/ir/RowSums.h). Where a cut lies between the two, and of what
    the function returns, the pooling reads the tensor.

    ```mlir
    %0 = nest.conv %x, %f {groups = 32, packed, ...} : ... -> tensor<1x56x56x32xf32>
    %1 = nest.reduce %0 {kind = mean, axes = [1, 2], keepDims} : ... -> tensor<1x1x1x32xf32>
    ```
    becomes
    ```mlir
    %0 = nest.conv %x, %f {groups = 32, packed, nest.row_sums, ...} : ... -> tensor<1x56x56x32xf32>
    %1 = nest.reduce %0 {kind = mean, axes = [1, 2], keepDims} : ... -> tensor<1x1x1x32xf32>
    ```
    and the kernel of %1 reads 1x56x32 sums.
  }];
  let dependentDialects = ["::nestor::nest::NestDialect"];
}

def PackRecurrentPass : Pass<"nest-pack-recurrent", "::mlir::func::FuncOp"> {
  let summary = "give LSTM, GRU and RNN the weight layout that their kernels read";
  let description = [{
    Sixteen hidden units form a panel in which the gates of a unit lie in the
    same lane; hidden sizes are filled up to whole panels with zeros, and the
    two halves of the bias are added where the cell allows it.

    ```mlir
    nest.lstm %x, %w, %r, %b {...} : (..., tensor<1x80x9xf32>, tensor<1x80x20xf32>, tensor<1x160xf32>)
    ```
    becomes, with %w, %r and %b rearranged by reshapes, pads and transposes,
    ```mlir
    nest.lstm %x, %wp, %rp, %bp {packed, ...}
        : (..., tensor<1x2x9x4x16xf32>, tensor<1x2x20x4x16xf32>, tensor<1x2x4x16xf32>)
    ```
    A `nest.weight` becomes a `nest.pack_recurrent` of it, so that capacities go
    on sharing it.
  }];
  let dependentDialects = ["::nestor::nest::NestDialect"];
}

//===----------------------------------------------------------------------===//
// Nesting, in steps that tests look at (the compiler calls ChannelGroups.h)
//===----------------------------------------------------------------------===//

def FormGroupsPass : Pass<"nest-form-groups", "::mlir::func::FuncOp"> {
  let summary = "write down which channels shrink together";
  let description = [{
    The function gets `nest.groups`, a list of groups, and `nest.whole`, what
    does not shrink and why. An operation gets `nest.runs`, the indices of its
    result's dimensions that shrink: `3: 0:0+16 1:0+8` says that dimension 3
    holds channels 0 to 15 of group 0, then 0 to 7 of group 1; `-` are indices
    that are always kept.
  }];
  let dependentDialects = ["::nestor::nest::NestDialect"];
}

def OrderChannelsPass : Pass<"nest-order-channels", "::mlir::func::FuncOp"> {
  let summary = "permute the channels of each group";
  let description = [{
    `orders=2.0.1,1.0`: the first group's channels become its old ones 2, 0, 1,
    the second's 1, 0. Further groups keep their order.
  }];
  let dependentDialects = ["::nestor::nest::NestDialect"];
  let options = [ListOption<"orders", "orders", "std::string", "one order a group">];
}

def NestCapacitiesPass : Pass<"nest-capacities", "::mlir::ModuleOp"> {
  let summary = "one function for each capacity, over shared weights";
  let description = [{
    `widths=2.4,4.6`: a capacity that keeps 2 channels of the first group and 4
    of the second, one that keeps 4 and 6, and the full model. `skips=2.1`: the
    first capacity leaves out the branches of the last two residual blocks, the
    second that of the last one. `inputs=16.16,24.24`: the extents that they scale
    the input to (`nest-scale-input`).
  }];
  let dependentDialects = ["::nestor::nest::NestDialect"];
  let options = [ListOption<"widths", "widths", "std::string", "one list a capacity">,
                 Option<"skips", "skips", "std::string", "\"\"",
                        "how many residual blocks each capacity leaves out">,
                 ListOption<"inputs", "inputs", "std::string",
                            "what each capacity scales the input to">];
}

def ScaleInputPass : Pass<"nest-scale-input", "::mlir::func::FuncOp"> {
  let summary = "let a network compute on a smaller copy of its input";
  let description = [{
    `extents=32,24`: the extents that windows slide over, after the input was
    interpolated. Its own type and those of the results stay.

    ```mlir
    func.func @main(%x: tensor<1x64x48x3xf32>) -> tensor<1x1x1x8xf32> {
      %y = nest.conv %x, %w {...} : (tensor<1x64x48x3xf32>, ...) -> tensor<1x64x48x8xf32>
      %z = nest.pool %y {kernel = array<i64: 64, 48>, ...} : (...) -> tensor<1x1x1x8xf32>
    ```
    becomes
    ```mlir
      %s = nest.resize %x {mode = linear, ...} : (...) -> tensor<1x32x24x3xf32>
      %y = nest.conv %s, %w {...} : (tensor<1x32x24x3xf32>, ...) -> tensor<1x32x24x8xf32>
      %z = nest.pool %y {kernel = array<i64: 32, 24>, ...} : (...) -> tensor<1x1x1x8xf32>
    ```
    Fails, with the node, where something needs the extents that it had.
  }];
  let dependentDialects = ["::nestor::nest::NestDialect"];
  let options = [ListOption<"extents", "extents", "int64_t", "one for each spatial dimension">];
}

#endif // NESTOR_PASSES_TD
