//===- Case.h - One case of the ONNX conformance data -----------*- C++ -*-===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
#ifndef NESTOR_TEST_CONFORMANCE_CASE_H
#define NESTOR_TEST_CONFORMANCE_CASE_H

#include "compiler/import/Import.h"

#include <map>
#include <set>
#include <string>
#include <vector>

namespace nestor::conformance {

using Tensors = std::map<std::string, reference::TensorValue>; ///< By ONNX name.

/// Inputs and the outputs that they must give.
struct DataSet {
  Tensors inputs, outputs;
};

/// A directory with `model.onnx` and `test_data_set_*`.
struct Case {
  std::string name; ///< node/test_abs.
  std::string path;
};

/// All cases under `root`, by group and name. Directories without a model
/// (networks that would have to be downloaded) are none.
std::vector<Case> findCases(llvm::StringRef root);

/// What a case consists of, once read.
struct LoadedCase {
  std::vector<DataSet> sets;
  /// Inputs that only give shapes, axes, counts or positions to the nodes that
  /// read them, and may therefore be bound at compile time.
  std::set<std::string> bindable;
  std::string error; ///< Why it could not be read; empty if it could.
};
LoadedCase load(const Case &which, mlir::MLIRContext &context);

/// Where `actual` differs from `expected`; empty if it does not. Types and
/// shapes are equal, and elements within ONNX's own tolerances.
std::string compare(const reference::TensorValue &actual, const reference::TensorValue &expected);

} // namespace nestor::conformance

#endif // NESTOR_TEST_CONFORMANCE_CASE_H
