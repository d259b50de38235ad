//===- KnownFailures.cpp - The list of cases that may fail ----------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "test/conformance/KnownFailures.h"

#include <fstream>

namespace nestor::conformance {

bool readKnownFailures(const std::string &path, KnownFailures &failures) {
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    size_t colon = line.find(": ");
    if (!line.empty() && line[0] != '#' && colon != std::string::npos)
      failures[line.substr(0, colon)] = line.substr(colon + 2);
  }
  return file.eof();
}

bool writeKnownFailures(const std::string &path, const KnownFailures &failures) {
  std::ifstream old(path);
  std::string text;
  for (std::string line; std::getline(old, line) && !line.empty() && line[0] == '#';)
    text += line + "\n";
  for (const auto &[name, reason] : failures)
    text += name + ": " + reason + "\n";
  std::ofstream file(path);
  file << text;
  return bool(file.flush());
}

} // namespace nestor::conformance
