//===- Backend.h - What runs a conformance case -----------------*- C++ -*-===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
#ifndef NESTOR_TEST_CONFORMANCE_BACKEND_H
#define NESTOR_TEST_CONFORMANCE_BACKEND_H

#include "test/conformance/Case.h"

namespace nestor::conformance {

/// What came of a model and its inputs: outputs, or an error.
struct Outcome {
  Tensors outputs;
  std::string error;        ///< Empty if there are outputs.
  bool unsupported = false; ///< The importer said no.
};

/// Runs the model at `path` on `inputs`, of which the bound ones are in
/// `options`. The outputs' types belong to `context`, as the inputs' do.
using Backend = Outcome (*)(const std::string &path, const import::ImportOptions &options,
                            const Tensors &inputs, mlir::MLIRContext &context);

/// Compiles to an artifact in memory and runs it with the runtime.
Outcome runCompiled(const std::string &path, const import::ImportOptions &options,
                    const Tensors &inputs, mlir::MLIRContext &context);

/// Imports, and evaluates with the reference evaluator.
Outcome runReference(const std::string &path, const import::ImportOptions &options,
                     const Tensors &inputs, mlir::MLIRContext &context);

/// Imports, prepares, exports, imports that, and evaluates it with the
/// reference evaluator. What ONNX cannot express counts as unsupported.
Outcome runExported(const std::string &path, const import::ImportOptions &options,
                    const Tensors &inputs, mlir::MLIRContext &context);

} // namespace nestor::conformance

#endif // NESTOR_TEST_CONFORMANCE_BACKEND_H
