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
};

/// From an imported module to one whose operations are kernel calls.
void buildNestPipeline(mlir::OpPassManager &manager, const PipelineOptions &options);

/// Makes the passes and `nest-pipeline` known by name.
void registerNestPasses();

} // namespace nestor

#endif // NESTOR_PASSES_PASSES_H
