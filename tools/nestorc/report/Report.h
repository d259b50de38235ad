//===- Report.h - The page of compile --report ------------------*- C++ -*-===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
#ifndef NESTORC_REPORT_REPORT_H
#define NESTORC_REPORT_REPORT_H

#include "llvm/Support/Error.h"
#include "llvm/Support/JSON.h"

#include <string>

namespace nestorc {

/// A page of HTML that shows the document of `compile --json`. It needs no
/// other file and no network; names from the model cannot become markup.
std::string renderReport(const llvm::json::Value &document);

/// Writes the page. A failure leaves no file behind.
llvm::Error writeReport(const llvm::json::Value &document, llvm::StringRef path);

} // namespace nestorc

#endif // NESTORC_REPORT_REPORT_H
