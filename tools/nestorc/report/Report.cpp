//===- Report.cpp - The page of compile --report --------------------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "Report.h"

#include "llvm/Support/FileOutputBuffer.h"
#include "llvm/Support/FormatVariadic.h"

using namespace llvm;

/// The page around the data, in the order of the build's embedding: up to the
/// data, and after it (EmbedPage.cmake).
extern const char *const kReportBefore;
extern const char *const kReportAfter;

namespace nestorc {

std::string renderReport(const json::Value &document) {
  std::string page = kReportBefore;
  // Inside a script element only "<" can end or open something.
  for (char c : formatv("{0}", document).str()) {
    if (c == '<')
      page += "\\u003c";
    else
      page += c;
  }
  return page + kReportAfter;
}

Error writeReport(const json::Value &document, StringRef path) {
  std::string page = renderReport(document);
  Expected<std::unique_ptr<FileOutputBuffer>> buffer = FileOutputBuffer::create(path, page.size());
  if (!buffer)
    return buffer.takeError();
  llvm::copy(page, (*buffer)->getBufferStart());
  return (*buffer)->commit();
}

} // namespace nestorc
