//===- ControlFlow.cpp - If, Loop, and operators that do nothing ----------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
//
// An artifact is a flat plan, so control flow is resolved here: conditions and
// trip counts must be known once the input shapes are.
//
//===----------------------------------------------------------------------===//

#include "compiler/import/Utils.h"

#include "llvm/ADT/Twine.h"

using namespace mlir;

namespace nestor::import {

namespace {

constexpr int64_t kMaxTrips = 1024;
constexpr llvm::StringLiteral kFixHint =
    "fix the input shapes with --shape, or the input that decides it with --bind NAME=@file";

LogicalResult importIdentity(NodeImporter &n) {
  n.setOutput(0, n.input(0));
  return success();
}

/// Dropout as it is at inference: nothing is dropped, and the mask says so.
LogicalResult importDropout(NodeImporter &n) {
  std::optional<SmallVector<int64_t>> training = n.constantInts(2);
  std::optional<reference::TensorValue> ratio = n.constant(1);
  bool drops = !n.hasInput(1) || !ratio || ratio->size() != 1 || ratio->getDouble(0) != 0;
  if (n.hasInput(2) && drops && (!training || training->size() != 1 || training->front()))
    return n.unsupported("training_mode must be false", "export the model in inference mode");
  n.setOutput(0, n.input(0));
  if (n.wantsOutput(1)) {
    // Before opset 10 the mask has the data's type.
    Type element = n.opset < 10 ? n.type(0).getElementType() : n.builder.getI1Type();
    n.setOutput(1, n.mapTo(n.shape(0), {}, element,
                           [&](OpBuilder &builder, Location loc, ValueRange) -> Value {
                             return Scalars(builder, loc, element).constant(1);
                           }));
  }
  return success();
}

const onnx::GraphProto *graphAttr(NodeImporter &n, StringRef name) {
  const onnx::AttributeProto *attribute = n.attr(name);
  return attribute && attribute->has_g() ? &attribute->g() : nullptr;
}

LogicalResult importIf(NodeImporter &n) {
  std::optional<SmallVector<int64_t>> condition = n.constantInts(0);
  if (!condition || condition->size() != 1)
    return n.unsupported("the condition is not known at compile time", kFixHint);
  const onnx::GraphProto *branch = graphAttr(n, condition->front() ? "then_branch" : "else_branch");
  if (!branch)
    return n.unsupported("a branch is missing", "the model is not valid ONNX");
  FailureOr<SmallVector<Value>> results = n.inlineGraph(*branch, {});
  if (failed(results))
    return failure();
  for (auto [i, result] : llvm::enumerate(*results))
    n.setOutput(i, result);
  return success();
}

std::optional<bool> knownBool(Value value) {
  auto constant = value.getDefiningOp<nest::ConstOp>();
  if (!constant || tensorType(value).getNumElements() != 1)
    return std::nullopt;
  return reference::TensorValue::fromAttr(constant.getValue()).getInt(0) != 0;
}

/// The slices that the iterations scanned out, one above the other.
LogicalResult stackScans(NodeImporter &n, unsigned firstOutput,
                         ArrayRef<SmallVector<Value>> scans) {
  for (auto [i, slices] : llvm::enumerate(scans)) {
    if (slices.empty())
      return n.unsupported("a scan output of a loop without iterations");
    SmallVector<Value> rows;
    for (Value slice : slices) {
      SmallVector<int64_t> shape(shapeOf(slice));
      shape.insert(shape.begin(), 1);
      rows.push_back(n.reshape(slice, shape));
    }
    SmallVector<int64_t> shape(shapeOf(rows.front()));
    shape[0] = rows.size();
    n.setOutput(firstOutput + i,
                n.create<nest::ConcatOp>(withShape(rows.front(), shape), rows, uint64_t(0)));
  }
  return success();
}

/// Loop: inputs are trip count, condition and carried values; the body takes
/// iteration, condition and carried values, and yields condition, carried
/// values and scanned slices.
LogicalResult importLoop(NodeImporter &n) {
  const onnx::GraphProto *body = graphAttr(n, "body");
  if (!body)
    return n.unsupported("the body is missing", "the model is not valid ONNX");
  std::optional<SmallVector<int64_t>> trips = n.constantInts(0);
  if (n.hasInput(0) && (!trips || trips->size() != 1))
    return n.unsupported("the trip count is not known at compile time", kFixHint);
  SmallVector<Value> carried;
  for (unsigned i = 2; i < n.numInputs(); ++i) {
    if (!n.hasInput(i))
      return n.unsupported("input " + Twine(i) + " is missing");
    carried.push_back(n.input(i));
  }
  Value condition = n.hasInput(1) ? n.input(1) : n.constantScalar(n.builder.getI1Type(), 1);
  size_t states = carried.size();
  if (body->output_size() < int(states + 1))
    return n.unsupported("the body yields too few values", "the model is not valid ONNX");
  SmallVector<SmallVector<Value>> scans(body->output_size() - states - 1);
  for (int64_t trip = 0; !trips || trip < trips->front(); ++trip) {
    std::optional<bool> goesOn = knownBool(condition);
    if (!goesOn)
      return n.unsupported("the condition is not known at compile time", kFixHint);
    if (!*goesOn)
      break;
    if (trip >= kMaxTrips)
      return n.unsupported("more than " + Twine(kMaxTrips) + " iterations");
    SmallVector<Value> arguments{n.constantScalar(n.builder.getI64Type(), trip), condition};
    llvm::append_range(arguments, carried);
    FailureOr<SmallVector<Value>> results = n.inlineGraph(*body, arguments);
    if (failed(results))
      return failure();
    condition = results->front();
    for (size_t i = 0; i < states; ++i)
      carried[i] = (*results)[i + 1];
    for (size_t i = 0; i < scans.size(); ++i)
      scans[i].push_back((*results)[i + 1 + states]);
  }
  for (auto [i, value] : llvm::enumerate(carried))
    n.setOutput(i, value);
  return stackScans(n, states, scans);
}

/// Scan over axis 0 of its scanned inputs (opset 9 on).
LogicalResult importScan(NodeImporter &n) {
  const onnx::GraphProto *body = graphAttr(n, "body");
  int64_t scanned = n.intAttr("num_scan_inputs", 0), states = int64_t(n.numInputs()) - scanned;
  if (!body || scanned < 1 || states < 0 || body->output_size() < states)
    return n.unsupported("body and num_scan_inputs do not fit", "the model is not valid ONNX");
  for (StringRef name :
       {"scan_input_axes", "scan_input_directions", "scan_output_axes", "scan_output_directions"})
    if (llvm::any_of(n.intsAttr(name), [](int64_t value) { return value != 0; }))
      return n.unsupported("attribute '" + name + "' other than 0");
  int64_t trips = -1;
  SmallVector<Value> carried;
  for (unsigned i = 0; i < n.numInputs(); ++i) {
    if (!n.hasInput(i) || (i >= states && n.type(i).getRank() < 1))
      return n.unsupported("input " + Twine(i) + " is missing or a scalar");
    if (i < states)
      carried.push_back(n.input(i));
    else if (trips >= 0 && trips != n.shape(i)[0])
      return n.unsupported("the scanned inputs differ in length");
    else
      trips = n.shape(i)[0];
  }
  if (trips > kMaxTrips)
    return n.unsupported("more than " + Twine(kMaxTrips) + " iterations");
  SmallVector<SmallVector<Value>> scans(body->output_size() - states);
  for (int64_t trip = 0; trip < trips; ++trip) {
    SmallVector<Value> arguments(carried);
    for (unsigned i = states; i < n.numInputs(); ++i) {
      SmallVector<int64_t> starts(n.type(i).getRank(), 0), steps(starts.size(), 1),
          shape(n.shape(i));
      starts[0] = trip;
      shape[0] = 1;
      Value row = slice(n, n.input(i), starts, steps, shape);
      arguments.push_back(n.reshape(row, n.shape(i).drop_front()));
    }
    FailureOr<SmallVector<Value>> results = n.inlineGraph(*body, arguments);
    if (failed(results))
      return failure();
    for (int64_t i = 0; i < states; ++i)
      carried[i] = (*results)[i];
    for (size_t i = 0; i < scans.size(); ++i)
      scans[i].push_back((*results)[i + states]);
  }
  for (auto [i, value] : llvm::enumerate(carried))
    n.setOutput(i, value);
  return stackScans(n, states, scans);
}

} // namespace

void registerControlFlowRules(ImportRegistry &registry) {
  auto add = [&](StringRef op, int64_t since, ImportFunction import, StringRef limits = "",
                 unsigned inputs = 1) {
    registry.add({"", op, since, kNewestOpset, import, limits, inputs});
  };
  add("Identity", 1, importIdentity);
  add("Dropout", 1, importDropout, "inference only");
  add("If", 1, importIf, "the condition must be known at compile time");
  add("Loop", 1, importLoop, "trip count and condition must be known at compile time", 0);
  add("Scan", 9, importScan, "over axis 0, forward");
}

} // namespace nestor::import
