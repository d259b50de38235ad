//===- Epilogue.cpp - What happens to accumulators before they land -------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "compiler/kernels/Epilogue.h"
#include "compiler/kernels/TileTable.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "llvm/Support/raw_ostream.h"

using namespace mlir;
using namespace nestor::kernels;

std::optional<ExtraKind> nestor::kernels::classifyExtra(RankedTensorType result, RankedTensorType extra) {
  if (extra.getElementType() != result.getElementType())
    return std::nullopt;
  if (extra.getNumElements() == 1)
    return ExtraKind::Scalar;
  if (extra.getShape() == result.getShape())
    return ExtraKind::Full;
  bool perChannel = extra.getShape().back() == result.getShape().back() &&
                    extra.getNumElements() == result.getShape().back();
  if (perChannel)
    return ExtraKind::Channel;
  // Fewer dimensions than the result: the leading ones are 1.
  if (extra.getNumElements() == result.getNumElements())
    return ExtraKind::Full;
  return std::nullopt;
}

std::string EpilogueSpec::identity() const {
  std::string text = scale ? "scale," : "";
  text += bias ? "bias," : "";
  for (ExtraKind kind : extras)
    text += char('0' + int(kind));
  llvm::raw_string_ostream os(text);
  for (Type type : extraTypes)
    os << ',' << type;
  if (resultType)
    os << "->" << resultType;
  return text + (ofBytes ? "bytes" : "") + (region ? fingerprint(*region) : "");
}

SmallVector<Type> EpilogueSpec::fullTypes(Type sums) const {
  SmallVector<Type> types;
  for (auto [i, kind] : llvm::enumerate(extras))
    if (kind == ExtraKind::Full)
      types.push_back(extraTypes.empty() ? sums : extraTypes[i]);
  return types;
}

bool EpilogueSpec::isHeavy() const {
  if (!region)
    return false;
  // An elementary function is some twenty instructions.
  unsigned cost = 0;
  for (Operation &op : region->front())
    cost += isa<math::MathDialect>(op.getDialect()) && !isa<math::AbsFOp, math::FloorOp, math::CeilOp, math::RoundEvenOp>(op) ? 20 : 1;
  return cost > 12;
}

Value nestor::kernels::applyEpilogue(KernelBuilder &b, const EpilogueSpec &spec, Value sum, int64_t lanes,
                                     bool biasInSum, EpilogueOperands operands) {
  unsigned nextChannel = 0, nextScalar = 0, nextFull = 0;
  bool isFloat = isa<FloatType>(getElementTypeOrSelf(sum.getType()));
  auto multiply = [&](Value x, Value y) {
    return isFloat ? b.createOrFold<arith::MulFOp>(x, y) : b.createOrFold<arith::MulIOp>(x, y);
  };
  auto plus = [&](Value x, Value y) {
    return isFloat ? b.createOrFold<arith::AddFOp>(x, y) : b.createOrFold<arith::AddIOp>(x, y);
  };
  if (spec.ofBytes) {
    if (!isFloat)
      sum = arith::SIToFPOp::create(b, withLanes(b.getF32Type(), lanes), sum);
    sum = b.fma(sum, operands.channel(0), operands.channel(1));
    nextChannel = 2;
  } else {
    if (spec.scale)
      sum = multiply(sum, operands.channel(nextChannel++));
    if (spec.bias && biasInSum)
      ++nextChannel;
    else if (spec.bias)
      sum = plus(sum, operands.channel(nextChannel++));
  }
  if (!spec.region)
    return sum;
  SmallVector<Value> arguments{sum};
  for (ExtraKind kind : spec.extras) {
    switch (kind) {
    case ExtraKind::Channel:
      arguments.push_back(operands.channel(nextChannel++));
      break;
    case ExtraKind::Scalar:
      arguments.push_back(b.broadcast(operands.scalars[nextScalar++], lanes));
      break;
    case ExtraKind::Full:
      arguments.push_back(operands.full(nextFull++));
      break;
    }
  }
  return b.inlineScalarRegion(*spec.region, arguments, lanes);
}

//===----------------------------------------------------------------------===//
// Element by element
//===----------------------------------------------------------------------===//

DirectEpilogue::DirectEpilogue(KernelBuilder &builder, const EpilogueSpec &spec, Type element, unsigned firstArg)
    : b(builder), spec(spec), element(element), fullTypes(spec.fullTypes(element)) {
  for (bool present : {spec.scale, spec.bias})
    if (present)
      perChannel.push_back(b.arg(firstArg++));
  for (ExtraKind kind : spec.extras) {
    Value pointer = b.arg(firstArg++);
    if (kind == ExtraKind::Channel)
      perChannel.push_back(pointer);
    else if (kind == ExtraKind::Full)
      full.push_back(pointer);
    else
      scalars.push_back(b.load(element, pointer, b.i64(0)));
  }
  result = b.arg(firstArg);
}

SmallVector<Value> DirectEpilogue::channelVectors(Value channel, Lanes lanes) {
  return llvm::map_to_vector(perChannel, [&](Value pointer) { return b.load(element, pointer, channel, lanes); });
}

Value DirectEpilogue::finish(Value sum, Value channel, Value index, Lanes lanes) {
  return finish(sum, channelVectors(channel, lanes), index, lanes);
}

Value DirectEpilogue::finish(Value sum, ArrayRef<Value> ofChannels, Value index, Lanes lanes) {
  auto channelOperand = [&](unsigned i) { return ofChannels[i]; };
  auto fullOperand = [&](unsigned i) { return b.load(fullTypes[i], full[i], index, lanes); };
  sum = applyEpilogue(b, spec, sum, lanes.count, /*biasInSum=*/false, {channelOperand, fullOperand, scalars});
  b.store(sum, result, index, lanes);
  return sum;
}

//===----------------------------------------------------------------------===//
// Tiles of panels
//===----------------------------------------------------------------------===//

PanelEpilogue::PanelEpilogue(KernelBuilder &builder, const EpilogueSpec &spec, unsigned firstArg,
                             Value channels, int64_t maxRows, int64_t maxPanels)
    : b(builder), spec(spec), channels(channels), fullTypes(spec.fullTypes(b.getF32Type())),
      sumType(spec.ofBytes ? Type(b.getI32Type()) : b.getF32Type()),
      resultType(spec.resultType ? spec.resultType : b.getF32Type()), lanesPerVector(b.target.vectorLanes),
      vectorsPerPanel(panelWidth / lanesPerVector) {
  bool staged = !b.target.maskedMemory;
  auto addPerChannel = [&] {
    perChannel.push_back(b.arg(firstArg++));
    if (staged)
      perChannelStage.push_back(b.stack(b.getF32Type(), panelWidth));
  };
  for (bool present : {spec.scale, spec.bias})
    if (present)
      addPerChannel();
  for (ExtraKind kind : spec.extras) {
    switch (kind) {
    case ExtraKind::Channel:
      addPerChannel();
      break;
    case ExtraKind::Scalar:
      scalars.push_back(b.load(b.getF32Type(), b.arg(firstArg++), b.i64(0)));
      break;
    case ExtraKind::Full:
      fullExtras.push_back(b.arg(firstArg++));
      if (staged)
        fullStage.push_back(b.stack(fullTypes[fullStage.size()], maxRows * panelWidth));
      break;
    }
  }
  result = b.arg(firstArg);
  if (staged)
    resultStage = b.stack(resultType, maxRows * panelWidth);
  if (spec.isHeavy())
    sumStage = b.stack(sumType, maxRows * maxPanels * panelWidth);
}

Lanes PanelEpilogue::lanesOf(int64_t vector) {
  return {lanesPerVector, masks.empty() ? nullptr : masks[vector]};
}

void PanelEpilogue::enterPanels(Value firstChannel, Value channelsLeft, int64_t panelCount, bool half) {
  int64_t computed = half ? panelWidth / 2 : panelWidth;
  lanesPerVector = std::min(b.target.vectorLanes, computed);
  vectorsPerPanel = computed / lanesPerVector;
  channel = firstChannel;
  left = channelsLeft;
  panels = panelCount;
  masks.clear();
  partial = nullptr;
  perChannelHere.clear();
  for (Value pointer : perChannel)
    perChannelHere.push_back(b.at(pointer, channel, b.getF32Type()));
  if (panels > 1)
    return;
  if (b.target.maskedMemory) {
    for (int64_t v = 0; v < vectorsPerPanel; ++v)
      masks.push_back(b.maskOf(b.sub(left, b.i64(v * lanesPerVector)), lanesPerVector));
    return;
  }
  partial = b.less(left, b.i64(panelWidth));
  b.ifThen(partial, [&] {
    for (auto [pointer, stage] : llvm::zip(perChannelHere, perChannelStage))
      copyRows(b.getF32Type(), {pointer, b.i64(0)}, {stage, b.i64(0)}, 1);
  });
  for (auto [pointer, stage] : llvm::zip(perChannelHere, perChannelStage))
    pointer = b.select(partial, stage, pointer);
}

void PanelEpilogue::copyRows(Type element, Place from, Place to, int64_t rows) {
  b.loop(b.i64(0), b.i64(rows), 1, [&](Value row) {
    Value source = b.at(from.pointer, b.mul(row, from.stride), element);
    Value target = b.at(to.pointer, b.mul(row, to.stride), element);
    b.loop(b.i64(0), left, 1, [&](Value i) { b.store(b.load(element, source, i), target, i); });
  });
}

Value PanelEpilogue::channelVector(Value pointer, int64_t vector) {
  return b.load(b.getF32Type(), pointer, b.i64(vector * lanesPerVector), lanesOf(vector));
}

SmallVector<Value> PanelEpilogue::start(int64_t rows) {
  SmallVector<Value> sums;
  Type vector = VectorType::get(lanesPerVector, sumType);
  for (int64_t v = 0; v < vectors(); ++v)
    sums.push_back(spec.bias && !spec.scale ? channelVector(perChannelHere[0], v) : b.constant(vector, 0));
  SmallVector<Value> all;
  for (int64_t row = 0; row < rows; ++row)
    all.append(sums);
  return all;
}

Value PanelEpilogue::apply(Value sum, int64_t vector, Value row, ArrayRef<Place> full) {
  auto channelOperand = [&](unsigned i) { return channelVector(perChannelHere[i], vector); };
  auto fullOperand = [&](unsigned i) {
    Value index = b.add(b.mul(row, full[i].stride), vector * lanesPerVector);
    return b.load(fullTypes[i], full[i].pointer, index, lanesOf(vector));
  };
  return applyEpilogue(b, spec, sum, lanesPerVector, /*biasInSum=*/!spec.scale,
                       {channelOperand, fullOperand, scalars});
}

void PanelEpilogue::finishByRow(ArrayRef<Value> sums, int64_t rows, Place to, ArrayRef<Place> full) {
  int64_t width = vectors() * lanesPerVector;
  for (auto [i, sum] : llvm::enumerate(sums))
    b.store(sum, sumStage, b.i64(i * lanesPerVector), {lanesPerVector});
  b.loop(b.i64(0), b.i64(rows), 1, [&](Value row) {
    Value target = b.mul(row, to.stride), source = b.mul(row, width);
    for (int64_t v = 0; v < vectors(); ++v) {
      Value sum = b.load(sumType, sumStage, b.add(source, v * lanesPerVector), {lanesPerVector});
      b.store(apply(sum, v, row, full), to.pointer, b.add(target, v * lanesPerVector), lanesOf(v));
    }
  });
}

void PanelEpilogue::finish(ArrayRef<Value> sums, int64_t rows, Value pixel) {
  Value offset = b.add(b.mul(pixel, channels), channel);
  Place there{b.at(result, offset, resultType), channels}, to = there;
  SmallVector<Place> full;
  for (auto [extra, type] : llvm::zip(fullExtras, fullTypes))
    full.push_back({b.at(extra, offset, type), channels});
  if (partial) {
    Value stride = b.select(partial, b.i64(panelWidth), channels);
    b.ifThen(partial, [&] {
      for (auto [place, stage, type] : llvm::zip(full, fullStage, fullTypes))
        copyRows(type, place, {stage, b.i64(panelWidth)}, rows);
    });
    for (auto [place, stage] : llvm::zip(full, fullStage))
      place = {b.select(partial, stage, place.pointer), stride};
    to = {b.select(partial, resultStage, there.pointer), stride};
  }
  if (sumStage) {
    finishByRow(sums, rows, to, full);
  } else {
    for (auto [i, sum] : llvm::enumerate(sums)) {
      int64_t row = i / vectors(), v = i % vectors();
      Value index = b.add(b.mul(to.stride, row), v * lanesPerVector);
      b.store(apply(sum, v, b.i64(row), full), to.pointer, index, lanesOf(v));
    }
  }
  if (partial)
    b.ifThen(partial, [&] { copyRows(resultType, {resultStage, b.i64(panelWidth)}, there, rows); });
}
