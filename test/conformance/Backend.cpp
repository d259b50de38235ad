//===- Backend.cpp - What runs a conformance case -------------------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "test/conformance/Backend.h"

#include "test/support/CompiledModel.h"

#include "compiler/driver/Diagnostics.h"
#include "compiler/export/Export.h"
#include "passes/Passes.h"

#include "mlir/IR/Builders.h"
#include "mlir/Pass/PassManager.h"

using namespace mlir;
using nestor::reference::TensorValue;

namespace nestor::conformance {
namespace {

Type typeOf(DType type, Builder builder) {
  auto unsignedInteger = [&](unsigned width) {
    return builder.getIntegerType(width, /*isSigned=*/false);
  };
  switch (type) {
  case DType::float32:
    return builder.getF32Type();
  case DType::float64:
    return builder.getF64Type();
  case DType::float16:
    return builder.getF16Type();
  case DType::bfloat16:
    return builder.getBF16Type();
  case DType::int8:
    return builder.getI8Type();
  case DType::int16:
    return builder.getI16Type();
  case DType::int32:
    return builder.getI32Type();
  case DType::int64:
    return builder.getI64Type();
  case DType::uint8:
    return unsignedInteger(8);
  case DType::uint16:
    return unsignedInteger(16);
  case DType::uint32:
    return unsignedInteger(32);
  case DType::uint64:
    return unsignedInteger(64);
  case DType::boolean:
    return builder.getI1Type();
  }
  return {};
}

std::string describe(llvm::StringRef message, llvm::ArrayRef<import::Unsupported> unsupported) {
  return unsupported.empty() ? message.str()
                             : unsupported.front().op + ": " + unsupported.front().reason;
}

/// The values of the inputs named, in that order.
bool select(const Tensors &inputs, llvm::ArrayRef<std::string> names,
            std::vector<TensorValue> &values, std::string &error) {
  for (const std::string &name : names) {
    auto input = inputs.find(name);
    if (input == inputs.end()) {
      error = "input '" + name + "' has no value";
      return false;
    }
    values.push_back(input->second);
  }
  return true;
}

std::string nameOf(Attribute attribute) { return cast<StringAttr>(attribute).str(); }

} // namespace

Outcome runCompiled(const std::string &path, const import::ImportOptions &imports,
                    const Tensors &inputs, MLIRContext &context) {
  driver::CompileOptions options;
  options.import = imports;
  driver::CompileResult compiled = driver::compileFile(path, options, context);
  Outcome outcome;
  if (!compiled.ok()) {
    outcome.unsupported = !compiled.unsupported.empty();
    outcome.error = describe(compiled.message, compiled.unsupported);
    return outcome;
  }
  test::CompiledModel model(std::move(compiled));
  outcome.error = model.error();
  if (!model.ok())
    return outcome;

  std::vector<std::string> names, bytes;
  for (const TensorInfo &info : model.artifact().inputs())
    names.push_back(info.name);
  std::vector<TensorValue> values;
  if (!select(inputs, names, values, outcome.error))
    return outcome;
  for (const TensorValue &value : values)
    bytes.emplace_back(value.bytes.begin(), value.bytes.end());
  std::vector<std::string> results = model.run(bytes);
  outcome.error = model.error();
  for (auto [info, result] : llvm::zip(model.artifact().outputs(), results)) {
    auto type = RankedTensorType::get(info.dims, typeOf(info.dtype, Builder(&context)));
    outcome.outputs[info.name] = {type, std::vector<char>(result.begin(), result.end())};
  }
  return outcome;
}

/// Evaluates what was imported.
static Outcome evaluate(const import::ImportResult &imported, const Tensors &inputs) {
  Outcome outcome;
  if (imported.status != import::ImportStatus::Ok) {
    outcome.unsupported = !imported.unsupported.empty();
    outcome.error = describe(imported.message, imported.unsupported);
    return outcome;
  }
  auto main = imported.module.get().lookupSymbol<func::FuncOp>("main");
  std::vector<std::string> names;
  for (unsigned i = 0; i < main.getNumArguments(); ++i)
    names.push_back(nameOf(main.getArgAttr(i, "nest.name")));
  std::vector<TensorValue> values;
  if (!select(inputs, names, values, outcome.error))
    return outcome;
  SmallVector<TensorValue> results;
  if (failed(reference::evaluate(main, values, results)))
    outcome.error = "the reference evaluator failed";
  for (auto [i, result] : llvm::enumerate(results))
    outcome.outputs[nameOf(main.getResultAttr(i, "nest.name"))] = result;
  return outcome;
}

Outcome runReference(const std::string &path, const import::ImportOptions &options,
                     const Tensors &inputs, MLIRContext &context) {
  return evaluate(import::importFile(path, options, context), inputs);
}

Outcome runExported(const std::string &path, const import::ImportOptions &options,
                    const Tensors &inputs, MLIRContext &context) {
  import::ImportResult imported = import::importFile(path, options, context);
  if (imported.status != import::ImportStatus::Ok)
    return evaluate(imported, inputs);
  driver::DiagnosticCollector diagnostics(context);
  PassManager manager(&context);
  buildPreparePipeline(manager);
  FailureOr<std::string> model = failure();
  if (succeeded(manager.run(*imported.module)))
    model = onnx_export::exportFunction(imported.module->lookupSymbol<func::FuncOp>("main"), {});
  if (failed(model))
    return {{}, diagnostics.errors(), /*unsupported=*/false};
  Outcome outcome = evaluate(import::importBytes(*model, ".", {}, context), inputs);
  if (!outcome.error.empty())
    outcome.error = "exported: " + outcome.error;
  outcome.unsupported = false;
  return outcome;
}

} // namespace nestor::conformance
