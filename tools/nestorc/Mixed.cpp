//===- Mixed.cpp - Heads and tails of different capacities ----------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "Mixed.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/raw_ostream.h"

#include <algorithm>

using namespace llvm;
using nestor::format::LiveTensor;

namespace nestorc {

static uint64_t liveBytes(const nestor::format::Cut &cut) {
  uint64_t bytes = 0;
  for (const LiveTensor &live : cut.live()) {
    uint64_t size = nestor::size_of(static_cast<nestor::DType>(live.dtype()));
    for (int64_t extent : live.dims())
      size *= uint64_t(extent);
    bytes += size;
  }
  return bytes;
}

std::vector<uint32_t> chooseMixedCuts(const nestor::format::Manifest &manifest) {
  const auto &cuts = manifest.capacities().rbegin()->cuts();
  std::vector<uint32_t> chosen;
  uint64_t least = UINT64_MAX;
  for (int cut = 1; cut + 1 < cuts.size(); ++cut) {
    if (cuts[cut].live_size() != 1 || liveBytes(cuts[cut]) >= least)
      continue;
    least = liveBytes(cuts[cut]);
    chosen.push_back(uint32_t(cut));
  }
  return chosen;
}

/// Whether only channels tell one from the other: at most one extent of each
/// tensor differs.
static bool isAlike(const nestor::format::Cut &a, const nestor::format::Cut &b) {
  auto alike = [](const LiveTensor &x, const LiveTensor &y) {
    if (x.dtype() != y.dtype() || x.dims_size() != y.dims_size())
      return false;
    int different = 0;
    for (auto [first, second] : zip_equal(x.dims(), y.dims()))
      different += first != second;
    return different <= 1;
  };
  return std::equal(a.live().begin(), a.live().end(), b.live().begin(), b.live().end(), alike);
}

void addMixedPairs(ArrayRef<uint32_t> cuts, const nestor::learn::NestReport &report,
                   nestor::format::Manifest &manifest) {
  const auto &capacities = manifest.capacities();
  for (uint32_t cut : cuts) {
    if (cut == 0 || int64_t(cut) + 1 >= manifest.cuts_size())
      continue; // There is no head or no tail.
    for (auto [head, from] : enumerate(capacities))
      for (auto [tail, to] : enumerate(capacities)) {
        if (head == tail || report.extentsOf(head) != report.extentsOf(tail) ||
            !isAlike(from.cuts(cut), to.cuts(cut)))
          continue;
        nestor::format::MixedPair *pair = manifest.add_mixed();
        pair->set_head(head);
        pair->set_tail(tail);
        pair->set_cut(cut);
      }
  }
}

void printMixed(ArrayRef<nestor::MixedInfo> pairs) {
  if (pairs.empty())
    return;
  auto byAccuracy = [](const auto &a, const auto &b) { return a.accuracy < b.accuracy; };
  auto percent = [](float share) { return formatv("{0:F2} %", 100 * share).str(); };
  outs() << formatv("head and tail of different capacities: {0} pairs measured, {1} to {2}; nestor "
                    "inspect lists them\n", pairs.size(),
                    percent(llvm::min_element(pairs, byAccuracy)->accuracy),
                    percent(llvm::max_element(pairs, byAccuracy)->accuracy));
}

} // namespace nestorc
