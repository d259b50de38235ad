//===- MemoryPlan.cpp - Offsets for buffers with lifetimes ----------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
//
// Greedy by size: the largest buffer first, each into the smallest gap that
// fits between the buffers that live with it. On the networks of the test
// suite this reaches the peak of the live bytes or stays within a few percent.
//
//===----------------------------------------------------------------------===//

#include "compiler/package/MemoryPlan.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/Support/MathExtras.h"

#include <algorithm>
#include <limits>

using namespace llvm;

namespace nestor::package {
namespace {

/// The offset of the tightest gap for `bytes` between `neighbours`, which are
/// sorted by offset and may overlap one another.
uint64_t findGap(ArrayRef<const Buffer *> neighbours, uint64_t bytes, uint64_t alignment) {
  uint64_t best = 0, bestSlack = std::numeric_limits<uint64_t>::max(), end = 0;
  for (const Buffer *neighbour : neighbours) {
    if (neighbour->offset >= end + bytes && neighbour->offset - end - bytes < bestSlack) {
      bestSlack = neighbour->offset - end - bytes;
      best = end;
    }
    end = std::max(end, alignTo(neighbour->offset + neighbour->bytes, alignment));
  }
  return bestSlack == std::numeric_limits<uint64_t>::max() ? end : best;
}

} // namespace

uint64_t packBuffers(MutableArrayRef<Buffer> buffers, uint64_t alignment) {
  SmallVector<Buffer *> order;
  for (Buffer &buffer : buffers)
    order.push_back(&buffer);
  llvm::stable_sort(order, [](const Buffer *a, const Buffer *b) { return a->bytes > b->bytes; });

  uint64_t total = 0;
  SmallVector<const Buffer *> placed, neighbours;
  auto byOffset = [](const Buffer *a, const Buffer *b) { return a->offset < b->offset; };
  for (Buffer *buffer : order) {
    neighbours.clear();
    llvm::copy_if(placed, std::back_inserter(neighbours),
                  [&](const Buffer *other) { return other->livesWith(*buffer); });
    buffer->offset = findGap(neighbours, buffer->bytes, alignment);
    total = std::max(total, buffer->offset + buffer->bytes);
    placed.insert(llvm::upper_bound(placed, buffer, byOffset), buffer);
  }
  return alignTo(total, alignment);
}

uint64_t peakLiveBytes(ArrayRef<Buffer> buffers, uint64_t alignment) {
  uint64_t peak = 0;
  for (const Buffer &moment : buffers) { // The peak is where some buffer begins.
    uint64_t live = 0;
    for (const Buffer &other : buffers)
      if (other.first <= moment.first && moment.first <= other.last)
        live += alignTo(other.bytes, alignment);
    peak = std::max(peak, live);
  }
  return peak;
}

} // namespace nestor::package
