//===- Export.cpp - nest functions to ONNX models -------------------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "compiler/export/Export.h"

#include "compiler/export/GraphExporter.h"

#include "mlir/IR/BuiltinOps.h"

using namespace mlir;

namespace nestor::onnx_export {

/// The IR version that came with an opset; 8 is the oldest that all of today's
/// programs read with opset 17.
static int64_t irVersionOf(int64_t opset) { return opset <= 18 ? 8 : opset <= 20 ? 9 : 10; }

FailureOr<std::string> exportFunction(func::FuncOp function, const ExportOptions &options) {
  int64_t opset = 17;
  onnx::ModelProto model;
  for (bool done = false; !done;) {
    model.Clear();
    GraphExporter exporter(function, opset);
    if (failed(exporter.run(*model.mutable_graph())))
      return failure();
    done = exporter.requiredOpset == opset;
    opset = exporter.requiredOpset;
  }
  model.set_ir_version(irVersionOf(opset));
  model.add_opset_import()->set_version(opset);
  model.set_producer_name("nestorc");
  model.set_producer_version(options.producerVersion);
  model.set_doc_string(options.description);
  auto name = function->getParentOfType<ModuleOp>()->getAttrOfType<StringAttr>("nest.model");
  model.mutable_graph()->set_name(name && !name.empty() ? name.str() : "main");
  if (model.ByteSizeLong() >= size_t(1) << 31)
    return function.emitError("the model is larger than 2 GB, which an ONNX file cannot be");
  return model.SerializeAsString();
}

} // namespace nestor::onnx_export
