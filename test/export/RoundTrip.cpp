//===- RoundTrip.cpp - nest -> ONNX -> nest -------------------------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "RoundTrip.h"

#include "compiler/driver/Diagnostics.h"
#include "compiler/driver/Verify.h"
#include "compiler/export/Export.h"
#include "compiler/import/Import.h"
#include "compiler/reference/Evaluator.h"

#include <onnx/onnx_pb.h>

#include <random>

using namespace mlir;
using nestor::reference::TensorValue;

namespace nestor::test {
namespace {

TensorValue randomTensor(RankedTensorType type, std::mt19937 &random) {
  TensorValue values = TensorValue::zeros(type.clone(Float64Type::get(type.getContext())));
  std::normal_distribution<double> normal;
  Type element = type.getElementType();
  for (double &value : values.as<double>())
    value = element.isInteger(1)        ? random() % 2
            : isa<IntegerType>(element) ? random() % 4
                                        : normal(random);
  return reference::convert(values, element);
}

} // namespace

testing::AssertionResult roundTripKeepsResults(func::FuncOp function, unsigned seed,
                                               std::vector<std::string> *ops) {
  driver::DiagnosticCollector diagnostics(*function.getContext());
  FailureOr<std::string> model = onnx_export::exportFunction(function, {});
  if (failed(model))
    return testing::AssertionFailure() << diagnostics.errors();
  onnx::ModelProto proto;
  if (!proto.ParseFromString(*model))
    return testing::AssertionFailure() << "the bytes are no model";
  std::string text;
  for (const onnx::NodeProto &node : proto.graph().node()) {
    text += node.op_type() + " ";
    if (ops)
      ops->push_back(node.op_type());
  }
  auto imported = import::importBytes(*model, ".", {}, *function.getContext());
  if (imported.status != import::ImportStatus::Ok)
    return testing::AssertionFailure() << imported.message << ": " << text;
  auto main = imported.module->lookupSymbol<func::FuncOp>("main");
  if (main.getFunctionType() != function.getFunctionType())
    return testing::AssertionFailure() << "the signature changed";

  std::mt19937 random(seed);
  SmallVector<TensorValue> inputs, want, have;
  for (Type type : function.getArgumentTypes())
    inputs.push_back(randomTensor(cast<RankedTensorType>(type), random));
  if (failed(reference::evaluate(function, inputs, want)) ||
      failed(reference::evaluate(main, inputs, have)))
    return testing::AssertionFailure() << diagnostics.errors();
  for (auto [index, pair] : llvm::enumerate(llvm::zip_equal(want, have))) {
    driver::OutputComparison comparison;
    driver::compareOutput(std::get<0>(pair), std::get<1>(pair), 0, 1e-4, comparison);
    if (!comparison.passed())
      return testing::AssertionFailure()
             << "error " << comparison.error << " in output " << index << ": " << text;
  }
  return testing::AssertionSuccess();
}

} // namespace nestor::test
