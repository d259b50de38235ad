//===- Movement.cpp - Operations that only move elements ------------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "compiler/reference/Families.h"
#include "compiler/reference/Indices.h"

#include <algorithm>

using namespace mlir;
using namespace nestor::nest;
using namespace nestor::reference;

/// A tensor of `type` whose elements are, in row-major order, those of `input`
/// at `base` plus the sum of index * strides.
static TensorValue readStrided(const TensorValue &input, RankedTensorType type,
                               ArrayRef<int64_t> strides, int64_t base = 0) {
  TensorValue result = TensorValue::zeros(type);
  int64_t unit = elementBytes(type.getElementType());
  char *to = result.bytes.data();
  forEachOffset(type.getShape(), strides, base, [&](int64_t from) {
    to = std::copy_n(input.bytes.data() + from * unit, unit, to);
  });
  return result;
}

TensorValue nestor::reference::broadcast(const TensorValue &input, ArrayRef<int64_t> shape) {
  ArrayRef<int64_t> from = input.type.getShape();
  SmallVector<int64_t> strides(shape.size() - from.size(), 0);
  for (auto [extent, stride] : llvm::zip_equal(from, stridesOf(from)))
    strides.push_back(extent == 1 ? 0 : stride);
  return readStrided(input, RankedTensorType::get(shape, input.type.getElementType()), strides);
}

TensorValue nestor::reference::evaluateTranspose(TransposeOp op, const Operands &operands) {
  const TensorValue &input = operands[op.getInput()];
  SmallVector<int64_t> from = stridesOf(input.type.getShape()), strides;
  for (int64_t dimension : op.getPerm())
    strides.push_back(from[dimension]);
  return readStrided(input, op.getType(), strides);
}

TensorValue nestor::reference::evaluateReshape(ReshapeOp op, const Operands &operands) {
  return {op.getType(), operands[op.getInput()].bytes};
}

TensorValue nestor::reference::evaluateSlice(SliceOp op, const Operands &operands) {
  const TensorValue &input = operands[op.getInput()];
  SmallVector<int64_t> strides = stridesOf(input.type.getShape());
  int64_t base = 0;
  for (size_t i = 0; i < strides.size(); ++i) {
    base += op.getStarts()[i] * strides[i];
    strides[i] *= op.getSteps()[i];
  }
  return readStrided(input, op.getType(), strides, base);
}

TensorValue nestor::reference::evaluateConcat(ConcatOp op, const Operands &operands) {
  TensorValue result = TensorValue::zeros(op.getType());
  AxisView view(op.getType().getShape(), op.getAxis());
  char *to = result.bytes.data();
  for (int64_t outer = 0; outer < view.outer; ++outer)
    for (Value value : op.getInputs()) {
      const TensorValue &input = operands[value];
      int64_t chunk = input.bytes.size() / view.outer;
      to = std::copy_n(input.bytes.data() + outer * chunk, chunk, to);
    }
  return result;
}

TensorValue nestor::reference::evaluateReverseSequence(ReverseSequenceOp op,
                                                       const Operands &operands) {
  ArrayRef<int64_t> shape = op.getType().getShape();
  int64_t batchAxis = op.getBatchAxis(), timeAxis = op.getTimeAxis();
  const TensorValue &input = operands[op.getInput()], &lengths = operands[op.getLengths()];
  TensorValue result = TensorValue::zeros(op.getType());
  int64_t unit = elementBytes(op.getType().getElementType());
  SmallVector<int64_t> strides = stridesOf(shape);
  char *to = result.bytes.data();
  forEachIndex(shape, [&](ArrayRef<int64_t> index) {
    int64_t length = std::clamp<int64_t>(lengths.getInt(index[batchAxis]), 0, shape[timeAxis]);
    int64_t from = 0;
    for (size_t i = 0; i < index.size(); ++i) {
      bool reversed = int64_t(i) == timeAxis && index[i] < length;
      from += (reversed ? length - 1 - index[i] : index[i]) * strides[i];
    }
    to = std::copy_n(input.bytes.data() + from * unit, unit, to);
  });
  return result;
}

//===----------------------------------------------------------------------===//
// Padding
//===----------------------------------------------------------------------===//

/// Where position `at` of a dimension of `extent` elements that is continued by
/// `mode` comes from; -1 is the padding value.
static int64_t paddedSource(int64_t at, int64_t extent, PadMode mode) {
  if (at >= 0 && at < extent)
    return at;
  if (mode == PadMode::constant || extent == 0)
    return -1;
  if (mode == PadMode::edge)
    return at < 0 ? 0 : extent - 1;
  auto modulo = [&](int64_t period) { return (at % period + period) % period; };
  if (mode == PadMode::wrap)
    return modulo(extent);
  if (extent == 1)
    return 0;
  // There and back again: 0 1 .. n-1 n-2 .. 1.
  int64_t phase = modulo(2 * extent - 2);
  return phase < extent ? phase : 2 * extent - 2 - phase;
}

TensorValue nestor::reference::evaluatePad(PadOp op, const Operands &operands) {
  const TensorValue &input = operands[op.getInput()];
  ArrayRef<int64_t> in = input.type.getShape(), out = op.getType().getShape();
  SmallVector<int64_t> strides = stridesOf(in);
  // Per dimension and position of the result, the offset to read in elements.
  SmallVector<std::vector<int64_t>> sources(in.size());
  for (size_t i = 0; i < in.size(); ++i) {
    int64_t low = op.getLow()[i], high = op.getHigh()[i];
    int64_t begin = std::max<int64_t>(-low, 0), end = in[i] - std::max<int64_t>(-high, 0);
    for (int64_t at = 0; at < out[i]; ++at) {
      int64_t from =
          paddedSource(at - std::max<int64_t>(low, 0), std::max<int64_t>(end - begin, 0), op.getMode());
      sources[i].push_back(from < 0 ? -1 : (begin + from) * strides[i]);
    }
  }
  TensorValue result = TensorValue::zeros(op.getType());
  int64_t unit = elementBytes(op.getType().getElementType());
  std::vector<char> padding = op.getValue() ? operands[op.getValue()].bytes : std::vector<char>(unit);
  char *to = result.bytes.data();
  forEachIndex(out, [&](ArrayRef<int64_t> index) {
    int64_t offset = 0;
    bool inside = true;
    for (size_t i = 0; i < index.size(); ++i) {
      int64_t source = sources[i][index[i]];
      inside &= source >= 0;
      offset += source;
    }
    to = std::copy_n(inside ? input.bytes.data() + offset * unit : padding.data(), unit, to);
  });
  return result;
}
