//===- Patches.cpp - What a convolution sees at some positions ------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "compiler/learn/Patches.h"

#include "compiler/reference/Indices.h"

#include <algorithm>
#include <numeric>

using namespace mlir;

namespace nestor::learn {

uint64_t Random::operator()() {
  uint64_t bits = state += 0x9e3779b97f4a7c15;
  bits = (bits ^ bits >> 30) * 0xbf58476d1ce4e5b9;
  bits = (bits ^ bits >> 27) * 0x94d049bb133111eb;
  return bits ^ bits >> 31;
}

std::vector<int64_t> choose(int64_t size, int64_t count, Random &random) {
  std::vector<int64_t> all(size);
  std::iota(all.begin(), all.end(), 0);
  count = std::min(size, count);
  for (int64_t i = 0; i < count; ++i)
    std::swap(all[i], all[i + random.below(size - i)]);
  all.resize(count);
  llvm::sort(all);
  return all;
}

Dataset chooseSamples(const Dataset &data, size_t count, uint64_t seed) {
  Random random(seed);
  std::vector<int64_t> chosen = choose(data.size(), count, random);
  return data.subset({chosen.begin(), chosen.end()});
}

static ArrayRef<int64_t> shapeOf(Value value) {
  return cast<RankedTensorType>(value.getType()).getShape();
}

PatchReader::PatchReader(nest::ConvOp conv)
    : input(shapeOf(conv.getInput()).drop_front().drop_back()),
      output(shapeOf(conv.getResult()).drop_front().drop_back()), kernel(conv.getKernel()),
      strides(conv.getStrides()), dilations(conv.getDilations()), padBegin(conv.getPadBegin()),
      positionCount(shapeOf(conv.getResult()).front() * reference::product(output)),
      tapCount(reference::product(kernel)), channelCount(shapeOf(conv.getInput()).back()) {}

void PatchReader::read(const float *sample, int64_t position, float *row) const {
  // Where the window begins; what is left of `position` is the image.
  SmallVector<int64_t, 3> begin(output.size());
  for (size_t d = output.size(); d-- > 0; position /= output[d])
    begin[d] = position % output[d] * strides[d] - padBegin[d];
  sample += position * reference::product(input) * channelCount;
  reference::forEachIndex(kernel, [&](ArrayRef<int64_t> tap) {
    int64_t offset = 0;
    bool isInside = true;
    for (size_t d = 0; d < tap.size(); ++d) {
      int64_t at = begin[d] + tap[d] * dilations[d];
      isInside &= at >= 0 && at < input[d];
      offset = offset * input[d] + at;
    }
    if (isInside)
      std::copy_n(sample + offset * channelCount, channelCount, row);
    else
      std::fill_n(row, channelCount, 0.f);
    row += channelCount;
  });
}

} // namespace nestor::learn
