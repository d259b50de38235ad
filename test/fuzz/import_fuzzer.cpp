//===- import_fuzzer.cpp - Arbitrary bytes into the importer --------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
//
// A libFuzzer target when built with NESTOR_BUILD_FUZZERS (clang); otherwise
// linked with replay_main.cpp, which runs it over the corpus. Nothing that the
// input describes is executed but the folding of its constants.
//
//   nestor_import_fuzzer -max_len=65536 -timeout=10 -rss_limit_mb=2048 corpus/import
//
//===----------------------------------------------------------------------===//

#include "compiler/import/Import.h"

#include <cstdio>
#include <cstdlib>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  constexpr size_t kMaxSize = 64 << 10;
  if (size > kMaxSize)
    return 0;
  mlir::MLIRContext context(mlir::MLIRContext::Threading::DISABLED);
  llvm::StringRef bytes(reinterpret_cast<const char *>(data), size);
  // A directory that does not exist: external data must not read real files.
  nestor::import::ImportResult result = nestor::import::importBytes(
      bytes, "/nonexistent/fuzz", nestor::import::ImportOptions(), context);
  bool ok = result.status == nestor::import::ImportStatus::Ok;
  if (ok != bool(result.module) || ok != result.message.empty()) {
    std::fprintf(stderr, "status and result disagree: %s\n", result.message.c_str());
    std::abort();
  }
  return 0;
}
