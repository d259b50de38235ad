//===- Pooling.cpp - Windows over channels-last tensors -------------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "compiler/reference/Families.h"
#include "compiler/reference/Indices.h"

using namespace mlir;
using namespace nestor::nest;
using namespace nestor::reference;

namespace {

/// The taps of one window: linear numbers of the pixels inside the input, and
/// how many taps are inside the input extended by its pads.
struct Window {
  SmallVector<int64_t> pixels;
  int64_t padded = 0;
};

} // namespace

template <typename PoolLike>
static Window windowAt(PoolLike op, ArrayRef<int64_t> spatial, ArrayRef<int64_t> output) {
  Window window;
  forEachIndex(op.getKernel(), [&](ArrayRef<int64_t> tap) {
    bool inside = true, insidePads = true;
    int64_t pixel = 0;
    for (size_t i = 0; i < spatial.size(); ++i) {
      int64_t low = op.getPadBegin()[i], high = op.getPadEnd()[i];
      int64_t at = output[i] * op.getStrides()[i] + tap[i] * op.getDilations()[i] - low;
      inside &= at >= 0 && at < spatial[i];
      insidePads &= at >= -low && at < spatial[i] + high;
      pixel = pixel * spatial[i] + at;
    }
    if (inside)
      window.pixels.push_back(pixel);
    window.padded += insidePads;
  });
  return window;
}

/// Whether `a` replaces the maximum `b`; NaN does, and stays.
template <typename T> static bool exceeds(T a, T b) { return b == b && !(a <= b); }

template <typename T>
static T poolWindow(PoolOp op, const Window &window, const T *channel, int64_t channels) {
  if (op.getKind() == PoolKind::max) {
    T best = std::numeric_limits<T>::has_infinity ? -std::numeric_limits<T>::infinity()
                                                  : std::numeric_limits<T>::lowest();
    for (int64_t pixel : window.pixels)
      if (T value = channel[pixel * channels]; exceeds(value, best))
        best = value;
    return best;
  }
  double sum = 0, p = op.getP();
  for (int64_t pixel : window.pixels) {
    double value = static_cast<double>(channel[pixel * channels]);
    sum += op.getKind() == PoolKind::lp ? std::pow(std::fabs(value), p) : value;
  }
  if (op.getKind() == PoolKind::lp)
    return convertElement<T>(std::pow(sum, 1 / p));
  int64_t taps = op.getCountIncludePad() ? window.padded : window.pixels.size();
  return taps ? convertElement<T>(sum / taps) : T(0);
}

template <typename T> static TensorValue pool(PoolOp op, const TensorValue &tensor) {
  ArrayRef<int64_t> in = tensor.type.getShape(), out = op.getType().getShape();
  ArrayRef<int64_t> spatial = in.slice(1, in.size() - 2);
  int64_t channels = in.back(), imageSize = product(in.drop_front());
  std::vector<T> input = toVector<T>(tensor), result;
  result.reserve(product(out));
  forEachIndex(out.drop_back(), [&](ArrayRef<int64_t> at) {
    Window window = windowAt(op, spatial, at.drop_front());
    for (int64_t c = 0; c < channels; ++c)
      result.push_back(poolWindow(op, window, input.data() + at[0] * imageSize + c, channels));
  });
  return fromVector(op.getType(), result);
}

TensorValue nestor::reference::evaluatePool(PoolOp op, const Operands &operands) {
  return visitCompute(op.getType().getElementType(), [&](auto zero) {
    return pool<decltype(zero)>(op, operands[op.getInput()]);
  });
}

/// The number of a pixel when the last of `spatial` varies slowest.
static int64_t columnMajorPixel(int64_t pixel, ArrayRef<int64_t> spatial) {
  int64_t result = 0, scale = product(spatial);
  for (size_t i = spatial.size(); i-- > 0; pixel /= spatial[i]) {
    scale /= spatial[i];
    result += pixel % spatial[i] * scale;
  }
  return result;
}

TensorValue nestor::reference::evaluateMaxPoolIndices(MaxPoolIndicesOp op,
                                                      const Operands &operands) {
  ArrayRef<int64_t> in = op.getInput().getType().getShape(), out = op.getType().getShape();
  ArrayRef<int64_t> spatial = in.slice(1, in.size() - 2);
  int64_t channels = in.back(), pixels = product(spatial);
  std::vector<int64_t> result;
  result.reserve(product(out));
  visitCompute(op.getInput().getType().getElementType(), [&](auto zero) {
    auto input = toVector<decltype(zero)>(operands[op.getInput()]);
    forEachIndex(out.drop_back(), [&](ArrayRef<int64_t> at) {
      Window window = windowAt(op, spatial, at.drop_front());
      for (int64_t c = 0; c < channels; ++c) {
        auto valueAt = [&](int64_t pixel) {
          return input[(at[0] * pixels + pixel) * channels + c];
        };
        int64_t best = window.pixels.empty() ? 0 : window.pixels.front();
        for (int64_t pixel : window.pixels)
          if (exceeds(valueAt(pixel), valueAt(best)))
            best = pixel;
        if (op.getColumnMajor())
          best = columnMajorPixel(best, spatial);
        result.push_back((at[0] * channels + c) * pixels + best);
      }
    });
  });
  return fromVector(op.getType(), result);
}

TensorValue nestor::reference::evaluatePoolGrad(PoolGradOp op, const Operands &operands) {
  ArrayRef<int64_t> in = op.getInput().getType().getShape(), out = op.getGrad().getType().getShape();
  ArrayRef<int64_t> spatial = in.slice(1, in.size() - 2);
  int64_t channels = in.back(), pixels = product(spatial);
  std::vector<double> input = toVector<double>(operands[op.getInput()]);
  std::vector<double> grad = toVector<double>(operands[op.getGrad()]);
  std::vector<double> result(input.size());
  int64_t window = 0;
  forEachIndex(out.drop_back(), [&](ArrayRef<int64_t> at) {
    Window taps = windowAt(op, spatial, at.drop_front());
    for (int64_t c = 0; c < channels && !taps.pixels.empty(); ++c) {
      auto index = [&](int64_t pixel) { return (at[0] * pixels + pixel) * channels + c; };
      double value = grad[window * channels + c];
      if (op.getKind() == PoolKind::max) {
        int64_t best = taps.pixels.front();
        for (int64_t pixel : taps.pixels)
          if (exceeds(input[index(pixel)], input[index(best)]))
            best = pixel;
        result[index(best)] += value;
        continue;
      }
      int64_t count = op.getCountIncludePad() ? taps.padded : taps.pixels.size();
      for (int64_t pixel : taps.pixels)
        result[index(pixel)] += value / count;
    }
    ++window;
  });
  return fromVector(op.getType(), result);
}
