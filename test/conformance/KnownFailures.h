//===- KnownFailures.h - The list of cases that may fail --------*- C++ -*-===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
#ifndef NESTOR_TEST_CONFORMANCE_KNOWNFAILURES_H
#define NESTOR_TEST_CONFORMANCE_KNOWNFAILURES_H

#include <map>
#include <string>

namespace nestor::conformance {

/// Reasons by case name.
using KnownFailures = std::map<std::string, std::string>;

/// Reads `name: reason` lines; `#` begins a comment. Returns false if the file
/// cannot be read.
bool readKnownFailures(const std::string &path, KnownFailures &failures);

/// Writes the list back, its leading comment kept.
bool writeKnownFailures(const std::string &path, const KnownFailures &failures);

} // namespace nestor::conformance

#endif // NESTOR_TEST_CONFORMANCE_KNOWNFAILURES_H
