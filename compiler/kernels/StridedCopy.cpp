//===- StridedCopy.cpp - Rearranging elements -----------------------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "compiler/kernels/StridedCopy.h"
#include "compiler/kernels/StaticCall.h"

#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace nestor::kernels;

namespace {

/// Rows of one grain when transposing by tiles, and vectors' worth of the long
/// dimension when weaving: multiples of every target's tile.
constexpr int64_t tileBand = 16, weaveBand = 64;
/// The longest short side that is woven: n * (n-1) shuffles for n vectors.
constexpr int64_t weaveLimit = 8;

/// Drops dimensions of one element and merges neighbours that are one run of
/// coordinates on both sides.
SmallVector<CopyDim> collapse(ArrayRef<CopyDim> dims) {
  SmallVector<CopyDim> result;
  for (const CopyDim &dim : dims) {
    if (dim.extent == 0)
      return {{0, 1, 1}};
    if (dim.extent == 1)
      continue;
    if (!result.empty() && result.back().from == dim.from * dim.extent &&
        result.back().to == dim.to * dim.extent)
      result.back() = {result.back().extent * dim.extent, dim.from, dim.to};
    else
      result.push_back(dim);
  }
  return result;
}

Value offsetOf(KernelBuilder &b, ValueRange coordinates, ArrayRef<CopyDim> dims, bool from) {
  Value offset = b.i64(0);
  for (auto [coordinate, dim] : llvm::zip_equal(coordinates, dims))
    offset = b.add(offset, b.mul(coordinate, from ? dim.from : dim.to));
  return offset;
}

/// Transposes a square of registers: log2(n) rounds that swap ever smaller
/// blocks between pairs of rows.
void transposeSquare(KernelBuilder &b, MutableArrayRef<Value> rows) {
  int64_t n = rows.size();
  for (int64_t block = n / 2; block >= 1; block /= 2) {
    SmallVector<int64_t> low(n), high(n);
    for (int64_t lane = 0; lane < n; ++lane) {
      low[lane] = lane & block ? n + lane - block : lane;
      high[lane] = lane & block ? n + lane : lane + block;
    }
    for (int64_t i = 0; i < n; ++i) {
      if (i & block)
        continue;
      Value upper = rows[i], lower = rows[i + block];
      rows[i] = vector::ShuffleOp::create(b, upper, lower, low);
      rows[i + block] = vector::ShuffleOp::create(b, upper, lower, high);
    }
  }
}

/// The vector whose lane l is lane `pick(l).second` of source `pick(l).first`.
Value pickLanes(KernelBuilder &b, ArrayRef<Value> sources,
                llvm::function_ref<std::pair<int64_t, int64_t>(int64_t)> pick) {
  int64_t lanes = cast<VectorType>(sources[0].getType()).getNumElements();
  Value result = sources[0];
  for (size_t i = 0; i < sources.size(); ++i) {
    SmallVector<int64_t> mask(lanes);
    for (int64_t lane = 0; lane < lanes; ++lane) {
      auto [source, from] = pick(lane);
      // The first step moves source 0's own lanes; later ones keep what is there.
      mask[lane] = source == int64_t(i) ? (i == 0 ? from : lanes + from) : lane;
    }
    result = vector::ShuffleOp::create(b, result, sources[i], mask);
  }
  return result;
}

} // namespace

StridedCopy::StridedCopy(Type element, ArrayRef<CopyDim> given, int64_t start)
    : element(IntegerType::get(element.getContext(), storageBytes(element) * 8)),
      dims(collapse(given)), start(start) {
  chooseKind();
}

void StridedCopy::chooseKind() {
  if (dims.empty())
    dims.push_back({1, 1, 1});
  columns = dims.back();
  if (columns.from == 1) {
    kind = Kind::Runs;
    return;
  }
  auto contiguous = llvm::find_if(dims, [](const CopyDim &dim) { return dim.from == 1; });
  if (contiguous == dims.end())
    return;
  int64_t shorter = std::min(contiguous->extent, columns.extent);
  bool dense = contiguous->extent < columns.extent ? columns.from == contiguous->extent
                                                   : contiguous->to == columns.extent;
  if (shorter <= weaveLimit && dense && std::max(contiguous->extent, columns.extent) >= tileBand)
    kind = Kind::Woven;
  else if (shorter >= 4)
    kind = Kind::Tiles;
  else
    return;
  rows = *contiguous;
  dims.erase(contiguous);
  dims.pop_back();
}

SmallVector<int64_t> StridedCopy::outerExtents() const {
  SmallVector<int64_t> extents;
  for (const CopyDim &dim : dims)
    extents.push_back(dim.extent);
  if (kind == Kind::Tiles || kind == Kind::Woven) {
    int64_t banded = kind == Kind::Tiles ? rows.extent : std::max(rows.extent, columns.extent);
    extents.push_back(llvm::divideCeil(banded, kind == Kind::Tiles ? tileBand : weaveBand));
  } else if (extents.size() > 1) {
    extents.pop_back(); // A grain is one run; a single run is split anywhere.
  }
  return extents;
}

int64_t StridedCopy::grains() const { return product(outerExtents()); }

void StridedCopy::emit(KernelBuilder &b, Value source, Value target) const {
  source = b.at(source, b.i64(start), element);
  switch (kind) {
  case Kind::Runs:
    return emitRuns(b, source, target);
  case Kind::Single:
    return emitSingle(b, source, target);
  case Kind::Tiles:
  case Kind::Woven:
    return emitBands(b, source, target);
  }
}

void StridedCopy::emitRuns(KernelBuilder &b, Value source, Value target) const {
  if (dims.size() == 1) {
    b.vectorLoop(b.begin(), b.end(), b.lanesFor(element), [&](Value index, Lanes lanes) {
      b.store(b.load(element, source, index, lanes), target, index, lanes);
    });
    return;
  }
  ArrayRef<CopyDim> outer = ArrayRef(dims).drop_back();
  b.loop(b.begin(), b.end(), 1, [&](Value row) {
    SmallVector<Value> at = unravel(b, row, outerExtents());
    copyRun(b, element, source, offsetOf(b, at, outer, true), target, offsetOf(b, at, outer, false),
            columns.extent);
  });
}

void StridedCopy::emitSingle(KernelBuilder &b, Value source, Value target) const {
  auto copy = [&](Value from, Value to, Value index) {
    Value value = b.load(element, source, b.add(from, b.mul(index, columns.from)));
    b.store(value, target, b.add(to, b.mul(index, columns.to)));
  };
  if (dims.size() == 1) {
    b.loop(b.begin(), b.end(), 1, [&](Value index) { copy(b.i64(0), b.i64(0), index); });
    return;
  }
  ArrayRef<CopyDim> outer = ArrayRef(dims).drop_back();
  b.loop(b.begin(), b.end(), 1, [&](Value row) {
    SmallVector<Value> at = unravel(b, row, outerExtents());
    Value from = offsetOf(b, at, outer, true), to = offsetOf(b, at, outer, false);
    b.loop(b.i64(0), b.i64(columns.extent), 1, [&](Value index) { copy(from, to, index); });
  });
}

void StridedCopy::emitBands(KernelBuilder &b, Value source, Value target) const {
  b.loop(b.begin(), b.end(), 1, [&](Value grain) {
    SmallVector<Value> at = unravel(b, grain, outerExtents());
    Value band = at.pop_back_val();
    Value from = b.at(source, offsetOf(b, at, dims, true), element);
    Value to = b.at(target, offsetOf(b, at, dims, false), element);
    if (kind == Kind::Tiles)
      emitTiles(b, from, to, band);
    else
      emitWeave(b, from, to, band);
  });
}

/// Tiles at the far edges are moved back to end with the matrix: elements that
/// two tiles cover are written twice with the same value.
void StridedCopy::emitTiles(KernelBuilder &b, Value source, Value target, Value band) const {
  int64_t tile = std::min(b.lanesFor(element), int64_t(llvm::bit_floor(uint64_t(
                                                   std::min(rows.extent, columns.extent)))));
  Value first = b.mul(band, tileBand), last = b.min(b.add(first, tileBand), b.i64(rows.extent));
  b.loop(first, last, tile, [&](Value r) {
    r = b.min(r, b.i64(rows.extent - tile));
    b.loop(b.i64(0), b.i64(columns.extent), tile, [&](Value c) {
      c = b.min(c, b.i64(columns.extent - tile));
      SmallVector<Value> square;
      for (int64_t i = 0; i < tile; ++i)
        square.push_back(b.load(element, source, b.add(b.mul(b.add(c, i), columns.from), r), {tile, nullptr}));
      transposeSquare(b, square);
      for (int64_t i = 0; i < tile; ++i)
        b.store(square[i], target, b.add(b.mul(b.add(r, i), rows.to), c), {tile, nullptr});
    });
  });
}

/// One step handles as many elements of the long dimension as a vector has
/// lanes, times the whole short one.
void StridedCopy::emitWeave(KernelBuilder &b, Value source, Value target, Value band) const {
  bool shortRows = rows.extent < columns.extent;
  int64_t shorter = std::min(rows.extent, columns.extent), longer = std::max(rows.extent, columns.extent);
  int64_t lanes = b.lanesFor(element);
  Value first = b.mul(band, weaveBand), last = b.min(b.add(first, weaveBand), b.i64(longer));
  b.loop(first, last, lanes, [&](Value position) {
    position = b.min(position, b.i64(longer - lanes));
    Value dense = b.mul(position, shorter);
    SmallVector<Value> sources;
    for (int64_t i = 0; i < shorter; ++i) {
      Value from = shortRows ? b.add(dense, i * lanes) : b.add(position, i * columns.from);
      sources.push_back(b.load(element, source, from, {lanes, nullptr}));
    }
    for (int64_t i = 0; i < shorter; ++i) {
      Value result = pickLanes(b, sources, [&](int64_t lane) -> std::pair<int64_t, int64_t> {
        // Unravelling reads every `shorter`-th element; weaving cycles through the sources.
        int64_t flat = shortRows ? lane * shorter + i : i * lanes + lane;
        return shortRows ? std::make_pair(flat / lanes, flat % lanes)
                         : std::make_pair(flat % shorter, flat / shorter);
      });
      Value to = shortRows ? b.add(position, i * rows.to) : b.add(dense, i * lanes);
      b.store(result, target, to, {lanes, nullptr});
    }
  });
}
