//===- Import.h - ONNX files to nest functions ------------------*- C++ -*-===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
#ifndef NESTOR_IMPORT_IMPORT_H
#define NESTOR_IMPORT_IMPORT_H

#include "compiler/import/NodeImporter.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"

#include <map>

namespace nestor::import {

struct ImportOptions {
  /// Fixed shapes by input name (`--shape`).
  std::map<std::string, std::vector<int64_t>> shapes;
  /// Inputs with values known at compile time (`--bind NAME=@file`); they stop
  /// being inputs of the artifact.
  std::map<std::string, reference::TensorValue> bindings;
};

/// How an import ended; the numbers are the exit codes of the command line.
enum class ImportStatus { Ok = 0, Usage = 2, Unsupported = 3, Corrupt = 4 };

struct ImportResult {
  ImportStatus status = ImportStatus::Ok;
  std::string message;                  ///< For people; names the file and the field.
  std::vector<Unsupported> unsupported; ///< All of them, in graph order.
  std::vector<std::string> notes;       ///< "batch dimension of x set to 1", ...
  int64_t irVersion = 0, opset = 0;
  /// A module with `func.func @main`; argument and result attributes
  /// `nest.name` hold the ONNX names, the module attribute `nest.model` the
  /// graph's name.
  mlir::OwningOpRef<mlir::ModuleOp> module;
};

/// Reads and imports an ONNX file. Never crashes on bad input.
ImportResult importFile(llvm::StringRef path, const ImportOptions &options, mlir::MLIRContext &context);

/// The same from memory; `directory` is where external data lies.
ImportResult importBytes(llvm::StringRef bytes, llvm::StringRef directory, const ImportOptions &options,
                         mlir::MLIRContext &context);

} // namespace nestor::import

#endif // NESTOR_IMPORT_IMPORT_H
