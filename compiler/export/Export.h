//===- Export.h - nest functions to ONNX models -----------------*- C++ -*-===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
//
// The way back: one capacity of a nested module becomes a plain ONNX model.
// Functions are those that `buildPreparePipeline` and `nestCapacities` leave:
// channels last and unfused, filters constants or `nest.weight`s, with an
// optional private scale and bias that the model's weights then contain.
//
// The model has the function's inputs and outputs under their names. An input
// that the artifact takes as uint8 images, channels last, is one of the model
// too: its normalisation is part of the graph, so that the model computes what
// the artifact computes from the same bytes.
//
//===----------------------------------------------------------------------===//
#ifndef NESTOR_EXPORT_EXPORT_H
#define NESTOR_EXPORT_EXPORT_H

#include "mlir/Dialect/Func/IR/FuncOps.h"

#include <string>

namespace nestor::onnx_export {

struct ExportOptions {
  std::string description;     ///< The model's doc string.
  std::string producerVersion; ///< Of nestorc.
};

/// The bytes of an ONNX model that computes `function`. Its opset is 17, or the
/// first that has all operators it needs. Fails with an error at an operation
/// that ONNX cannot express.
mlir::FailureOr<std::string> exportFunction(mlir::func::FuncOp function,
                                            const ExportOptions &options);

} // namespace nestor::onnx_export

#endif // NESTOR_EXPORT_EXPORT_H
