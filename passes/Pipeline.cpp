//===- Pipeline.cpp - The order in which the passes run -------------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "passes/Passes.h"

#include "mlir/Pass/PassManager.h"
#include "mlir/Pass/PassRegistry.h"
#include "mlir/Transforms/Passes.h"

using namespace mlir;

namespace nestor {

#define GEN_PASS_REGISTRATION
#include "passes/Passes.h.inc"

static void addCleanup(OpPassManager &func) {
  func.addPass(createCanonicalizerPass());
  func.addPass(createCSEPass());
}

static void addFolding(OpPassManager &func) {
  func.addPass(createFoldConstantsPass());
  addCleanup(func);
}

static void addPacking(OpPassManager &func) {
  func.addPass(createPackFiltersPass());
  func.addPass(createPackRecurrentPass());
}

void buildPreparePipeline(OpPassManager &manager) {
  OpPassManager &func = manager.nest<func::FuncOp>();
  addFolding(func);
  // Channels last first: batch norms and activations are then next to the
  // convolutions that they belong to.
  func.addPass(createPropagateLayoutPass());
  addFolding(func);
  func.addPass(createFoldBatchNormPass());
  func.addPass(createLowerConvTransposePass());
  func.addPass(createRecognizeNormalizationPass());
  func.addPass(createSliceBeforeReshapePass());
  func.addPass(createDenseToWindowPass());
  addCleanup(func);
}

void buildFinishPipeline(OpPassManager &manager, const PipelineOptions &options) {
  OpPassManager &func = manager.nest<func::FuncOp>();
  // Gradients of strided convolutions are transposed ones.
  func.addPass(createLowerConvTransposePass());
  func.addPass(createFusePass({options.fuseAcrossCuts}));
  addCleanup(func);
  if (options.packFilters)
    addPacking(func);
  addFolding(func);
  if (!options.packFilters)
    return;
  func.addPass(createReadPlanarInputsPass());
  func.addPass(createSumRowsPass());
}

void buildPackPipeline(OpPassManager &manager) {
  OpPassManager &func = manager.nest<func::FuncOp>();
  func.addPass(createCanonicalizerPass());
  addPacking(func);
  addFolding(func);
}

void buildNestPipeline(OpPassManager &manager, const PipelineOptions &options) {
  buildPreparePipeline(manager);
  manager.addNestedPass<func::FuncOp>(createFindCutsPass());
  buildFinishPipeline(manager, options);
}

void registerNestPasses() {
  registerNestorPasses();
  PassPipelineRegistration<PipelineOptions>(
      "nest-pipeline", "everything between import and kernels", buildNestPipeline);
}

} // namespace nestor
