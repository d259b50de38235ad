//===- Passes.h - Passes over the nest dialect ------------------*- C++ -*-===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
#ifndef NESTOR_PASSES_PASSES_H
#define NESTOR_PASSES_PASSES_H

#include "compiler/ir/NestDialect.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Pass/Pass.h"
#include "mlir/Pass/PassOptions.h"

namespace nestor {

#define GEN_PASS_DECL
#include "passes/Passes.h.inc"

struct PipelineOptions : mlir::PassPipelineOptions<PipelineOptions> {
  Option<bool> packFilters{*this, "pack-filters",
                           llvm::cl::desc("give convolutions packed filters; kernels need them"),
                           llvm::cl::init(true)};
  Option<bool> fuseAcrossCuts{*this, "fuse-across-cuts",
                              llvm::cl::desc("fuse also what a cut lies between"),
                              llvm::cl::init(false)};
};

/// From an imported module to one in which batch norms are folded, tensors are
/// channels last and nothing is fused yet: what nesting and learning work on.
void buildPreparePipeline(mlir::OpPassManager &manager);

/// From there to operations that are kernel calls: fusing and packing.
void buildFinishPipeline(mlir::OpPassManager &manager, const PipelineOptions &options);

/// Packing alone, for a module that `buildFinishPipeline` left unpacked and others
/// have changed since.
void buildPackPipeline(mlir::OpPassManager &manager);

/// Preparing and finishing, with `nest-find-cuts` between them.
void buildNestPipeline(mlir::OpPassManager &manager, const PipelineOptions &options);

/// Makes the passes and `nest-pipeline` known by name.
void registerNestPasses();

} // namespace nestor

#endif // NESTOR_PASSES_PASSES_H
