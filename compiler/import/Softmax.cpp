//===- Softmax.cpp - Softmax, LogSoftmax, Hardmax, losses -----------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "compiler/import/Utils.h"

#include <numeric>

using namespace mlir;
using nestor::nest::ReduceKind;

namespace nestor::import {
namespace {

//===----------------------------------------------------------------------===//
// Softmax, LogSoftmax, Hardmax
//===----------------------------------------------------------------------===//

Value softmax(NodeImporter &n, Value input, int64_t axis, bool log) {
  return n.create<nest::SoftmaxOp>(input.getType(), input, axis, log);
}

/// 1 at the first maximum along `axis`, else 0.
Value hardmax(NodeImporter &n, Value input, int64_t axis) {
  SmallVector<int64_t> shape(shapeOf(input)), line(shape.size(), 1);
  SmallVector<int64_t> positions = countTo(shape[axis]);
  line[axis] = shape[axis];
  shape[axis] = 1;
  auto type = RankedTensorType::get(shape, n.builder.getI64Type());
  Value maximum = n.create<nest::ArgReduceOp>(type, input, axis, false, false);
  Value hit = elementwise(
      n, {maximum, constantIndices(n, line, positions)},
      [](Scalars &s, ValueRange in) { return s.equal(in[0], in[1]); }, n.builder.getI1Type());
  return n.cast(hit, elementOf(input));
}

enum class SoftmaxKind { Plain, Log, Hard };

template <SoftmaxKind kind> Value applySoftmax(NodeImporter &n, Value input, int64_t axis) {
  if (kind == SoftmaxKind::Hard)
    return hardmax(n, input, axis);
  return softmax(n, input, axis, kind == SoftmaxKind::Log);
}

/// Since opset 13 the operators work along one axis; before, on the tensor seen
/// as a matrix whose columns are the dimensions from `axis` on.
template <SoftmaxKind kind> LogicalResult importSoftmax(NodeImporter &n) {
  Value input = n.input(0);
  SmallVector<int64_t> shape(n.shape(0));
  FailureOr<int64_t> axis =
      normalizeAxis(n, n.intAttr("axis", n.opset < 13 ? 1 : -1), shape.size());
  if (failed(axis))
    return failure();
  if (n.type(0).getNumElements() == 0) {
    n.setOutput(0, input);
    return success();
  }
  if (n.opset >= 13) {
    n.setOutput(0, applySoftmax<kind>(n, input, *axis));
    return success();
  }
  auto extent = [](ArrayRef<int64_t> part) {
    return std::accumulate(part.begin(), part.end(), int64_t(1), std::multiplies<int64_t>());
  };
  ArrayRef<int64_t> whole(shape);
  int64_t matrix[] = {extent(whole.take_front(*axis)), extent(whole.drop_front(*axis))};
  n.setOutput(0, n.reshape(applySoftmax<kind>(n, n.reshape(input, matrix), 1), shape));
  return success();
}

//===----------------------------------------------------------------------===//
// Losses
//===----------------------------------------------------------------------===//

/// The loss of `logProbabilities` [N, C, D..] for the classes `target` [N, D..]
/// with optional `weights` [C], reduced as the node says.
LogicalResult setLoss(NodeImporter &n, Value logProbabilities, Value target, Value weights) {
  ArrayRef<int64_t> shape = shapeOf(logProbabilities), targetShape = shapeOf(target);
  if (shape.size() < 2 || targetShape.size() + 1 != shape.size())
    return n.unsupported("scores [N, C, D..] need a target [N, D..]");
  std::string reduction = n.stringAttr("reduction", "mean");
  if (reduction != "mean" && reduction != "sum" && reduction != "none")
    return n.unsupported("reduction = " + Twine(reduction));

  Type element = elementOf(logProbabilities);
  Value counted; // 1 where the target counts, 0 where it is ignored.
  if (n.hasAttr("ignore_index")) {
    double ignored = n.intAttr("ignore_index", 0);
    Value keep = elementwise(
        n, target,
        [&](Scalars &s, ValueRange in) { return s.notEqual(in[0], s.constant(ignored)); },
        n.builder.getI1Type());
    // An ignored class may lie outside [0, C).
    target = elementwise(n, {target, keep}, [](Scalars &s, ValueRange in) {
      return s.select(in[1], in[0], s.constant(0));
    });
    counted = n.cast(keep, element);
  }
  if (weights) {
    Value picked = n.create<nest::GatherOp>(RankedTensorType::get(shapeOf(target), element),
                                            weights, target, 0);
    counted = counted ? elementwise(n, {picked, counted},
                                    [](Scalars &s, ValueRange in) { return s.mul(in[0], in[1]); })
                      : picked;
  }

  SmallVector<int64_t> column(targetShape);
  column.insert(column.begin() + 1, 1);
  Value chosen = n.create<nest::GatherElementsOp>(withShape(logProbabilities, column),
                                                  logProbabilities, n.reshape(target, column), 1);
  SmallVector<Value> factors{n.reshape(chosen, shapeOf(target))};
  if (counted)
    factors.push_back(counted);
  Value loss = elementwise(n, factors, [](Scalars &s, ValueRange in) {
    return s.neg(in.size() == 2 ? s.mul(in[0], in[1]) : in[0]);
  });

  if (reduction != "none") {
    SmallVector<int64_t> axes = countTo(shapeOf(loss).size());
    ReduceKind kind = reduction == "mean" && !counted ? ReduceKind::mean : ReduceKind::sum;
    loss = n.reshape(reduce(n, loss, kind, axes), {});
    if (reduction == "mean" && counted) {
      Value total = n.reshape(reduce(n, counted, ReduceKind::sum, axes), {});
      loss = elementwise(n, {loss, total},
                         [](Scalars &s, ValueRange in) { return s.div(in[0], in[1]); });
    }
  }
  n.setOutput(0, loss);
  return success();
}

LogicalResult importNegativeLogLikelihoodLoss(NodeImporter &n) {
  return setLoss(n, n.input(0), n.input(1), n.input(2));
}

LogicalResult importSoftmaxCrossEntropyLoss(NodeImporter &n) {
  if (n.shape(0).size() < 2)
    return n.unsupported("scores need the shape [N, C, D..]");
  Value logProbabilities = softmax(n, n.input(0), 1, /*log=*/true);
  if (n.wantsOutput(1))
    n.setOutput(1, logProbabilities);
  return setLoss(n, logProbabilities, n.input(1), n.input(2));
}

} // namespace

void registerSoftmaxRules(ImportRegistry &registry) {
  registry.add({"", "Softmax", 1, kNewestOpset, importSoftmax<SoftmaxKind::Plain>, ""});
  registry.add({"", "LogSoftmax", 1, kNewestOpset, importSoftmax<SoftmaxKind::Log>, ""});
  registry.add({"", "Hardmax", 1, kNewestOpset, importSoftmax<SoftmaxKind::Hard>, ""});
  registry.add(
      {"", "NegativeLogLikelihoodLoss", 12, kNewestOpset, importNegativeLogLikelihoodLoss, "", 2});
  registry.add(
      {"", "SoftmaxCrossEntropyLoss", 12, kNewestOpset, importSoftmaxCrossEntropyLoss, "", 2});
}

} // namespace nestor::import
