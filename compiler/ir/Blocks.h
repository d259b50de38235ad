//===- Blocks.h - Which block each operation belongs to ---------*- C++ -*-===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
//
// `nest-find-cuts` cuts a function into blocks: it writes their number onto the
// function and each operation's block onto the operation. Later passes make
// operations without one, and leave some out. So the block of an operation is
// always asked for here, and a capacity's function has the blocks of the full
// one, of which some may be empty.
//
//===----------------------------------------------------------------------===//
#ifndef NESTOR_IR_BLOCKS_H
#define NESTOR_IR_BLOCKS_H

#include "compiler/ir/NestDialect.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"

#include <optional>

namespace nestor::nest {

/// On a function: how many blocks it has.
inline constexpr llvm::StringLiteral kBlockCountAttr = "nest.block_count";
/// On an operation: its block.
inline constexpr llvm::StringLiteral kBlockAttr = "nest.block";
/// On an operation that was fused across cuts: the first block of its parts.
inline constexpr llvm::StringLiteral kFirstBlockAttr = "nest.first_block";

using BlockNumbers = llvm::DenseMap<mlir::Operation *, unsigned>;

/// None where nothing has cut `func`.
std::optional<unsigned> blockCount(mlir::func::FuncOp func);

/// The number that `op` carries as `name`.
std::optional<unsigned> blockNumber(mlir::Operation *op, llvm::StringRef name = kBlockAttr);
void setBlockNumber(mlir::Operation *op, unsigned number, llvm::StringRef name = kBlockAttr);

/// The block of every operation of `func`, constants included: the one that it
/// carries, but none before those of its operands. Without one it joins the last
/// of its operands, and where all of those are constants or arguments, the first
/// of its users.
BlockNumbers blocksOf(mlir::func::FuncOp func);

/// The same, with `numbers` for what operations carry.
BlockNumbers blocksOf(mlir::func::FuncOp func,
                      llvm::function_ref<std::optional<unsigned>(mlir::Operation *)> numbers);

/// Makes every operation but constants carry its block.
void labelBlocks(mlir::func::FuncOp func);
/// Makes `func` one that nothing has cut.
void removeBlocks(mlir::func::FuncOp func);

} // namespace nestor::nest

#endif // NESTOR_IR_BLOCKS_H
