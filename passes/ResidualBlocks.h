//===- ResidualBlocks.h - Leaving residual branches out ---------*- C++ -*-===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
#ifndef NESTOR_PASSES_RESIDUALBLOCKS_H
#define NESTOR_PASSES_RESIDUALBLOCKS_H

#include "passes/ChannelGroups.h"

#include "mlir/IR/Builders.h"

namespace nestor {

/// What `block.add` computes if its branch is zero; `shortcut` stands for the
/// other operand.
mlir::Value buildWithoutBranch(mlir::OpBuilder &builder, const ResidualBlock &block,
                               mlir::Value shortcut);

/// relu(relu(x)), as leaving out a block between them leaves it, is relu(x).
void dropRepeatedClamps(mlir::func::FuncOp func);

} // namespace nestor

#endif // NESTOR_PASSES_RESIDUALBLOCKS_H
