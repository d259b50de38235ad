//===- Einsum.cpp - Einsum ------------------------------------------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
//
// Each operand becomes a tensor with one dimension per letter; operands are
// then multiplied pair by pair as batched matrix products.
//
//===----------------------------------------------------------------------===//

#include "compiler/import/Utils.h"

#include "llvm/ADT/Twine.h"

using namespace mlir;

namespace nestor::import {

namespace {

/// A tensor whose dimensions are named. Letters stand for themselves; the
/// dimensions of an ellipsis are numbered from 128, the last one lowest.
struct Labelled {
  Value value;
  SmallVector<unsigned> labels;

  int64_t extent(unsigned label) const {
    return shapeOf(value)[llvm::find(labels, label) - labels.begin()];
  }
};

constexpr unsigned kEllipsis = 128;

/// "ij...k" over a tensor of `rank`; fails where the counts differ.
std::optional<SmallVector<unsigned>> parseTerm(StringRef term, int64_t ellipsisRank) {
  SmallVector<unsigned> labels;
  for (size_t i = 0; i < term.size(); ++i) {
    if (term[i] == ' ')
      continue;
    if (term.substr(i).starts_with("...")) {
      for (int64_t d = ellipsisRank - 1; d >= 0; --d)
        labels.push_back(kEllipsis + d);
      i += 2;
    } else if (llvm::isAlpha(term[i])) {
      labels.push_back(term[i]);
    } else {
      return std::nullopt;
    }
  }
  return labels;
}

Labelled reorder(NodeImporter &n, const Labelled &from, ArrayRef<unsigned> labels) {
  SmallVector<int64_t> perm;
  for (unsigned label : labels)
    perm.push_back(llvm::find(from.labels, label) - from.labels.begin());
  return {n.transpose(from.value, perm), SmallVector<unsigned>(labels)};
}

/// Sums the labels that `keep` does not hold away.
Labelled sumAway(NodeImporter &n, const Labelled &from, llvm::function_ref<bool(unsigned)> keep) {
  SmallVector<int64_t> axes, shape;
  Labelled result;
  for (auto [i, label] : llvm::enumerate(from.labels)) {
    if (keep(label)) {
      result.labels.push_back(label);
      shape.push_back(shapeOf(from.value)[i]);
    } else {
      axes.push_back(i);
    }
  }
  result.value = n.reshape(reduce(n, from.value, nest::ReduceKind::sum, axes), shape);
  return result;
}

/// Takes the diagonal of a label that occurs twice: with both dimensions last
/// and flattened, its elements are extent + 1 apart.
FailureOr<Labelled> takeDiagonals(NodeImporter &n, Labelled operand) {
  for (size_t first = 0; first < operand.labels.size(); ++first) {
    auto *second =
        std::find(operand.labels.begin() + first + 1, operand.labels.end(), operand.labels[first]);
    if (second == operand.labels.end())
      continue;
    int64_t other = second - operand.labels.begin();
    SmallVector<int64_t> perm, shape;
    SmallVector<unsigned> labels;
    ArrayRef<int64_t> extents = shapeOf(operand.value);
    if (extents[first] != extents[other])
      return n.unsupported("a repeated letter has different extents");
    for (int64_t i = 0; i < int64_t(extents.size()); ++i)
      if (i != int64_t(first) && i != other) {
        perm.push_back(i);
        labels.push_back(operand.labels[i]);
        shape.push_back(extents[i]);
      }
    int64_t extent = extents[first];
    labels.push_back(operand.labels[first]);
    perm.append({int64_t(first), other});
    Value square = n.transpose(operand.value, perm);
    shape.push_back(extent * extent);
    Value flat = n.reshape(square, shape);
    SmallVector<int64_t> starts(shape.size(), 0), steps(shape.size(), 1);
    steps.back() = extent + 1;
    shape.back() = extent;
    operand = {slice(n, flat, starts, steps, shape), labels};
    first = size_t(-1); // Begin again: the dimensions have moved.
  }
  return operand;
}

int64_t product(const Labelled &operand, ArrayRef<unsigned> labels) {
  int64_t result = 1;
  for (unsigned label : labels)
    result *= operand.extent(label);
  return result;
}

/// Multiplies two operands; labels that `needed` does not hold are summed.
FailureOr<Labelled> multiply(NodeImporter &n, Labelled a, Labelled b,
                             llvm::function_ref<bool(unsigned)> needed) {
  auto inside = [](const Labelled &operand, unsigned label) {
    return llvm::is_contained(operand.labels, label);
  };
  a = sumAway(n, a, [&](unsigned label) { return needed(label) || inside(b, label); });
  b = sumAway(n, b, [&](unsigned label) { return needed(label) || inside(a, label); });
  SmallVector<unsigned> batch, rows, columns, inner;
  for (unsigned label : a.labels)
    (!inside(b, label) ? rows : needed(label) ? batch : inner).push_back(label);
  for (unsigned label : b.labels)
    if (!inside(a, label))
      columns.push_back(label);
  for (unsigned label : a.labels)
    if (inside(b, label) && a.extent(label) != b.extent(label))
      return n.unsupported("the extents of '" +
                           Twine(label < kEllipsis ? std::string(1, char(label)) : "...") +
                           "' differ");
  auto concat = [](ArrayRef<unsigned> x, ArrayRef<unsigned> y, ArrayRef<unsigned> z) {
    SmallVector<unsigned> all(x);
    all.append(y.begin(), y.end());
    all.append(z.begin(), z.end());
    return all;
  };
  int64_t depth = product(a, inner), batches = product(a, batch);
  int64_t height = product(a, rows), width = product(b, columns);
  Value lhs = n.reshape(reorder(n, a, concat(batch, rows, inner)).value, {batches, height, depth});
  Value rhs =
      n.reshape(reorder(n, b, concat(batch, inner, columns)).value, {batches, depth, width});
  Value multiplied = n.create<nest::MatmulOp>(withShape(lhs, {batches, height, width}), lhs, rhs,
                                              /*extras=*/ValueRange());
  SmallVector<int64_t> shape;
  for (unsigned label : concat(batch, rows, {}))
    shape.push_back(a.extent(label));
  for (unsigned label : columns)
    shape.push_back(b.extent(label));
  return Labelled{n.reshape(multiplied, shape), concat(batch, rows, columns)};
}

/// The labels of the result where the equation leaves it out: the ellipsis,
/// then letters that occur once, in alphabetical order.
SmallVector<unsigned> implicitResult(ArrayRef<Labelled> operands) {
  std::map<unsigned, unsigned> counts;
  for (const Labelled &operand : operands)
    for (unsigned label : operand.labels)
      ++counts[label];
  SmallVector<unsigned> ellipsis, letters;
  for (auto [label, count] : counts) {
    if (label >= kEllipsis)
      ellipsis.insert(ellipsis.begin(), label);
    else if (count == 1)
      letters.push_back(label);
  }
  ellipsis.append(letters);
  return ellipsis;
}

FailureOr<SmallVector<Labelled>> parseOperands(NodeImporter &n, StringRef left,
                                               int64_t &ellipsisRank) {
  SmallVector<StringRef> terms;
  left.split(terms, ',');
  if (terms.size() != n.numInputs())
    return n.unsupported("the equation has " + Twine(terms.size()) + " terms for " +
                         Twine(n.numInputs()) + " inputs");
  SmallVector<Labelled> operands;
  for (auto [i, term] : llvm::enumerate(terms)) {
    if (!n.hasInput(i))
      return n.unsupported("input " + Twine(i) + " is missing");
    int64_t letters = llvm::count_if(term, llvm::isAlpha), rank = n.type(i).getRank();
    int64_t hidden = term.contains("...") ? rank - letters : 0;
    std::optional<SmallVector<unsigned>> labels = parseTerm(term, hidden);
    if (hidden < 0 || !labels || int64_t(labels->size()) != rank)
      return n.unsupported("the term '" + term + "' does not fit a tensor of rank " + Twine(rank));
    ellipsisRank = std::max(ellipsisRank, hidden);
    FailureOr<Labelled> operand = takeDiagonals(n, {n.input(i), *labels});
    if (failed(operand))
      return failure();
    operands.push_back(*operand);
  }
  return operands;
}

LogicalResult importEinsum(NodeImporter &n) {
  std::string equation = n.stringAttr("equation", "");
  auto [left, right] = StringRef(equation).split("->");
  int64_t ellipsisRank = 0;
  FailureOr<SmallVector<Labelled>> operands = parseOperands(n, left, ellipsisRank);
  if (failed(operands))
    return failure();
  SmallVector<unsigned> wanted;
  if (StringRef(equation).contains("->")) {
    std::optional<SmallVector<unsigned>> parsed = parseTerm(right, ellipsisRank);
    if (!parsed)
      return n.unsupported("the result's term '" + right + "'");
    wanted = *parsed;
  } else {
    wanted = implicitResult(*operands);
  }
  Labelled result = operands->front();
  for (size_t i = 1; i < operands->size(); ++i) {
    FailureOr<Labelled> next = multiply(n, result, (*operands)[i], [&](unsigned label) {
      return llvm::is_contained(wanted, label) ||
             llvm::any_of(
                 ArrayRef<Labelled>(*operands).drop_front(i + 1),
                 [&](const Labelled &later) { return llvm::is_contained(later.labels, label); });
    });
    if (failed(next))
      return failure();
    result = *next;
  }
  result = sumAway(n, result, [&](unsigned label) { return llvm::is_contained(wanted, label); });
  if (result.labels.size() != wanted.size() || !llvm::all_of(wanted, [&](unsigned label) {
        return llvm::is_contained(result.labels, label);
      }))
    return n.unsupported("the result names a letter that no operand has, or one twice");
  n.setOutput(0, reorder(n, result, wanted).value);
  return success();
}

} // namespace

void registerEinsumRules(ImportRegistry &);
void registerEinsumRules(ImportRegistry &registry) {
  registry.add({"", "Einsum", 12, kNewestOpset, importEinsum,
                "an ellipsis must have the same extents everywhere"});
}

} // namespace nestor::import
