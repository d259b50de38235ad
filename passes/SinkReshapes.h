//===- SinkReshapes.h - Reshapes step aside for fusion ----------*- C++ -*-===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
#ifndef NESTOR_PASSES_SINKRESHAPES_H
#define NESTOR_PASSES_SINKRESHAPES_H

#include "mlir/IR/PatternMatch.h"

namespace nestor {

/// map(reshape(x)) -> reshape(map(x)) where x is a product or a map that the
/// map can then join.
void populateSinkReshapePatterns(mlir::RewritePatternSet &patterns);

} // namespace nestor

#endif // NESTOR_PASSES_SINKRESHAPES_H
