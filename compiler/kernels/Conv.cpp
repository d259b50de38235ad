//===- Conv.cpp - Convolutions as kernel calls ----------------------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "compiler/kernels/ConvSpec.h"
#include "compiler/kernels/Families.h"
#include "compiler/kernels/PackSpec.h"
#include "compiler/kernels/PlainConv.h"
#include "compiler/kernels/TileTable.h"

#include "llvm/ADT/StringExtras.h"

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

void nestor::kernels::addEpilogueArgs(KernelCall &call, const EpilogueSpec &epilogue, const Polynomial &channelBytes,
                                      const Polynomial &resultBytes, int64_t elementBytes, unsigned firstOperand) {
  uint32_t align = elementBytes;
  unsigned operand = firstOperand;
  auto add = [&](Polynomial bytes) {
    call.spec.args.push_back({std::move(bytes), /*written=*/false, align});
    call.args.push_back({CallArg::Operand, operand++});
  };
  for (bool present : {epilogue.scale, epilogue.bias})
    if (present)
      add(channelBytes);
  for (ExtraKind kind : epilogue.extras)
    add(kind == ExtraKind::Scalar ? Polynomial{{elementBytes, {}}}
                                  : kind == ExtraKind::Channel ? channelBytes : resultBytes);
  call.spec.args.push_back({resultBytes, /*written=*/true, align});
  call.args.push_back({CallArg::Result, 0});
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

static ConvSpec specFor(nest::ConvOp op, EpilogueSpec epilogue) {
  ConvSpec spec;
  spec.geometry = ConvGeometry::get(op);
  spec.epilogue = std::move(epilogue);
  int64_t inputs = tensorType(op.getInput()).getShape().back(), outputs = op.getType().getShape().back();
  int64_t groups = op.getGroups();
  spec.depthwise = groups > 1 && groups == inputs && groups == outputs;
  spec.grouped = groups > 1 && !spec.depthwise;
  spec.narrow = outputs / groups <= panelWidth;
  spec.aliased = inputs * spec.geometry.stride[2] * 4 % 4096 == 0;
  // With few pixels the weights are most of the traffic: they are cut up, so
  // that threads do not all read them.
  if (!spec.depthwise && spec.geometry.outPixels() <= 64)
    spec.grain = ConvGrain::Panels;
  else if (!spec.depthwise && spec.geometry.isPointwise())
    spec.grain = ConvGrain::Pixels;
  return spec;
}

static void describeExtents(KernelCall &call, const ConvSpec &spec) {
  const ConvGeometry &g = spec.geometry;
  KernelSpec &kernel = call.spec;
  Polynomial channels, input, filter, result;
  int64_t filterFloats = 4 * g.taps() * panelWidth;
  if (spec.depthwise) {
    // Parameters: channels, panels.
    channels = {{4, {0}}}, input = {{4 * g.inPixels(), {0}}}, result = {{4 * g.outPixels(), {0}}};
    filter = {{filterFloats, {1}}};
  } else if (spec.grouped) {
    channels = {{4, {1, 3}}}, input = {{4 * g.inPixels(), {0, 3}}}, result = {{4 * g.outPixels(), {1, 3}}};
    filter = {{filterFloats, {0, 2, 3}}};
  } else {
    channels = {{4, {1}}}, input = {{4 * g.inPixels(), {0}}}, result = {{4 * g.outPixels(), {1}}};
    filter = {{filterFloats, {0, 2}}};
  }
  kernel.args = {{input, /*written=*/false, 4}, {filter, /*written=*/false, 64}};
  unsigned firstEpilogueOperand = 2;
  addEpilogueArgs(call, spec.epilogue, channels, result, /*elementBytes=*/4, firstEpilogueOperand);
  kernel.params.assign(call.params.size(), {1, maxExtent});
  if (spec.grain == ConvGrain::Panels)
    kernel.grains = {{1, {2}}};
  else
    kernel.grains = {{spec.grain == ConvGrain::Pixels ? g.out[2] : g.batch * g.outRows(), {}}};
}

FailureOr<Calls> nestor::kernels::describeConv(nest::ConvOp op) {
  FailureOr<EpilogueSpec> epilogue = describeEpilogue(op, op.getType(), op.getExtras(), op.getEpilogue());
  if (failed(epilogue))
    return failure();
  epilogue->scale = bool(op.getScale());
  epilogue->bias = bool(op.getBias());
  if (!op.getType().getElementType().isF32() || !tensorType(op.getInput()).getElementType().isF32())
    return describePlainConv(op, *epilogue);

  ConvSpec spec = specFor(op, *epilogue);
  int64_t groups = spec.depthwise ? 1 : op.getGroups();
  int64_t outputs = op.getType().getShape().back() / groups;
  int64_t inputs = tensorType(op.getInput()).getShape().back() / groups, panels = llvm::divideCeil(outputs, panelWidth);
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
  describeExtents(call, spec);
  std::string kind = spec.depthwise ? "depthwise" : "conv";
  call.spec.name = kernelName(kind, spec.identity());
  call.spec.signature = kind + " " + spec.geometry.describe() + epilogueSuffix(spec.epilogue);
  call.macs = uint64_t(spec.geometry.outPixels()) * spec.geometry.taps() * outputs * groups *
              (spec.depthwise ? 1 : inputs);
  call.spec.emit = [spec](func::FuncOp func, const TargetInfo &target) {
    return spec.depthwise ? emitDepthwiseConv(func, target, spec) : emitDirectConv(func, target, spec);
  };
  calls.push_back(std::move(call));
  return calls;
}
