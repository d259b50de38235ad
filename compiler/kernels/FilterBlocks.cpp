//===- FilterBlocks.cpp - How capacities share a packed filter ------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "compiler/kernels/FilterBlocks.h"
#include "compiler/ir/HalfFilter.h"
#include "compiler/kernels/KernelBuilder.h"
#include "compiler/kernels/TileTable.h"
#include "compiler/reference/Element.h"

#include "llvm/Support/MathExtras.h"
#include "llvm/Support/raw_ostream.h"

#include <cstring>
#include <numeric>

using namespace mlir;
using namespace nestor;
using namespace nestor::kernels;

/// Kernels take one parameter for each part and shell of the inputs, and less
/// than two terms for each in an extent; the runtime bounds the number of both.
static constexpr size_t maxInputRuns = 128;
/// Kernels of recurrent layers have a loop for each part and shell of the inputs.
static constexpr size_t maxRecurrentRuns = 64;

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

/// Words of four bytes (compiler/ir/Quantized.h) are moved as floats are.
static bool isFilter(nest::GlobalOp global) {
  Type element = global.getValue().getElementType();
  return (element.isF32() || element.isInteger(32) || nest::isHalf(element)) && shapeOf(global).size() >= 3;
}

static int64_t tapsOf(nest::GlobalOp global, nest::FilterForm transform) {
  if (transform.winograd)
    return transform.winograd.filterPositions();
  if (transform.strassen)
    return nest::Strassen::positions;
  int64_t taps = 1;
  for (int64_t extent : shapeOf(global).drop_back(2))
    taps *= extent;
  return taps;
}

FilterBlocks::FilterBlocks(nest::GlobalOp global, nest::FilterForm transform)
    : element(global.getValue().getElementType()), packedElement(nest::packedElement(element, transform.winograd.m)),
      tapCount(tapsOf(global, transform)), form(transform) {}

std::optional<FilterBlocks> FilterBlocks::nested(nest::GlobalOp global, nest::FilterForm transform) {
  if (!isFilter(global))
    return std::nullopt;
  unsigned rank = shapeOf(global).size();
  for (unsigned dim = 0; dim < rank - 2; ++dim)
    if (shrinks(global, dim))
      return std::nullopt;
  if (!shrinks(global, rank - 2) && !shrinks(global, rank - 1))
    return std::nullopt;
  FilterBlocks blocks(global, transform);
  size_t shells = nest::capacityCount(global);
  blocks.inputs = edgesOf(global, rank - 2, shells);
  if (blocks.wholeInputs())
    blocks.inputs = {SmallVector<int64_t>(shells, shapeOf(global)[rank - 2])};
  blocks.outputs = edgesOf(global, rank - 1, shells);
  if (llvm::PowerOf2Ceil(blocks.inputParts()) * shells > maxInputRuns)
    return std::nullopt;
  // Spans of channels would begin anew in each part.
  if (transform.strassen && (blocks.inputParts() > 1 || blocks.outputParts() > 1))
    return std::nullopt;
  return blocks;
}

std::optional<FilterBlocks> FilterBlocks::whole(nest::GlobalOp global, int64_t groupOutputs,
                                                nest::FilterForm transform) {
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
  FilterBlocks blocks(global, transform);
  blocks.inputs = {{shapeOf(global)[rank - 2]}};
  blocks.outputs.assign(outputs / groupOutputs, {groupOutputs});
  // Groups follow each other without gaps, though each is aligned to 64 bytes.
  if (blocks.count() > 1 && blocks.bytes(0) % 64 != 0)
    return std::nullopt;
  return blocks;
}

std::optional<FilterBlocks> FilterBlocks::recurrent(nest::GlobalOp global, int64_t gates) {
  ArrayRef<int64_t> shape = shapeOf(global);
  if (!global.getValue().getElementType().isF32() || shape.size() != 3)
    return std::nullopt;
  if (shrinks(global, 0) || gates < 1 || shape[1] % gates)
    return std::nullopt;
  size_t shells = std::max<size_t>(nest::capacityCount(global), 1);
  FilterBlocks blocks = recurrent(shape[0], gates, shape[1] / gates, shape[2]);
  blocks.inputs = edgesOf(global, 2, shells);
  if (blocks.wholeInputs())
    blocks.inputs = {SmallVector<int64_t>(shells, shape[2])};
  blocks.outputs = {SmallVector<int64_t>(shells, shape[1] / gates)};
  if (shrinks(global, 1)) {
    auto units = nest::partsOf(global, 1);
    if (int64_t(units.size()) != gates || !llvm::all_equal(units))
      return std::nullopt;
    blocks.outputs = {SmallVector<int64_t>(units.front())};
  }
  if (blocks.inputParts() * shells > maxRecurrentRuns)
    return std::nullopt;
  return blocks;
}

FilterBlocks FilterBlocks::recurrent(int64_t directions, int64_t gates, int64_t hidden, int64_t inputs) {
  FilterBlocks blocks;
  blocks.directionCount = directions;
  blocks.gateCount = gates;
  blocks.inputs = {{inputs}};
  blocks.outputs = {{hidden}};
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

int64_t FilterBlocks::packedChannels(int64_t count) const {
  return form.strassen ? nest::Strassen::packedChannels(count) : count;
}

int64_t FilterBlocks::packedPanels(int64_t count) const {
  return llvm::divideCeil(packedChannels(count), panelWidth);
}

int64_t FilterBlocks::panelsUpTo(unsigned part, unsigned shell) const { return packedPanels(outputs[part][shell]); }

int64_t FilterBlocks::addedInputs(unsigned part, unsigned shell) const {
  return packedChannels(inputs[part][shell]) - (shell ? packedChannels(inputs[part][shell - 1]) : 0);
}

int64_t FilterBlocks::addedPanels(unsigned part, unsigned shell) const {
  return panelsUpTo(part, shell) - (shell ? panelsUpTo(part, shell - 1) : 0);
}

static int64_t lastOf(ArrayRef<SmallVector<int64_t>> parts) {
  return std::accumulate(parts.begin(), parts.end(), int64_t(0),
                         [](int64_t sum, const auto &edges) { return sum + edges.back(); });
}

int64_t FilterBlocks::allInputs() const { return lastOf(inputs); }
int64_t FilterBlocks::allOutputs() const { return lastOf(outputs); }

int64_t FilterBlocks::rowFloats() const { return std::max<int64_t>(gateCount, 1) * panelWidth; }

static uint64_t bytesOf(Type element) { return element ? storageBytes(element) : sizeof(float); }

uint64_t FilterBlocks::bytes(unsigned block) const { return elements(block) * bytesOf(packedElement); }

uint64_t FilterBlocks::elements(unsigned block) const {
  unsigned part = block / shells(), shell = block % shells();
  int64_t added = 0, kept = 0;
  for (unsigned p = 0; p < inputParts(); ++p)
    added += addedInputs(p, shell), kept += packedChannels(keptInputs(p, shell));
  int64_t smaller = shell ? panelsUpTo(part, shell - 1) : 0;
  return (smaller * added + addedPanels(part, shell) * kept) * tapCount * directionCount * rowFloats();
}

std::string FilterBlocks::identity() const {
  std::string text;
  llvm::raw_string_ostream os(text);
  os << bytesOf(packedElement) << ' ' << tapCount << ' ' << directionCount << ' ' << gateCount << ' '
     << form.winograd.m << ' ' << form.winograd.stride << ' ' << form.strassen;
  for (const Edges *parts : {&inputs, &outputs}) {
    os << ';';
    for (const auto &edges : *parts)
      llvm::interleave(edges, os << '|', [&](int64_t edge) { os << edge; }, " ");
  }
  return text;
}

void FilterBlocks::forEachRun(unsigned block, llvm::function_ref<void(const Run &)> body) const {
  unsigned part = block / shells(), shell = block % shells();
  const int64_t inputCount = allInputs(), outputCount = allOutputs();
  const int64_t partStart = lastOf(ArrayRef(outputs).take_front(part));
  auto placeInFilter = [&](int64_t direction, int64_t gate, int64_t input, int64_t output) {
    return gateCount ? ((direction * gateCount + gate) * outputCount + output) * inputCount + input
                     : input * outputCount + output;
  };
  int64_t smaller = shell ? panelsUpTo(part, shell - 1) : 0, place = 0;
  auto runPanel = [&](int64_t direction, int64_t panel) {
    int64_t output = panel * panelWidth, length = std::min(panelWidth, outputs[part].back() - output);
    auto firstInput = [&](ArrayRef<int64_t> edges) { return panel < smaller ? packedChannels(edges[shell - 1]) : 0; };
    int64_t tapFloats = 0, input = 0;
    for (const auto &edges : inputs)
      tapFloats += (packedChannels(edges[shell]) - firstInput(edges)) * rowFloats();
    for (const auto &edges : inputs) {
      for (int64_t i = firstInput(edges); i < packedChannels(edges[shell]); ++i)
        for (int64_t gate = 0; gate < rowFloats() / panelWidth; ++gate, place += panelWidth)
          body({place, placeInFilter(direction, gate, input + i, partStart + output), length, input + i,
                partStart + output, tapFloats});
      input += edges.back();
    }
    place += (tapCount - 1) * tapFloats; // The other taps of the same runs.
  };
  for (int64_t direction = 0; direction < directionCount; ++direction)
    for (int64_t panel = 0; panel < panelsUpTo(part, shell); ++panel)
      runPanel(direction, panel);
}

/// `bytes` hold floats of any type.
static std::vector<float> toFloats(ArrayRef<char> bytes, Type element) {
  std::vector<float> floats(bytes.size() / bytesOf(element));
  reference::visitStorage(element, [&](auto zero) {
    auto *from = reinterpret_cast<const decltype(zero) *>(bytes.data());
    llvm::transform(ArrayRef(from, floats.size()), floats.begin(), reference::convertElement<float, decltype(zero)>);
  });
  return floats;
}

/// The other way round.
static void fromFloats(ArrayRef<float> floats, Type element, MutableArrayRef<char> bytes) {
  reference::visitStorage(element, [&](auto zero) {
    auto *to = reinterpret_cast<decltype(zero) *>(bytes.data());
    llvm::transform(floats, to, reference::convertElement<decltype(zero), float>);
  });
}

/// Copies elements of `unit` bytes; those of `to` lie side by side.
static void gather(const char *from, int64_t stride, int64_t count, int64_t unit, char *to) {
  if (stride == 1)
    std::memcpy(to, from, count * unit);
  else
    for (int64_t i = 0; i < count; ++i)
      std::memcpy(to + i * unit, from + i * stride * unit, unit);
}

/// Copies elements of `unit` bytes; those of `from` lie side by side.
static void scatter(const char *from, int64_t stride, int64_t count, int64_t unit, char *to) {
  if (stride == 1)
    std::memcpy(to, from, count * unit);
  else
    for (int64_t i = 0; i < count; ++i)
      std::memcpy(to + i * stride * unit, from + i * unit, unit);
}

void FilterBlocks::transformBlock(unsigned block, ArrayRef<float> filter, MutableArrayRef<float> out) const {
  if (form.strassen) {
    const nest::StrassenFilter strassen(allInputs(), allOutputs());
    return forEachRun(block, [&](const Run &run) {
      for (int64_t tap = 0; tap < tapCount; ++tap)
        strassen.transform(tap, run.input, run.output, filter.data(),
                           out.slice(run.place + tap * run.tapFloats, panelWidth));
    });
  }
  const nest::Winograd winograd(form.winograd);
  forEachRun(block, [&](const Run &run) {
    for (int64_t tap = 0; tap < tapCount; ++tap)
      winograd.transformFilters(tap, filter.data() + run.from, planeFloats(),
                                out.slice(run.place + tap * run.tapFloats, run.length));
  });
}

void FilterBlocks::restoreBlock(unsigned block, ArrayRef<float> in, MutableArrayRef<float> filter) const {
  if (form.strassen) {
    const nest::StrassenFilter strassen(allInputs(), allOutputs());
    return forEachRun(block, [&](const Run &run) {
      strassen.restore(run.input, run.output, in.data() + run.place, run.tapFloats, filter);
    });
  }
  const nest::Winograd winograd(form.winograd);
  forEachRun(block, [&](const Run &run) {
    for (int64_t tap = 0; tap < winograd.taps(); ++tap)
      winograd.restoreFilters(tap, in.data() + run.place, run.tapFloats,
                              filter.slice(run.from + tap * planeFloats(), run.length));
  });
}

void FilterBlocks::pack(unsigned block, ArrayRef<char> filter, MutableArrayRef<char> out) const {
  assert(out.size() == bytes(block) && "the memory must fit the block");
  if (form) {
    std::vector<float> transformed(elements(block));
    transformBlock(block, toFloats(filter, element), transformed);
    return fromFloats(transformed, packedElement, out);
  }
  llvm::fill(out, 0);
  const int64_t unit = bytesOf(element);
  forEachRun(block, [&](const Run &run) {
    for (int64_t tap = 0; tap < tapCount; ++tap)
      gather(&filter[(run.from + tap * planeFloats()) * unit], outputStride(), run.length, unit,
             &out[(run.place + tap * run.tapFloats) * unit]);
  });
}

void FilterBlocks::unpack(unsigned block, ArrayRef<char> in, MutableArrayRef<char> filter) const {
  assert(in.size() == bytes(block) && "the memory must fit the block");
  if (form) {
    std::vector<float> restored = toFloats(filter, element);
    restoreBlock(block, toFloats(in, packedElement), restored);
    return fromFloats(restored, element, filter);
  }
  const int64_t unit = bytesOf(element);
  forEachRun(block, [&](const Run &run) {
    for (int64_t tap = 0; tap < tapCount; ++tap)
      scatter(&in[(run.place + tap * run.tapFloats) * unit], outputStride(), run.length, unit,
              &filter[(run.from + tap * planeFloats()) * unit]);
  });
}

/// How the filter of a `nest.pack` of `weight` lies.
static std::optional<FilterBlocks> blocksOf(nest::PackOp pack, nest::WeightOp weight) {
  nest::GlobalOp global = nest::globalOf(weight);
  int64_t outputs = weight.getType().getShape().back();
  if (pack.getGroups() == 1 && !pack.getDepthwise())
    if (std::optional<FilterBlocks> blocks = FilterBlocks::nested(global, nest::filterForm(pack)))
      return blocks;
  return FilterBlocks::whole(global, pack.getDepthwise() ? shapeOf(global).back() : outputs / pack.getGroups(),
                             nest::filterForm(pack));
}

std::optional<SharedFilter> SharedFilter::get(Value packed) {
  Operation *op = packed.getDefiningOp();
  if (!isa_and_nonnull<nest::PackOp, nest::PackRecurrentOp>(op))
    return std::nullopt;
  auto weight = op->getOperand(0).getDefiningOp<nest::WeightOp>();
  if (!weight)
    return std::nullopt;
  nest::GlobalOp global = nest::globalOf(weight);
  auto pack = dyn_cast<nest::PackOp>(op);
  std::optional<FilterBlocks> blocks =
      pack ? blocksOf(pack, weight) : FilterBlocks::recurrent(global, cast<nest::PackRecurrentOp>(op).getGates());
  if (!blocks)
    return std::nullopt;
  return SharedFilter{global, unsigned(weight.getCapacity()), std::move(*blocks)};
}
