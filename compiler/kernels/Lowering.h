//===- Lowering.h - Kernels to object code ----------------------*- C++ -*-===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
#ifndef NESTOR_KERNELS_LOWERING_H
#define NESTOR_KERNELS_LOWERING_H

#include "compiler/kernels/Kernel.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/DialectRegistry.h"
#include "mlir/IR/PatternMatch.h"
#include "llvm/ADT/SmallVector.h"

#include <memory>

namespace llvm {
class LLVMContext;
class Module;
} // namespace llvm

namespace nestor::kernels {

/// The dialects of kernel bodies, and what translates them to LLVM IR. A
/// context in which kernels are emitted needs them.
void registerKernelDialects(mlir::DialectRegistry &registry);

/// A relocatable ELF object in memory.
using ObjectBuffer = llvm::SmallVector<char, 0>;

/// Compiles the kernels in `module` (as `emitKernel` leaves them; the module is
/// consumed) into one or more objects to be linked together. The objects do
/// not depend on `threads`. They are position independent and have no
/// undefined symbol: what they compute, they contain. A failure is reported as
/// an error at the module.
mlir::LogicalResult lowerToObjects(mlir::ModuleOp module, const TargetInfo &target, unsigned threads,
                                   llvm::SmallVectorImpl<ObjectBuffer> &objects);

/// Translates the kernels in `module` (as `emitKernel` leaves them; the module
/// is consumed) to LLVM IR. Null after an error at the module.
std::unique_ptr<llvm::Module> lowerToLLVM(mlir::ModuleOp module, const TargetInfo &target,
                                          llvm::LLVMContext &context);

/// Rewrites `math` and `arith` operations that would become calls of libm or
/// of the compiler's support library into ones that become instructions.
void populateMathLowering(mlir::RewritePatternSet &patterns, const TargetInfo &target);

/// The part of it that makes activations fast (VectorMath.cpp).
void populateVectorMath(mlir::RewritePatternSet &patterns, const TargetInfo &target);

} // namespace nestor::kernels

#endif // NESTOR_KERNELS_LOWERING_H
