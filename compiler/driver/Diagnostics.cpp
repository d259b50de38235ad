//===- Diagnostics.cpp - MLIR's diagnostics as sentences ------------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "compiler/driver/Diagnostics.h"

#include "compiler/package/Plan.h"

#include "llvm/ADT/StringExtras.h"

using namespace mlir;

namespace nestor::driver {
namespace {

std::string sentence(Diagnostic &diagnostic) {
  std::string text;
  if (std::string node = package::layerName(diagnostic.getLocation()); !node.empty())
    text = "node '" + node + "': ";
  else if (auto file = dyn_cast<FileLineColLoc>(diagnostic.getLocation()))
    text = (file.getFilename().getValue() + ":" + llvm::Twine(file.getLine()) + ": ").str();
  return text + diagnostic.str();
}

} // namespace

DiagnosticCollector::DiagnosticCollector(MLIRContext &context)
    : handler(&context, [this](Diagnostic &diagnostic) {
        std::lock_guard<std::mutex> lock(mutex);
        if (diagnostic.getSeverity() == DiagnosticSeverity::Error)
          errorList.push_back(sentence(diagnostic));
        else if (diagnostic.getSeverity() == DiagnosticSeverity::Warning)
          warningList.push_back(sentence(diagnostic));
        return success();
      }) {}

std::string DiagnosticCollector::errors() const {
  std::lock_guard<std::mutex> lock(mutex);
  return llvm::join(errorList, "\n");
}

} // namespace nestor::driver
