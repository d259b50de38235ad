//===- Commands.cpp - What nestorc's commands share; check and ops --------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "Commands.h"

#include "compiler/driver/TensorFile.h"

#include "llvm/Support/JSON.h"
#include "llvm/Support/raw_ostream.h"

using namespace llvm;
namespace import = nestor::import;

namespace nestorc {

void printError(StringRef message) {
  SmallVector<StringRef> lines;
  message.split(lines, '\n', -1, /*KeepEmpty=*/false);
  for (StringRef line : lines)
    errs() << "nestorc: " << line << "\n";
}

void printUnsupported(ArrayRef<import::Unsupported> nodes) {
  for (const import::Unsupported &node : nodes) {
    errs() << "  " << node.op << " (opset " << node.opset << ") at node '" << node.node
           << "': " << node.reason << "\n";
    if (!node.hint.empty())
      errs() << "      " << node.hint << "\n";
  }
}

ExitStatus makeImportOptions(const ModelArguments &arguments, mlir::MLIRContext &context,
                             import::ImportOptions &options) {
  options.shapes = arguments.shapes;
  for (const auto &[name, path] : arguments.bindings) {
    Expected<nestor::reference::TensorValue> value = nestor::driver::readTensorFile(path, context);
    if (!value) {
      printError("--bind " + name + ": " + toString(value.takeError()));
      return ExitStatus::Corrupt;
    }
    options.bindings[name] = std::move(*value);
  }
  return ExitStatus::Ok;
}

ExitStatus runCheck(const CheckArguments &arguments) {
  std::unique_ptr<mlir::MLIRContext> context = nestor::driver::createContext();
  import::ImportOptions options;
  if (ExitStatus status = makeImportOptions(arguments.model, *context, options);
      status != ExitStatus::Ok)
    return status;
  import::ImportResult result = import::importFile(arguments.model.path, options, *context);
  if (result.status != import::ImportStatus::Ok &&
      result.status != import::ImportStatus::Unsupported) {
    printError(result.message);
    return static_cast<ExitStatus>(result.status);
  }
  bool supported = result.status == import::ImportStatus::Ok;
  if (arguments.json) {
    json::Array nodes;
    for (const import::Unsupported &node : result.unsupported)
      nodes.push_back(json::Object{{"op", node.op},
                                   {"opset", node.opset},
                                   {"node", node.node},
                                   {"reason", node.reason},
                                   {"hint", node.hint}});
    json::Object report{
        {"schema_version", 1}, {"supported", supported}, {"unsupported", std::move(nodes)}};
    outs() << formatv("{0:2}", json::Value(std::move(report))) << "\n";
  } else if (supported) {
    outs() << arguments.model.path << ": every node is supported (opset " << result.opset << ")\n";
  } else {
    printError(result.message);
    printUnsupported(result.unsupported);
  }
  return supported ? ExitStatus::Ok : ExitStatus::Unsupported;
}

ExitStatus runOps(const OpsArguments &arguments) {
  ArrayRef<import::ImportRule> rules = import::ImportRegistry::instance().rules();
  std::vector<const import::ImportRule *> sorted;
  for (const import::ImportRule &rule : rules)
    sorted.push_back(&rule);
  llvm::stable_sort(sorted, [](const auto *a, const auto *b) {
    return std::tie(a->domain, a->op, a->minOpset) < std::tie(b->domain, b->op, b->minOpset);
  });
  if (arguments.json) {
    json::Array operators;
    for (const import::ImportRule *rule : sorted)
      operators.push_back(json::Object{{"domain", rule->domain},
                                       {"op", rule->op},
                                       {"min_opset", rule->minOpset},
                                       {"max_opset", rule->maxOpset},
                                       {"limits", rule->limits}});
    json::Object report{{"schema_version", 1}, {"operators", std::move(operators)}};
    outs() << formatv("{0:2}", json::Value(std::move(report))) << "\n";
    return ExitStatus::Ok;
  }
  outs() << "| Operator | Opsets | Limits |\n|---|---|---|\n";
  for (const import::ImportRule *rule : sorted) {
    outs() << "| " << rule->domain << (rule->domain.empty() ? "" : ".") << rule->op << " | "
           << rule->minOpset << "-" << rule->maxOpset << " | " << rule->limits << " |\n";
  }
  return ExitStatus::Ok;
}

} // namespace nestorc
