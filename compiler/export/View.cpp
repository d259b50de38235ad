//===- View.cpp - How a nest value lies in an ONNX tensor -----------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "compiler/export/View.h"

#include "passes/Layout.h"

#include <numeric>

using namespace llvm;

namespace nestor::onnx_export {

View View::direct(std::string tensor, ArrayRef<int64_t> shape, ArrayRef<int64_t> order) {
  View view;
  view.tensor = std::move(tensor);
  view.factors.resize(shape.size());
  for (auto [at, dim] : enumerate(order)) {
    view.shape.push_back(shape[dim]);
    view.factors[dim].push_back(at);
  }
  return view;
}

Dims View::order() const {
  // A dimension without a place of its own stays behind the one before it.
  SmallVector<std::pair<int64_t, int64_t>> places;
  int64_t place = -1;
  for (auto [dim, list] : enumerate(factors)) {
    place = list.empty() ? place : list.front();
    places.emplace_back(place, dim);
  }
  llvm::stable_sort(places);
  Dims order;
  for (auto [place, dim] : places)
    order.push_back(dim);
  return order;
}

Dims View::sequence(ArrayRef<int64_t> order) const {
  Dims sequence;
  for (int64_t dim : order)
    for (int64_t factor : factors[dim])
      if (shape[factor] != 1)
        sequence.push_back(factor);
  return sequence;
}

Dims View::permutation(ArrayRef<int64_t> order) const {
  Dims permutation, ones;
  SmallVector<bool> placed(shape.size());
  for (auto [at, extent] : enumerate(shape))
    if (extent == 1)
      ones.push_back(at);
  auto place = [&](int64_t factor) {
    permutation.push_back(factor);
    placed[factor] = true;
  };
  for (int64_t dim : order) {
    bool isOne = all_of(factors[dim], [&](int64_t factor) { return shape[factor] == 1; });
    if (!isOne) {
      for (int64_t factor : factors[dim])
        if (shape[factor] != 1)
          place(factor);
      continue;
    }
    // Any dimension of extent 1 will do, so that the rank stays what it is.
    auto free = find_if(ones, [&](int64_t one) { return !placed[one]; });
    if (free != ones.end())
      place(*free);
  }
  for (int64_t one : ones)
    if (!placed[one])
      place(one);
  return permutation;
}

View View::transposed(ArrayRef<int64_t> perm) const {
  View view{tensor, shape, {}};
  for (int64_t dim : perm)
    view.factors.push_back(factors[dim]);
  return view;
}

namespace {

/// The common refinement of the factors of some dimensions and the dimensions
/// that they become: the pieces of each factor, and those of each dimension.
class Refinement {
public:
  Refinement(const View &view) : pieces(view.shape.size()) {}

  /// Cuts `factors` so that consecutive pieces make up extents `to`. Fails
  /// where no factor can be cut that way.
  bool cut(const View &view, ArrayRef<int64_t> factors, ArrayRef<int64_t> to) {
    int64_t at = 0, left = factors.empty() ? 1 : view.shape[factors[0]];
    for (int64_t extent : to) {
      auto &parts = dims.emplace_back();
      while (extent > 1) {
        if (left == 1) {
          if (++at == int64_t(factors.size()))
            return false;
          left = view.shape[factors[at]];
          continue;
        }
        int64_t piece = std::gcd(left, extent);
        if (piece != std::min(left, extent))
          return false;
        parts.emplace_back(factors[at], pieces[factors[at]].size());
        pieces[factors[at]].push_back(piece);
        left /= piece;
        extent /= piece;
      }
    }
    return true;
  }

  SmallVector<Dims> pieces;                                  ///< By dimension of the tensor.
  SmallVector<SmallVector<std::pair<int64_t, size_t>>> dims; ///< Factor and piece, in order.
};

} // namespace

std::optional<ReshapedView> reshaped(const View &view, ArrayRef<int64_t> from,
                                     ArrayRef<int64_t> to) {
  auto groups = groupDims(from, to);
  if (!groups)
    return std::nullopt;
  Refinement refinement(view);
  Dims places; // Of the dimensions in `refinement.dims`.
  for (const ReshapeGroup &group : *groups) {
    Dims extents;
    for (int64_t dim : group.to)
      extents.push_back(to[dim]);
    llvm::append_range(places, group.to);
    if (!refinement.cut(view, view.sequence(group.from), extents))
      return std::nullopt;
  }

  ReshapedView result;
  Dims starts;
  for (auto [extent, pieces] : zip(view.shape, refinement.pieces)) {
    if (pieces.empty())
      pieces.push_back(extent);
    starts.push_back(result.view.shape.size());
    llvm::append_range(result.view.shape, pieces);
  }
  result.view.tensor = view.tensor;
  result.view.factors.resize(to.size());
  for (auto [place, parts] : zip(places, refinement.dims))
    for (auto [factor, piece] : parts)
      result.view.factors[place].push_back(starts[factor] + piece);
  if (result.view.shape != view.shape)
    result.splitShape = result.view.shape;
  return result;
}

} // namespace nestor::onnx_export
