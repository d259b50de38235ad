//===- Models.h - Real models beside the checkout ---------------*- C++ -*-===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
#ifndef NESTOR_TEST_PASSES_MODELS_H
#define NESTOR_TEST_PASSES_MODELS_H

#include "llvm/Support/FileSystem.h"

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <string>

namespace nestor::test {

/// The folder of models beside the checkout; empty where there is none.
inline std::string modelFolder() {
  std::string source = NESTOR_SOURCE_DIR;
  const char *chosen = std::getenv("NESTOR_SHARED");
  for (std::string shared :
       {std::string(chosen ? chosen : source + "/../shared"), source + "/../../shared"})
    if (llvm::sys::fs::is_directory(shared + "/models"))
      return shared + "/models/";
  return "";
}

/// `name` as googletest allows it.
inline std::string testName(std::string name) {
  std::replace_if(name.begin(), name.end(), [](char c) { return !std::isalnum(c); }, '_');
  return name;
}

} // namespace nestor::test

#endif // NESTOR_TEST_PASSES_MODELS_H
