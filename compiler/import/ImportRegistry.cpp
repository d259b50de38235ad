//===- ImportRegistry.cpp - The table of supported operators --------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "compiler/import/NodeImporter.h"

#include "llvm/Support/raw_ostream.h"

#include <algorithm>
#include <map>

namespace nestor::import {

const ImportRegistry &ImportRegistry::instance() {
  static const ImportRegistry registry = [] {
    ImportRegistry all;
    for (auto *registerRules :
         {registerConvolutionRules, registerMatrixRules, registerPoolingRules,
          registerNormalizationRules, registerRecurrentRules, registerResizeRules,
          registerControlFlowRules, registerArithmeticRules, registerActivationRules,
          registerMathRules, registerLogicRules, registerCastRules, registerReductionRules,
          registerSoftmaxRules, registerShapeRules, registerReshapeRules, registerSlicingRules,
          registerIndexingRules, registerQuantizationRules})
      registerRules(all);
    return all;
  }();
  return registry;
}

void ImportRegistry::add(ImportRule rule) {
  assert(rule.minOpset <= rule.maxOpset && "empty range of opsets");
  all.push_back(rule);
}

const ImportRule *ImportRegistry::find(llvm::StringRef domain, llvm::StringRef op,
                                       int64_t opset) const {
  for (const ImportRule &rule : all)
    if (rule.op == op && rule.domain == domain && rule.minOpset <= opset && opset <= rule.maxOpset)
      return &rule;
  return nullptr;
}

bool ImportRegistry::knows(llvm::StringRef domain, llvm::StringRef op) const {
  return llvm::any_of(
      all, [&](const ImportRule &rule) { return rule.op == op && rule.domain == domain; });
}

void ImportRegistry::printTable(llvm::raw_ostream &stream) const {
  struct Row {
    int64_t minOpset, maxOpset;
    std::string limits;
  };
  std::map<std::string, Row> rows;
  for (const ImportRule &rule : all) {
    std::string name = rule.domain.empty() ? rule.op.str() : (rule.domain + "." + rule.op).str();
    auto [row, isNew] =
        rows.try_emplace(name, Row{rule.minOpset, rule.maxOpset, rule.limits.str()});
    if (isNew)
      continue;
    row->second.minOpset = std::min(row->second.minOpset, rule.minOpset);
    row->second.maxOpset = std::max(row->second.maxOpset, rule.maxOpset);
    if (row->second.limits.empty())
      row->second.limits = rule.limits.str();
  }
  stream << "| Operator | Opsets | Limits |\n|---|---|---|\n";
  for (const auto &[name, row] : rows)
    stream << "| " << name << " | " << row.minOpset << "-" << row.maxOpset << " | " << row.limits
           << " |\n";
}

} // namespace nestor::import
