//===- FilterBlocks.cpp - How capacities share a packed filter ------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "compiler/kernels/FilterBlocks.h"
#include "compiler/kernels/TileTable.h"

#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace nestor;
using namespace nestor::kernels;

/// Kernels take one parameter for each part and shell of the inputs, and less
/// than two terms for each in an extent; the runtime bounds the number of both.
static constexpr size_t maxInputRuns = 128;

static ArrayRef<int64_t> shapeOf(nest::GlobalOp global) { return global.getValue().getShapedType().getShape(); }

/// The edges of a dimension; one that never shrinks is one part.
static SmallVector<SmallVector<int64_t>, 1> edgesOf(nest::GlobalOp global, unsigned dim, size_t shells) {
  SmallVector<SmallVector<int64_t>, 1> edges;
  for (ArrayRef<int64_t> part : nest::partsOf(global, dim))
    edges.emplace_back(part);
  if (edges.empty())
    edges.emplace_back(shells, shapeOf(global)[dim]);
  return edges;
}

static bool shrinks(nest::GlobalOp global, unsigned dim) {
  return llvm::any_of(nest::partsOf(global, dim), [](ArrayRef<int64_t> part) { return part.front() != part.back(); });
}

static bool isFilter(nest::GlobalOp global) {
  return global.getValue().getElementType().isF32() && shapeOf(global).size() >= 3;
}

static int64_t tapsOf(nest::GlobalOp global) {
  int64_t taps = 1;
  for (int64_t extent : shapeOf(global).drop_back(2))
    taps *= extent;
  return taps;
}

std::optional<FilterBlocks> FilterBlocks::nested(nest::GlobalOp global) {
  if (!isFilter(global))
    return std::nullopt;
  unsigned rank = shapeOf(global).size();
  for (unsigned dim = 0; dim < rank - 2; ++dim)
    if (shrinks(global, dim))
      return std::nullopt;
  if (!shrinks(global, rank - 2) && !shrinks(global, rank - 1))
    return std::nullopt;
  FilterBlocks blocks;
  blocks.tapCount = tapsOf(global);
  size_t shells = nest::capacityCount(global);
  blocks.inputs = edgesOf(global, rank - 2, shells);
  if (blocks.wholeInputs())
    blocks.inputs = {SmallVector<int64_t>(shells, shapeOf(global)[rank - 2])};
  blocks.outputs = edgesOf(global, rank - 1, shells);
  if (llvm::PowerOf2Ceil(blocks.inputParts()) * shells > maxInputRuns)
    return std::nullopt;
  return blocks;
}

std::optional<FilterBlocks> FilterBlocks::whole(nest::GlobalOp global, int64_t groupOutputs) {
  if (!isFilter(global))
    return std::nullopt;
  unsigned rank = shapeOf(global).size();
  for (unsigned dim = 0; dim < rank - 1; ++dim)
    if (shrinks(global, dim))
      return std::nullopt;
  int64_t outputs = shapeOf(global).back();
  bool inOnePart = !shrinks(global, rank - 1) || nest::partsOf(global, rank - 1).size() == 1;
  if (!inOnePart || outputs % groupOutputs != 0)
    return std::nullopt;
  FilterBlocks blocks;
  blocks.tapCount = tapsOf(global);
  blocks.inputs = {{shapeOf(global)[rank - 2]}};
  blocks.outputs.assign(outputs / groupOutputs, {groupOutputs});
  return blocks;
}

FilterBlocks FilterBlocks::upTo(unsigned shell) const {
  FilterBlocks smaller = *this;
  for (Edges *parts : {&smaller.inputs, &smaller.outputs})
    for (auto &edges : *parts)
      edges.truncate(shell + 1);
  return smaller;
}

bool FilterBlocks::wholeInputs() const {
  return llvm::all_of(inputs, [](const auto &part) { return part.front() == part.back(); });
}

int64_t FilterBlocks::panelsUpTo(unsigned part, unsigned shell) const {
  return llvm::divideCeil(outputs[part][shell], panelWidth);
}

int64_t FilterBlocks::addedInputs(unsigned part, unsigned shell) const {
  return inputs[part][shell] - (shell ? inputs[part][shell - 1] : 0);
}

int64_t FilterBlocks::addedPanels(unsigned part, unsigned shell) const {
  return panelsUpTo(part, shell) - (shell ? panelsUpTo(part, shell - 1) : 0);
}

uint64_t FilterBlocks::bytes(unsigned block) const {
  unsigned part = block / shells(), shell = block % shells();
  int64_t added = 0, kept = 0;
  for (unsigned p = 0; p < inputParts(); ++p)
    added += addedInputs(p, shell), kept += keptInputs(p, shell);
  int64_t smaller = shell ? panelsUpTo(part, shell - 1) : 0;
  return (smaller * added + addedPanels(part, shell) * kept) * tapCount * panelWidth * sizeof(float);
}

void FilterBlocks::forEachRun(unsigned block, llvm::function_ref<void(int64_t, int64_t, int64_t)> body) const {
  unsigned part = block / shells(), shell = block % shells();
  int64_t allInputs = 0, allOutputs = 0, partStart = 0;
  for (const auto &edges : inputs)
    allInputs += edges.back();
  for (auto [index, edges] : llvm::enumerate(outputs)) {
    partStart += index < part ? edges.back() : 0;
    allOutputs += edges.back();
  }
  int64_t smaller = shell ? panelsUpTo(part, shell - 1) : 0, place = 0;
  for (int64_t panel = 0; panel < panelsUpTo(part, shell); ++panel) {
    int64_t output = panel * panelWidth, length = std::min(panelWidth, outputs[part].back() - output);
    for (int64_t tap = 0; tap < tapCount; ++tap) {
      int64_t input = tap * allInputs;
      for (const auto &edges : inputs) {
        int64_t first = panel < smaller ? edges[shell - 1] : 0;
        for (int64_t i = first; i < edges[shell]; ++i, place += panelWidth)
          body(place, (input + i) * allOutputs + partStart + output, length);
        input += edges.back();
      }
    }
  }
}

void FilterBlocks::pack(unsigned block, ArrayRef<float> filter, MutableArrayRef<float> out) const {
  assert(out.size() * sizeof(float) == bytes(block) && "the memory must fit the block");
  llvm::fill(out, 0.0f);
  forEachRun(block, [&](int64_t place, int64_t from, int64_t length) {
    llvm::copy(filter.slice(from, length), out.begin() + place);
  });
}

void FilterBlocks::unpack(unsigned block, ArrayRef<float> in, MutableArrayRef<float> filter) const {
  assert(in.size() * sizeof(float) == bytes(block) && "the memory must fit the block");
  forEachRun(block, [&](int64_t place, int64_t to, int64_t length) {
    llvm::copy(in.slice(place, length), filter.begin() + to);
  });
}

std::optional<SharedFilter> SharedFilter::get(Value packed) {
  auto pack = packed.getDefiningOp<nest::PackOp>();
  auto weight = pack ? pack.getFilter().getDefiningOp<nest::WeightOp>() : nullptr;
  if (!weight)
    return std::nullopt;
  nest::GlobalOp global = nest::globalOf(weight);
  int64_t outputs = weight.getType().getShape().back();
  bool oneGroup = pack.getGroups() == 1 && !pack.getDepthwise();
  std::optional<FilterBlocks> blocks;
  if (oneGroup)
    blocks = FilterBlocks::nested(global);
  if (!blocks)
    blocks = FilterBlocks::whole(global, pack.getDepthwise() ? shapeOf(global).back() : outputs / pack.getGroups());
  if (!blocks)
    return std::nullopt;
  return SharedFilter{global, unsigned(weight.getCapacity()), std::move(*blocks)};
}
