//===- export_model.cpp - A model as export leaves it ---------------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
//
//   nestor_export_model IN.onnx OUT.onnx [NAME=N,N,..]...
//
// Imports, prepares and exports, without nesting, code or an artifact between.
//
//===----------------------------------------------------------------------===//

#include "compiler/driver/Compile.h"
#include "compiler/driver/Diagnostics.h"
#include "compiler/export/Export.h"
#include "passes/Passes.h"

#include "mlir/Pass/PassManager.h"
#include "llvm/Support/raw_ostream.h"

#include <fstream>

using namespace mlir;

int main(int count, char **arguments) {
  if (count < 3)
    return 2;
  std::unique_ptr<MLIRContext> context = nestor::driver::createContext();
  nestor::driver::DiagnosticCollector diagnostics(*context);
  nestor::import::ImportOptions options;
  for (int i = 3; i < count; ++i) {
    auto [name, list] = StringRef(arguments[i]).split('=');
    SmallVector<StringRef> extents;
    list.split(extents, ',');
    for (StringRef extent : extents)
      options.shapes[name.str()].push_back(std::stoll(extent.str()));
  }
  auto imported = nestor::import::importFile(arguments[1], options, *context);
  if (imported.status != nestor::import::ImportStatus::Ok) {
    llvm::errs() << imported.message << "\n";
    return int(imported.status);
  }
  PassManager manager(context.get());
  nestor::buildPreparePipeline(manager);
  FailureOr<std::string> model = failure();
  if (succeeded(manager.run(*imported.module)))
    model = nestor::onnx_export::exportFunction(imported.module->lookupSymbol<func::FuncOp>("main"),
                                                {});
  if (failed(model)) {
    llvm::errs() << diagnostics.errors() << "\n";
    return 5;
  }
  std::ofstream(arguments[2], std::ios::binary) << *model;
  return 0;
}
