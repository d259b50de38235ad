//===- Conv.cpp - Convolutions as kernel calls ----------------------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "compiler/ir/Convolutions.h"
#include "compiler/ir/HalfFilter.h"
#include "compiler/ir/Quantized.h"
#include "compiler/ir/RowSums.h"
#include "compiler/kernels/ConvSpec.h"
#include "compiler/kernels/Families.h"
#include "compiler/kernels/FilterBlocks.h"
#include "compiler/kernels/PackSpec.h"
#include "compiler/kernels/PlainConv.h"
#include "compiler/kernels/Rows.h"
#include "compiler/kernels/Strassen.h"
#include "compiler/kernels/TileTable.h"
#include "compiler/kernels/TransformedConv.h"
#include "compiler/kernels/Winograd.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace nestor;
using namespace nestor::kernels;

static constexpr int64_t maxExtent = int64_t(1) << 31;

static RankedTensorType tensorType(Value value) { return cast<RankedTensorType>(value.getType()); }

FailureOr<EpilogueSpec> nestor::kernels::describeEpilogue(Operation *op, RankedTensorType result, ValueRange extras,
                                                         Region &region) {
  EpilogueSpec spec;
  for (Value extra : extras) {
    std::optional<ExtraKind> kind = classifyExtra(result, tensorType(extra));
    if (!kind)
      return op->emitError("no kernel fuses an operand ") << extra.getType() << " into a result " << result;
    spec.extras.push_back(*kind);
  }
  if (!region.empty())
    spec.region = &region;
  return spec;
}

/// `bytes`, of elements of `from` bytes each, for as many of `to`.
static Polynomial scaled(Polynomial bytes, int64_t from, int64_t to) {
  for (Term &term : bytes)
    term.coefficient = term.coefficient / from * to;
  return bytes;
}

void nestor::kernels::addEpilogueArgs(KernelCall &call, const EpilogueSpec &epilogue, const Polynomial &channelBytes,
                                      const Polynomial &resultBytes, int64_t elementBytes, unsigned firstOperand,
                                      int64_t firstChannel) {
  auto sizeOf = [&](Type type) { return type ? storageBytes(type) : elementBytes; };
  auto add = [&](CallArg::Kind kind, unsigned index, const Polynomial &bytes, Type type, int64_t channel) {
    int64_t size = sizeOf(type);
    call.spec.args.push_back({scaled(bytes, elementBytes, size), kind == CallArg::Result, uint32_t(size)});
    call.args.push_back({kind, index, channel * size});
  };
  unsigned operand = firstOperand;
  for (bool present : {epilogue.scale, epilogue.bias})
    if (present)
      add(CallArg::Operand, operand++, channelBytes, {}, firstChannel);
  for (auto [i, kind] : llvm::enumerate(epilogue.extras)) {
    Type type = epilogue.extraTypes.empty() ? Type() : epilogue.extraTypes[i];
    if (kind == ExtraKind::Scalar)
      add(CallArg::Operand, operand++, {{elementBytes, {}}}, type, 0);
    else
      add(CallArg::Operand, operand++, kind == ExtraKind::Channel ? channelBytes : resultBytes, type, firstChannel);
  }
  add(CallArg::Result, 0, resultBytes, epilogue.resultType, firstChannel);
}

std::string nestor::kernels::epilogueSuffix(const EpilogueSpec &epilogue) {
  std::string text = epilogue.scale ? " *scale" : "";
  text += epilogue.bias ? " +bias" : "";
  if (!epilogue.region)
    return text;
  for (Operation &op : epilogue.region->front().without_terminator())
    if (op.getNumOperands() > 0)
      text += " " + op.getName().stripDialect().str();
  return text;
}

/// Calls that pack the filter at run time, for models whose filter is not a
/// constant. Appends them and returns the argument that holds the result.
static CallArg packAtRunTime(nest::ConvOp op, bool depthwise, SmallVectorImpl<KernelCall> &calls) {
  RankedTensorType filter = tensorType(op.getFilter());
  int64_t groups = depthwise ? 1 : op.getGroups(), inputs = filter.getShape()[filter.getRank() - 2];
  int64_t outputs = filter.getShape().back() / groups, panels = llvm::divideCeil(outputs, panelWidth);
  int64_t taps = filter.getNumElements() / (inputs * outputs * groups);
  KernelCall call;
  call.spec = packKernel(/*transposed=*/false);
  CallArg packed{CallArg::Scratch, 0, 0, groups * panels * taps * inputs * panelWidth * 4};
  call.args = {{CallArg::Operand, 1}, packed};
  call.params = {taps, inputs, outputs, groups, panels};
  calls.push_back(std::move(call));
  return packed;
}

/// Input channels as the kernel counts them: words of four where they are bytes.
static int64_t inputChannels(nest::ConvOp op) {
  int64_t inputs = op.getInputShape().back();
  return nest::isOfBytes(op) && op.getGroups() == 1 ? inputs / nest::kInputsPerWord : inputs;
}

/// Channels of the full model: what a kernel that all capacities share is
/// made for.
static std::pair<int64_t, int64_t> fullChannels(nest::ConvOp op, const std::optional<SharedFilter> &shared) {
  int64_t inputs = inputChannels(op), outputs = op.getType().getShape().back();
  if (!shared)
    return {inputs, outputs};
  int64_t groupOutputs = outputs / op.getGroups();
  ArrayRef<int64_t> filter = nest::GlobalOp(shared->global).getValue().getShapedType().getShape();
  int64_t groups = op.getGroups() == 1 ? 1 : filter.back() / groupOutputs;
  return {filter[filter.size() - 2] * groups, filter.back()};
}

/// Whether the last of the panels of `outputs` channels is at most half full.
static bool endsInHalfPanel(int64_t outputs) {
  int64_t last = outputs % panelWidth;
  return last > 0 && last <= panelWidth / 2;
}

/// Whether code for half a panel is worth having for some capacity.
static bool hasHalfPanel(nest::ConvOp op, const ConvSpec &spec, const std::optional<SharedFilter> &shared,
                         int64_t fullOutputs) {
  if (spec.depthwise || spec.isTransformed() || spec.epilogue.ofBytes)
    return false;
  bool found = endsInHalfPanel(op.getGroups() == 1 ? fullOutputs : op.getType().getShape().back() / op.getGroups());
  for (unsigned shell = 0; shell < spec.nesting.shells; ++shell)
    for (unsigned part = 0; part < shared->blocks.outputParts(); ++part)
      found |= endsInHalfPanel(shared->blocks.keptOutputs(part, shell));
  return found;
}

static ConvSpec specFor(nest::ConvOp op, EpilogueSpec epilogue, const std::optional<SharedFilter> &shared,
                        bool pitched) {
  ConvSpec spec;
  spec.geometry = ConvGeometry::get(op);
  spec.epilogue = std::move(epilogue);
  int64_t inputs = inputChannels(op), outputs = op.getType().getShape().back(), groups = op.getGroups();
  auto [fullInputs, fullOutputs] = fullChannels(op, shared);
  spec.filter = tensorType(op.getFilter()).getElementType();
  spec.depthwise = nest::isDepthwise(op);
  spec.grouped = groups > 1 && !spec.depthwise;
  spec.rowSums = nest::leavesRowSums(op);
  spec.narrow = (groups == 1 ? fullOutputs : outputs / groups) <= panelWidth;
  spec.aliased = fullInputs * spec.geometry.stride[2] * 4 % 4096 == 0;
  spec.planes = op.getPlanar() ? inputs : 0;
  // With few pixels the weights are most of the traffic: they are cut up, so
  // that threads do not all read them.
  if (!spec.depthwise && spec.geometry.outPixels() <= 64)
    spec.grain = ConvGrain::Panels;
  else if (!spec.depthwise && !spec.planes && spec.geometry.isPointwise())
    spec.grain = ConvGrain::Pixels;
  if (shared && shared->blocks.shells() > 1)
    spec.nesting = {shared->blocks.shells(), unsigned(llvm::PowerOf2Ceil(shared->blocks.inputParts())),
                    shared->blocks.wholeInputs(), shared->blocks.outputParts() > 1 || pitched};
  else
    spec.pitched = pitched;
  if (nest::WinogradTile tile = nest::winogradTile(op); tile && op.getPacked())
    planWinograd(spec, tile.m, fullInputs, fullOutputs);
  if (nest::filterForm(op).strassen && op.getPacked())
    planStrassen(spec, fullInputs, fullOutputs);
  spec.halfPanel = hasHalfPanel(op, spec, shared, fullOutputs);
  spec.tiles = tilesOf(op);
  return spec;
}

static void describeRanges(KernelCall &call, const ConvSpec &spec, const Polynomial &panels) {
  const ConvGeometry &g = spec.geometry;
  call.spec.params.assign(call.params.size(), {1, maxExtent});
  if (spec.grain == ConvGrain::Panels)
    call.spec.grains = panels;
  else
    call.spec.grains = {{spec.grain == ConvGrain::Pixels ? g.out[2] : g.batch * g.outRows(), {}}};
}

static void describeExtents(KernelCall &call, const ConvSpec &spec) {
  const ConvGeometry &g = spec.geometry;
  Polynomial channels, input, filter, result;
  int64_t weightBytes = spec.weightBytes();
  if (spec.depthwise) {
    // Parameters: channels, panels.
    int64_t inputBytes = spec.epilogue.ofBytes ? 1 : 4;
    channels = {{4, {0}}}, input = {{inputBytes * g.inPixels(), {0}}}, result = {{4 * g.outPixels(), {0}}};
    filter = {{weightBytes, {1}}};
  } else if (spec.grouped) {
    channels = {{4, {1, 3}}}, input = {{4 * g.inPixels(), {0, 3}}}, result = {{4 * g.outPixels(), {1, 3}}};
    filter = {{weightBytes, {0, 2, 3}}};
  } else {
    channels = {{4, {1}}}, input = {{4 * g.inPixels(), {0}}}, result = {{4 * g.outPixels(), {1}}};
    filter = {{weightBytes, {0, 2}}};
  }
  if (spec.strassen)
    input = {{4 * g.inPixels(), {spec.channelsParam()}}};
  if (spec.pitched)
    result = pitchedBytes({4 * g.outPixels(), {}}, spec.pitchParam(), channels.front());
  uint32_t inputAlign = spec.epilogue.ofBytes && spec.depthwise ? 1 : 4;
  call.spec.args = {{input, /*written=*/false, inputAlign}, {filter, /*written=*/false, 64}};
  if (spec.grain == ConvGrain::Panels && !spec.grouped)
    call.spec.args[1].runs = {{{{1, {2}}}, {{weightBytes, {0}}}}};
  unsigned firstEpilogueOperand = 2;
  addEpilogueArgs(call, spec.epilogue, channels, result, /*elementBytes=*/4, firstEpilogueOperand);
  if (spec.rowSums)
    call.spec.args.back().bytes.push_back({4 * g.batch * g.outRows(), {0}});
  describeRanges(call, spec, {{1, {2}}});
}

/// The block of `shell` begins with what smaller panels read of it: the inputs
/// that the shell adds. Its own panels read all inputs up to it.
static SmallVector<GrainRun, 0> blockRuns(const ConvSpec &spec, unsigned shell) {
  const Nesting &nesting = spec.nesting;
  GrainRun smaller, own;
  own.grains = {{1, {nesting.panels(shell)}}};
  for (unsigned i = 0; i < shell; ++i)
    smaller.grains.push_back({1, {nesting.panels(i)}});
  for (unsigned i = 0; i <= shell && i < nesting.inputShells(); ++i)
    for (unsigned part = 0; part < nesting.parts; ++part) {
      Term inputs{spec.weightBytes(), {nesting.inputs(part, i)}};
      own.bytes.push_back(inputs);
      if (i == shell)
        smaller.bytes.push_back(inputs);
    }
  return {smaller, own};
}

/// The same for a filter in shells; `Nesting` names the parameters.
static void describeNestedExtents(KernelCall &call, const ConvSpec &spec, int64_t firstChannel) {
  const ConvGeometry &g = spec.geometry;
  const Nesting &nesting = spec.nesting;
  Polynomial input, panels, channels = {{4, {0}}}, result = {{4 * g.outPixels(), {0}}};
  if (nesting.slice)
    result = {{4 * (g.outPixels() - 1), {1}}, {4, {0}}};
  for (unsigned shell = 0; shell < nesting.shells; ++shell) {
    panels.push_back({1, {nesting.panels(shell)}});
    for (unsigned part = 0; part < nesting.parts && shell < nesting.inputShells(); ++part)
      input.push_back({4 * g.inPixels(), {nesting.inputs(part, shell)}});
  }
  if (spec.strassen)
    input = {{4 * g.inPixels(), {spec.channelsParam()}}};
  call.spec.args = {{input, /*written=*/false, 4}};
  for (unsigned shell = 0; shell < nesting.shells; ++shell) {
    Polynomial block;
    auto add = [&](unsigned panelShell, unsigned inputShell) {
      for (unsigned part = 0; part < nesting.parts && inputShell < nesting.inputShells(); ++part)
        block.push_back(
            {spec.weightBytes(), {nesting.panels(panelShell), nesting.inputs(part, inputShell)}});
    };
    for (unsigned smaller = 0; smaller < shell; ++smaller)
      add(smaller, shell), add(shell, smaller);
    add(shell, shell);
    call.spec.args.push_back({block, /*written=*/false, 64});
    if (spec.grain == ConvGrain::Panels && !spec.grouped)
      call.spec.args.back().runs = blockRuns(spec, shell);
  }
  unsigned firstEpilogueOperand = 2;
  addEpilogueArgs(call, spec.epilogue, channels, result, /*elementBytes=*/4, firstEpilogueOperand, firstChannel);
  describeRanges(call, spec, panels);
  // A shell need not add anything, and those beyond the capacity do not.
  for (ParamSpec &param : MutableArrayRef(call.spec.params).drop_front(nesting.panels(0)))
    param.min = 0;
}

static void nameKernel(KernelCall &call, const ConvSpec &spec) {
  std::string kind = spec.epilogue.ofBytes ? "quant_" : "";
  kind += spec.depthwise ? "depthwise" : spec.winograd ? "winograd" : spec.strassen ? "strassen" : "conv";
  call.spec.name = kernelName(kind, spec.identity());
  if (spec.winograd)
    kind += " F(" + std::to_string(spec.winograd) + ")";
  call.spec.signature = kind + " " + spec.geometry.describe() + epilogueSuffix(spec.epilogue);
  if (spec.planes)
    call.spec.signature += " of planes";
  if (spec.pitched)
    call.spec.signature += " in rows apart";
  if (spec.rowSums)
    call.spec.signature += " with row sums";
  if (spec.nesting.shells)
    call.spec.signature += " in " + std::to_string(spec.nesting.shells) + " shells";
  if (nest::isHalf(spec.filter))
    call.spec.signature += spec.filter.isF16() ? " from f16" : " from bf16";
  call.spec.signature += tileSuffix(spec.tiles);
  if (spec.grain == ConvGrain::Panels && !spec.grouped)
    call.spec.tile = [spec](const TargetInfo &target) {
      return spec.isTransformed() ? panelsOfGroup(spec) : panelsTogether(target, spec);
    };
  call.spec.emit = [spec](func::FuncOp func, const TargetInfo &target) {
    return spec.depthwise  ? emitDepthwiseConv(func, target, spec)
           : spec.winograd ? emitWinogradConv(func, target, spec)
           : spec.strassen ? emitStrassenConv(func, target, spec)
                           : emitDirectConv(func, target, spec);
  };
}

/// Gives calls of more than one step what lies between the steps.
static void finishCalls(const ConvSpec &spec, int64_t inputs, Calls &calls) {
  if (spec.winograd)
    finishWinogradCalls(spec, inputs, calls);
  if (spec.strassen)
    finishStrassenCalls(spec, inputs, calls);
}

/// One call for each part of the outputs that the capacity keeps something of.
static Calls describeNestedConv(nest::ConvOp op, const ConvSpec &spec, const SharedFilter &shared,
                                int64_t resultPitch) {
  const FilterBlocks &blocks = shared.blocks;
  const Nesting &nesting = spec.nesting;
  int64_t inputs = op.getInputShape().back(), firstChannel = 0;
  Calls calls;
  for (unsigned part = 0; part < blocks.outputParts(); ++part) {
    int64_t outputs = blocks.keptOutputs(part, shared.capacity);
    if (outputs == 0)
      continue;
    KernelCall &call = calls.emplace_back();
    call.params.assign(nesting.paramCount(), 0);
    call.params[0] = outputs;
    if (nesting.slice)
      call.params[1] = resultPitch;
    call.args = {{CallArg::Operand, 0}};
    // Of shells beyond the capacity nothing is read: any pointer will do.
    for (unsigned shell = 0; shell < nesting.shells; ++shell)
      call.args.push_back({CallArg::Block, 1, 0, 0, blocks.block(part, std::min(shell, shared.capacity))});
    for (unsigned shell = 0; shell <= shared.capacity; ++shell) {
      call.params[nesting.panels(shell)] = blocks.addedPanels(part, shell);
      for (unsigned input = 0; input < blocks.inputParts() && shell < nesting.inputShells(); ++input)
        call.params[nesting.inputs(input, shell)] = blocks.addedInputs(input, shell);
    }
    if (spec.strassen)
      call.params.push_back(inputs);
    describeNestedExtents(call, spec, firstChannel);
    nameKernel(call, spec);
    call.macs = uint64_t(spec.geometry.outPixels()) * spec.geometry.taps() * outputs * inputs;
    firstChannel += outputs;
  }
  finishCalls(spec, inputs, calls);
  return calls;
}

/// A convolution whose filter is, or will be, in panels.
static Calls describePanelConv(nest::ConvOp op, const EpilogueSpec &epilogue, int64_t resultPitch) {
  std::optional<SharedFilter> shared = SharedFilter::get(op.getFilter());
  ConvSpec spec = specFor(op, epilogue, shared, resultPitch != 0);
  if (spec.nesting.shells)
    return describeNestedConv(op, spec, *shared, resultPitch ? resultPitch : op.getType().getShape().back());
  int64_t groups = spec.depthwise ? 1 : op.getGroups();
  int64_t outputs = op.getType().getShape().back() / groups;
  int64_t inputs = inputChannels(op) / groups, panels = llvm::divideCeil(outputs, panelWidth);
  Calls calls;
  CallArg filter = op.getPacked() ? CallArg{CallArg::Operand, 1} : packAtRunTime(op, spec.depthwise, calls);
  KernelCall call;
  call.args = {{CallArg::Operand, 0}, filter};
  if (spec.depthwise)
    call.params = {outputs, panels};
  else if (spec.grouped)
    call.params = {inputs, outputs, panels, groups};
  else
    call.params = {inputs, outputs, panels};
  if (spec.strassen)
    call.params = {nest::Strassen::packedChannels(inputs), outputs,
                   nest::Strassen::packedChannels(outputs) / panelWidth};
  if (spec.pitched)
    call.params.push_back(resultPitch);
  if (spec.strassen)
    call.params.push_back(inputs);
  describeExtents(call, spec);
  nameKernel(call, spec);
  call.macs = uint64_t(spec.geometry.outPixels()) * spec.geometry.taps() * outputs * groups *
              (spec.depthwise ? 1 : op.getInputShape().back() / groups);
  calls.push_back(std::move(call));
  finishCalls(spec, inputs, calls);
  return calls;
}

/// The epilogue of a convolution of bytes.
static FailureOr<EpilogueSpec> describeByteEpilogue(nest::ConvOp op) {
  Type f32 = Float32Type::get(op.getContext());
  EpilogueSpec spec;
  spec.ofBytes = true;
  spec.region = op.getEpilogue().empty() ? nullptr : &op.getEpilogue();
  spec.resultType = op.getType().getElementType();
  for (Value extra : op.getExtras()) {
    Type type = tensorType(extra).getElementType();
    std::optional<ExtraKind> kind = classifyExtra(op.getType().clone(f32), tensorType(extra).clone(f32));
    if (!kind || !(type.isF32() || (type.isUnsignedInteger(8) && *kind == ExtraKind::Full)))
      return op.emitError("no kernel fuses an operand ") << extra.getType() << " into a result " << op.getType();
    spec.extras.push_back(*kind);
    spec.extraTypes.push_back(type);
  }
  return spec;
}

SmallVector<TileShape> nestor::kernels::convTiles(nest::ConvOp op, const TargetInfo &target) {
  if (!nest::computesInF32(op))
    return {};
  FailureOr<EpilogueSpec> epilogue = describeEpilogue(op, op.getType(), op.getExtras(), op.getEpilogue());
  if (failed(epilogue))
    return {};
  ConvSpec spec = specFor(op, *epilogue, SharedFilter::get(op.getFilter()), /*pitched=*/false);
  return spec.depthwise         ? depthwiseTiles(target, spec)
         : spec.isTransformed() ? transformedConvTiles(target, spec)
                                : directTiles(target, spec);
}

FailureOr<Calls> nestor::kernels::describeConv(nest::ConvOp op) { return describeConv(op, /*resultPitch=*/0); }

FailureOr<Calls> nestor::kernels::describeConv(nest::ConvOp op, int64_t resultPitch) {
  if (failed(checkTiles(op)))
    return failure();
  bool ofBytes = nest::isOfBytes(op);
  FailureOr<EpilogueSpec> epilogue =
      ofBytes ? describeByteEpilogue(op) : describeEpilogue(op, op.getType(), op.getExtras(), op.getEpilogue());
  if (failed(epilogue))
    return failure();
  epilogue->scale = bool(op.getScale());
  epilogue->bias = bool(op.getBias());
  bool ofHalves = nest::computesInF32(op) && nest::isHalf(tensorType(op.getFilter()).getElementType());
  if ((ofBytes || ofHalves) && !op.getPacked())
    return op.emitError("no kernel reads a filter of bytes or halves that is not packed");
  if (!ofBytes && !nest::computesInF32(op))
    return describePlainConv(op, *epilogue);
  return describePanelConv(op, *epilogue, resultPitch);
}
