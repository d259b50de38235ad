//===- Diagnostics.h - MLIR's diagnostics as sentences ----------*- C++ -*-===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
#ifndef NESTOR_DRIVER_DIAGNOSTICS_H
#define NESTOR_DRIVER_DIAGNOSTICS_H

#include "mlir/IR/Diagnostics.h"

#include <mutex>
#include <string>
#include <vector>

namespace nestor::driver {

/// Collects what a context reports while this object lives, each with the name
/// of the ONNX node that it is about. Thread-safe, as kernels are compiled on
/// several threads.
class DiagnosticCollector {
public:
  explicit DiagnosticCollector(mlir::MLIRContext &context);

  /// The errors, one a line.
  std::string errors() const;
  const std::vector<std::string> &warnings() const { return warningList; }

private:
  mutable std::mutex mutex;
  std::vector<std::string> errorList, warningList;
  mlir::ScopedDiagnosticHandler handler;
};

} // namespace nestor::driver

#endif // NESTOR_DRIVER_DIAGNOSTICS_H
