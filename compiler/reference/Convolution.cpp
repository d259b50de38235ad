//===- Convolution.cpp - Convolutions and filter packing ------------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "compiler/ir/Convolutions.h"
#include "compiler/ir/FilterForm.h"
#include "compiler/ir/Quantized.h"
#include "compiler/ir/Strassen.h"
#include "compiler/reference/Families.h"
#include "compiler/reference/Indices.h"

#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace nestor::nest;
using namespace nestor::reference;

/// Lanes of a panel of a packed filter.
static constexpr int64_t kPanel = 16;

namespace {

/// A convolution over three spatial dimensions; fewer are led by extents of 1.
/// `wide` is the side without the stride: a convolution's input, a transposed
/// convolution's result.
struct ConvGeometry {
  SmallVector<int64_t> wide, narrow, kernel, strides, dilations, pads;

  ConvGeometry(ArrayRef<int64_t> wide, ArrayRef<int64_t> narrow, ArrayRef<int64_t> kernel,
               ArrayRef<int64_t> strides, ArrayRef<int64_t> dilations, ArrayRef<int64_t> pads)
      : wide(lead(wide, 1)), narrow(lead(narrow, 1)), kernel(lead(kernel, 1)),
        strides(lead(strides, 1)), dilations(lead(dilations, 1)), pads(lead(pads, 0)) {}

  /// Calls `f(widePixel, narrowPixel, tap)` with the linear numbers of all
  /// positions that meet: those of a tap in the padding are left out.
  template <typename F> void forEachMeeting(F &&f) const;

private:
  static SmallVector<int64_t> lead(ArrayRef<int64_t> values, int64_t fill) {
    SmallVector<int64_t> result(3 - values.size(), fill);
    result.append(values.begin(), values.end());
    return result;
  }
};

} // namespace

template <typename F> void ConvGeometry::forEachMeeting(F &&f) const {
  int64_t narrowPixel = 0;
  forEachIndex(narrow, [&](ArrayRef<int64_t> at) {
    int64_t tap = 0;
    forEachIndex(kernel, [&](ArrayRef<int64_t> k) {
      int64_t widePixel = 0;
      bool inside = true;
      for (int i = 0; i < 3; ++i) {
        int64_t position = at[i] * strides[i] + k[i] * dilations[i] - pads[i];
        inside &= position >= 0 && position < wide[i];
        widePixel = widePixel * wide[i] + position;
      }
      if (inside)
        f(widePixel, narrowPixel, tap);
      ++tap;
    });
    ++narrowPixel;
  });
}

namespace {

/// The packed form of a filter, [panels, taps, inputs, 16]. Each group fills
/// whole panels of its own, except that in a depthwise filter it is one lane.
struct PanelLayout {
  int64_t taps, inputs, outputs, outputsPerGroup, panelsPerGroup;

  PanelLayout(int64_t taps, int64_t inputs, int64_t outputs, int64_t groups, bool depthwise)
      : taps(taps), inputs(inputs), outputs(outputs),
        outputsPerGroup(depthwise ? outputs : outputs / groups),
        panelsPerGroup(llvm::divideCeil(outputsPerGroup, kPanel)) {}

  /// Calls `f(plain, packed)` with the offsets of each element in both forms.
  template <typename F> void forEachElement(F &&f) const {
    int64_t plain = 0;
    for (int64_t tap = 0; tap < taps; ++tap)
      for (int64_t i = 0; i < inputs; ++i)
        for (int64_t o = 0; o < outputs; ++o) {
          int64_t group = o / outputsPerGroup, lane = o % outputsPerGroup;
          int64_t panel = group * panelsPerGroup + lane / kPanel;
          f(plain++, ((panel * taps + tap) * inputs + i) * kPanel + lane % kPanel);
        }
  }
};

} // namespace

/// Calls `f(plain, packed, count)` for each run of outputs of a Winograd filter
/// of one input, with the offsets of its first tap and position.
template <typename F>
static void forEachWinogradRun(int64_t positions, int64_t inputs, int64_t outputs, F &&f) {
  for (int64_t panel = 0; panel < llvm::divideCeil(outputs, kPanel); ++panel)
    for (int64_t i = 0; i < inputs; ++i)
      f(i * outputs + panel * kPanel, (panel * positions * inputs + i) * kPanel,
        std::min(kPanel, outputs - panel * kPanel));
}

/// The filter of a Winograd convolution as [9, inputs, outputs].
static std::vector<double> restoredFilter(ConvOp op, const TensorValue &filter) {
  WinogradTile tile = winogradTile(op);
  Winograd transform(tile);
  int64_t inputs = op.getInput().getType().getShape().back();
  int64_t outputs = op.getType().getShape().back(), plane = inputs * outputs;
  std::vector<float> plain(transform.taps() * plane), packed = toVector<float>(filter);
  forEachWinogradRun(
      tile.filterPositions(), inputs, outputs, [&](int64_t to, int64_t from, int64_t count) {
        for (int64_t tap = 0; tap < transform.taps(); ++tap)
          transform.restoreFilters(tap, packed.data() + from, inputs * kPanel,
                                   MutableArrayRef(plain).slice(tap * plane + to, count));
      });
  return {plain.begin(), plain.end()};
}

/// Calls `f(input, output, packed)` for each packed input of a filter in Strassen's
/// form and each 16 packed outputs, with the offset of their first position.
template <typename F> static void forEachStrassenRun(RankedTensorType packed, F &&f) {
  int64_t positions = packed.getDimSize(1), inputs = packed.getDimSize(2);
  for (int64_t panel = 0; panel < packed.getDimSize(0); ++panel)
    for (int64_t i = 0; i < inputs; ++i)
      f(i, panel * kPanel, (panel * positions * inputs + i) * kPanel);
}

/// The filter of a convolution by Strassen's algorithm as [inputs, outputs].
static std::vector<double> restoredMatrix(ConvOp op, const TensorValue &filter) {
  int64_t inputs = op.getInputShape().back(), outputs = op.getType().getShape().back();
  StrassenFilter transform(inputs, outputs);
  std::vector<float> plain(inputs * outputs), packed = toVector<float>(filter);
  forEachStrassenRun(op.getFilter().getType(), [&](int64_t input, int64_t output, int64_t from) {
    transform.restore(input, output, packed.data() + from, transform.packedInputs() * kPanel, plain);
  });
  return {plain.begin(), plain.end()};
}

static bool isWordFilter(ConvOp op) {
  return isOfBytes(op) && op.getFilter().getType().getElementType().isInteger(32);
}

/// The four weights of each word of [taps, inputs / 4, outputs]: [taps, inputs,
/// outputs].
static std::vector<double> splitWords(ArrayRef<double> words, int64_t outputs) {
  std::vector<double> weights(words.size() * kInputsPerWord);
  for (size_t i = 0; i < words.size(); ++i) {
    int64_t row = int64_t(i) / outputs * kInputsPerWord, output = int64_t(i) % outputs;
    for (int64_t k = 0; k < kInputsPerWord; ++k)
      weights[(row + k) * outputs + output] = int8_t(uint32_t(int64_t(words[i])) >> (8 * k));
  }
  return weights;
}

/// The filter of `op` as [taps, inputs per group, outputs], unpacked.
static std::vector<double> plainFilter(ConvOp op, const TensorValue &filter) {
  if (op.getPacked() && winogradTile(op))
    return restoredFilter(op, filter);
  if (op.getPacked() && filterForm(op).strassen)
    return restoredMatrix(op, filter);
  std::vector<double> values = toVector<double>(filter);
  if (!op.getPacked())
    return values;
  int64_t channels = op.getInputShape().back();
  int64_t outputs = op.getType().getShape().back(), groups = op.getGroups();
  int64_t taps = product(op.getKernel()), inputs = channels / groups;
  if (isWordFilter(op))
    inputs /= kInputsPerWord;
  std::vector<double> plain(taps * inputs * outputs);
  PanelLayout(taps, inputs, outputs, groups, isDepthwise(op))
      .forEachElement([&](int64_t to, int64_t from) { plain[to] = values[from]; });
  return plain;
}

FailureOr<TensorValue> nestor::reference::evaluateConv(ConvOp op, const Operands &operands) {
  SmallVector<int64_t> shape = op.getInputShape();
  ArrayRef<int64_t> in = shape, out = op.getType().getShape();
  ConvGeometry geometry(in.slice(1, in.size() - 2), out.slice(1, out.size() - 2), op.getKernel(),
                        op.getStrides(), op.getDilations(), op.getPadBegin());
  int64_t channels = in.back(), outputs = out.back(), groups = op.getGroups();
  int64_t inputsPerGroup = channels / groups, outputsPerGroup = outputs / groups;
  std::vector<double> input = toVector<double>(operands[op.getInput()]);
  std::vector<double> filter = plainFilter(op, operands[op.getFilter()]);
  if (isWordFilter(op))
    filter = splitWords(filter, outputs);
  std::vector<double> sums(product(out));

  int64_t inPixels = product(geometry.wide), outPixels = product(geometry.narrow);
  int64_t pixelStride = op.getPlanar() ? 1 : channels;
  int64_t channelStride = op.getPlanar() ? inPixels : 1;
  for (int64_t n = 0; n < in[0]; ++n)
    geometry.forEachMeeting([&](int64_t inPixel, int64_t outPixel, int64_t tap) {
      const double *pixel = input.data() + n * inPixels * channels + inPixel * pixelStride;
      double *row = sums.data() + (n * outPixels + outPixel) * outputs;
      for (int64_t c = 0; c < channels; ++c) {
        int64_t firstOutput = c / inputsPerGroup * outputsPerGroup;
        const double *weights =
            filter.data() + (tap * inputsPerGroup + c % inputsPerGroup) * outputs + firstOutput;
        for (int64_t o = 0; o < outputsPerGroup; ++o)
          row[firstOutput + o] += pixel[c * channelStride] * weights[o];
      }
    });

  std::vector<double> scale = operands.doublesOr(op.getScale(), outputs, 1);
  std::vector<double> bias = operands.doublesOr(op.getBias(), outputs, 0);
  for (size_t i = 0; i < sums.size(); ++i)
    sums[i] = sums[i] * scale[i % outputs] + bias[i % outputs];
  RankedTensorType type = op.getType();
  if (isOfBytes(op))
    type = type.clone(Float32Type::get(op.getContext()));
  return evaluateEpilogue(op.getEpilogue(), fromVector(type, sums), op.getExtras(), operands);
}

TensorValue nestor::reference::evaluateConvTranspose(ConvTransposeOp op, const Operands &operands) {
  ArrayRef<int64_t> in = op.getInput().getType().getShape(), out = op.getType().getShape();
  ArrayRef<int64_t> filterShape = op.getFilter().getType().getShape();
  ConvGeometry geometry(out.slice(1, out.size() - 2), in.slice(1, in.size() - 2),
                        filterShape.drop_back(2), op.getStrides(), op.getDilations(),
                        op.getPadBegin());
  int64_t channels = in.back(), outputs = out.back(), groups = op.getGroups();
  int64_t inputsPerGroup = channels / groups, outputsPerGroup = outputs / groups;
  std::vector<double> input = toVector<double>(operands[op.getInput()]);
  std::vector<double> filter = toVector<double>(operands[op.getFilter()]);
  std::vector<double> bias = operands.doublesOr(op.getBias(), outputs, 0);
  std::vector<double> sums(product(out));
  for (size_t i = 0; i < sums.size(); ++i)
    sums[i] = bias[i % outputs];

  int64_t inPixels = product(geometry.narrow), outPixels = product(geometry.wide);
  for (int64_t n = 0; n < in[0]; ++n)
    geometry.forEachMeeting([&](int64_t outPixel, int64_t inPixel, int64_t tap) {
      const double *pixel = input.data() + (n * inPixels + inPixel) * channels;
      double *row = sums.data() + (n * outPixels + outPixel) * outputs;
      for (int64_t c = 0; c < channels; ++c) {
        const double *weights = filter.data() + (tap * channels + c) * outputsPerGroup;
        int64_t firstOutput = c / inputsPerGroup * outputsPerGroup;
        for (int64_t o = 0; o < outputsPerGroup; ++o)
          row[firstOutput + o] += pixel[c] * weights[o];
      }
    });
  return fromVector(op.getType(), sums);
}

TensorValue nestor::reference::evaluateConvFilterGrad(ConvFilterGradOp op,
                                                      const Operands &operands) {
  ArrayRef<int64_t> in = op.getInput().getType().getShape(), out = op.getGrad().getType().getShape();
  ConvGeometry geometry(in.slice(1, in.size() - 2), out.slice(1, out.size() - 2), op.getKernel(),
                        op.getStrides(), op.getDilations(), op.getPadBegin());
  int64_t channels = in.back(), outputs = out.back(), groups = op.getGroups();
  int64_t inputsPerGroup = channels / groups, outputsPerGroup = outputs / groups;
  std::vector<double> input = toVector<double>(operands[op.getInput()]);
  std::vector<double> grad = toVector<double>(operands[op.getGrad()]);
  std::vector<double> sums(product(op.getType().getShape()));
  int64_t inPixels = product(geometry.wide), outPixels = product(geometry.narrow);
  for (int64_t n = 0; n < in[0]; ++n)
    geometry.forEachMeeting([&](int64_t inPixel, int64_t outPixel, int64_t tap) {
      const double *pixel = input.data() + (n * inPixels + inPixel) * channels;
      const double *row = grad.data() + (n * outPixels + outPixel) * outputs;
      for (int64_t o = 0; o < outputs; ++o) {
        int64_t firstInput = o / outputsPerGroup * inputsPerGroup;
        for (int64_t i = 0; i < inputsPerGroup; ++i)
          sums[(tap * inputsPerGroup + i) * outputs + o] += pixel[firstInput + i] * row[o];
      }
    });
  return fromVector(op.getType(), sums);
}

TensorValue nestor::reference::evaluatePack(PackOp op, const Operands &operands) {
  ArrayRef<int64_t> shape = op.getFilter().getType().getShape();
  const TensorValue &filter = operands[op.getFilter()];
  if (WinogradTile tile = winogradTile(op)) {
    Winograd transform(tile);
    int64_t inputs = shape[2], outputs = shape[3];
    std::vector<float> plain = toVector<float>(filter), packed(op.getType().getNumElements());
    forEachWinogradRun(
        tile.filterPositions(), inputs, outputs, [&](int64_t from, int64_t to, int64_t count) {
          for (int64_t position = 0; position < tile.filterPositions(); ++position)
            transform.transformFilters(
                position, plain.data() + from, inputs * outputs,
                MutableArrayRef(packed).slice(to + position * inputs * kPanel, count));
        });
    return fromVector(op.getType(), packed);
  }
  if (filterForm(op).strassen) {
    StrassenFilter transform(shape[shape.size() - 2], shape.back());
    std::vector<float> plain = toVector<float>(filter), packed(op.getType().getNumElements());
    forEachStrassenRun(op.getType(), [&](int64_t input, int64_t output, int64_t to) {
      for (int64_t position = 0; position < Strassen::positions; ++position)
        transform.transform(position, input, output, plain.data(),
                            MutableArrayRef(packed).slice(to + position * transform.packedInputs() * kPanel, kPanel));
    });
    return fromVector(op.getType(), packed);
  }
  TensorValue packed = TensorValue::zeros(op.getType());
  int64_t unit = elementBytes(op.getType().getElementType());
  PanelLayout(product(shape.drop_back(2)), shape[shape.size() - 2], shape.back(), op.getGroups(),
              op.getDepthwise())
      .forEachElement([&](int64_t from, int64_t to) {
        std::copy_n(&filter.bytes[from * unit], unit, &packed.bytes[to * unit]);
      });
  return packed;
}
