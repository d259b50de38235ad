//===- RandomGraph.h - Networks as an importer would leave them -*- C++ -*-===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
#ifndef NESTOR_TEST_PASSES_RANDOMGRAPH_H
#define NESTOR_TEST_PASSES_RANDOMGRAPH_H

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"

namespace nestor::test {

/// A module whose `main` is a small random network on channels-first tensors,
/// convolutions and poolings wrapped in transposes. The dialects must be loaded.
mlir::OwningOpRef<mlir::ModuleOp> randomGraph(mlir::MLIRContext &context, unsigned seed);

/// The same, but made of what networks consist of between their input and
/// their output: most channels can be left out.
mlir::OwningOpRef<mlir::ModuleOp> randomNetwork(mlir::MLIRContext &context, unsigned seed);

} // namespace nestor::test

#endif // NESTOR_TEST_PASSES_RANDOMGRAPH_H
