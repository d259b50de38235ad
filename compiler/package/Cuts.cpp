//===- Cuts.cpp - What a plan says about its blocks and cuts --------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "compiler/package/Cuts.h"

#include "runtime/format/header.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/Support/MathExtras.h"

#include <limits>
#include <tuple>

using namespace llvm;

namespace nestor::package {
namespace {

/// By time: bytes of the arena that are alive while that layer runs; behind
/// the last layer, none.
std::vector<uint64_t> arenaBytes(ArrayRef<Buffer> buffers, unsigned layers) {
  std::vector<uint64_t> bytes(layers + 2, 0);
  for (const Buffer &buffer : buffers) {
    uint64_t aligned = alignTo(buffer.bytes, format::kBufferAlignment);
    bytes[buffer.first] += aligned;
    bytes[buffer.last + 1] -= aligned; // Modulo 2^64: the sums come out right.
  }
  for (unsigned time = 1; time < bytes.size(); ++time)
    bytes[time] += bytes[time - 1];
  return bytes;
}

/// Bytes of the arena that wait between the layers at `time` - 1 and `time`.
uint64_t bytesAcross(ArrayRef<Buffer> buffers, unsigned time) {
  uint64_t bytes = 0;
  for (const Buffer &buffer : buffers)
    if (buffer.first < time && time <= buffer.last)
      bytes += alignTo(buffer.bytes, format::kBufferAlignment);
  return bytes;
}

/// Where a tensor lies in the arena, or the buffer that it is a part of.
struct Range {
  uint64_t begin, end;
  unsigned buffer;
  bool isPart;
};

bool areApart(const SmallVector<const HeldTensor *> &live, ArrayRef<Buffer> buffers) {
  SmallVector<Range> ranges;
  for (const HeldTensor *held : live) {
    uint64_t offset = held->tensor.offset();
    if (held->tensor.space() == format::ARENA && held->bytes)
      ranges.push_back({offset, offset + held->bytes, held->buffer, /*isPart=*/false});
    if (held->tensor.space() == format::ARENA_ROWS) {
      const Buffer &buffer = buffers[held->buffer];
      ranges.push_back({buffer.offset, buffer.offset + buffer.bytes, held->buffer, /*isPart=*/true});
    }
  }
  // Parts of a buffer may meet each other, and the tensor that they make up.
  auto mayMeet = [](const Range &a, const Range &b) { return a.buffer == b.buffer && (a.isPart || b.isPart); };
  llvm::sort(ranges, [](const Range &a, const Range &b) {
    return std::tie(a.begin, a.end, a.isPart) < std::tie(b.begin, b.end, b.isPart);
  });
  for (size_t i = 1; i < ranges.size(); ++i)
    if (ranges[i].begin < ranges[i - 1].end && !mayMeet(ranges[i - 1], ranges[i]))
      return false;
  return true;
}

/// All inputs are alive at the first cut, also those that nothing reads.
SmallVector<const HeldTensor *> liveAt(ArrayRef<HeldTensor> tensors, unsigned time, bool isFirst) {
  SmallVector<const HeldTensor *> live;
  for (const HeldTensor &held : tensors)
    if (isFirst ? held.tensor.space() == format::MODEL_INPUT
                : held.first <= time && time <= held.last)
      live.push_back(&held);
  return live;
}

/// Most activation bytes of any block before and behind each cut.
void addPeaks(format::Capacity &capacity) {
  auto &cuts = *capacity.mutable_cuts();
  uint64_t front = 0, back = 0;
  for (int i = 0; i < capacity.blocks_size(); ++i) {
    front = std::max<uint64_t>(front, capacity.blocks(i).activation_bytes());
    cuts[i + 1].set_front_bytes(front);
  }
  for (int i = capacity.blocks_size() - 1; i >= 0; --i) {
    back = std::max<uint64_t>(back, capacity.blocks(i).activation_bytes());
    cuts[i].set_back_bytes(back);
  }
}

} // namespace

std::optional<std::vector<uint64_t>> describeCuts(format::Capacity &capacity,
                                                  ArrayRef<HeldTensor> tensors,
                                                  ArrayRef<Buffer> buffers,
                                                  ArrayRef<unsigned> starts) {
  std::vector<uint64_t> atTime = arenaBytes(buffers, starts.back()), atCut;
  for (auto [number, block] : llvm::enumerate(*capacity.mutable_blocks())) {
    uint64_t most = bytesAcross(buffers, starts[number]);
    for (unsigned time = starts[number]; time < starts[number + 1]; ++time)
      most = std::max(most, atTime[time]);
    block.set_activation_bytes(most);
  }
  for (auto [number, time] : llvm::enumerate(starts)) {
    SmallVector<const HeldTensor *> live = liveAt(tensors, time, number == 0);
    if (!areApart(live, buffers))
      return std::nullopt;
    format::Cut *cut = capacity.add_cuts();
    uint64_t &bytes = atCut.emplace_back(0);
    for (const HeldTensor *held : live) {
      *cut->add_live() = held->tensor;
      bytes += held->bytes;
    }
  }
  addPeaks(capacity);
  return atCut;
}

std::vector<bool> dominatedCuts(ArrayRef<uint64_t> liveBytes) {
  std::vector<bool> dominated;
  uint64_t least = std::numeric_limits<uint64_t>::max();
  for (uint64_t bytes : liveBytes) {
    dominated.push_back(bytes >= least);
    least = std::min(least, bytes);
  }
  if (!dominated.empty())
    dominated.back() = false;
  return dominated;
}

} // namespace nestor::package
