//===- CompiledModel.h - Compile and run in one process ---------*- C++ -*-===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
#ifndef NESTOR_TEST_SUPPORT_COMPILEDMODEL_H
#define NESTOR_TEST_SUPPORT_COMPILEDMODEL_H

#include "compiler/driver/Compile.h"

#include "nestor/nestor.hpp"

#include <memory>
#include <string>
#include <vector>

namespace nestor::test {

/// A compiled model and a session on it, without a file in between.
class CompiledModel {
public:
  /// Opens what was compiled. Where that fails, `error()` says why.
  explicit CompiledModel(driver::CompileResult result);

  const std::string &error() const { return problem; }
  bool ok() const { return problem.empty(); }
  Session &session() { return *running; }
  const Artifact &artifact() const { return *opened; }

  /// Runs on raw input bytes, in the order of the model's inputs, and returns
  /// raw output bytes. Where that fails, `error()` says why.
  std::vector<std::string> run(llvm::ArrayRef<std::string> inputs);

private:
  std::unique_ptr<llvm::MemoryBuffer> bytes;
  std::optional<Artifact> opened;
  std::optional<Session> running;
  std::string problem;
};

/// The error that accuracy is stated in: the largest difference of an element, divided by the
/// range of the expected ones (an absolute error where all are equal). NaN and
/// infinity must be where they are expected; otherwise infinity is returned.
double relativeError(llvm::ArrayRef<float> actual, llvm::ArrayRef<float> expected);

/// The directory with models and data that are not in the repository, from
/// NESTOR_SHARED or beside the checkout; empty where there is none.
std::string sharedDirectory();

} // namespace nestor::test

#endif // NESTOR_TEST_SUPPORT_COMPILEDMODEL_H
