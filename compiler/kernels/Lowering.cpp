//===- Lowering.cpp - Kernels to object code ------------------------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
//
// Upstream's conversions bring a kernel to LLVM IR; LLVM's O3 pipeline then
// runs without unrolling and without its vectorisers, because the kernels are
// unrolled and vectorised as they should be and what LLVM would add only
// spills. Library functions are hidden from the optimiser, so that it does not
// recognise loops as calls of memcpy or memset.
//
//===----------------------------------------------------------------------===//

#include "compiler/kernels/Lowering.h"
#include "compiler/kernels/ObjectEmitter.h"

#include "mlir/Conversion/Passes.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/ControlFlow/IR/ControlFlow.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/UB/IR/UBOps.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Target/LLVMIR/Dialect/Builtin/BuiltinToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Dialect/LLVMIR/LLVMToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Export.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"
#include "llvm/ADT/ScopeExit.h"
#include "llvm/IR/LLVMContext.h"
#include "llvm/IR/Module.h"

#include <atomic>
#include <thread>

using namespace mlir;
using namespace nestor::kernels;

void nestor::kernels::registerKernelDialects(DialectRegistry &registry) {
  registry.insert<arith::ArithDialect, cf::ControlFlowDialect, func::FuncDialect, LLVM::LLVMDialect,
                  math::MathDialect, scf::SCFDialect, ub::UBDialect, vector::VectorDialect>();
  registerBuiltinDialectTranslation(registry);
  registerLLVMDialectTranslation(registry);
}

namespace {

struct MathLoweringPass : PassWrapper<MathLoweringPass, OperationPass<func::FuncOp>> {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(MathLoweringPass)
  explicit MathLoweringPass(const TargetInfo &target) : target(&target) {}
  StringRef getName() const override { return "MathLowering"; }
  void runOnOperation() override {
    RewritePatternSet patterns(&getContext());
    populateMathLowering(patterns, *target);
    if (failed(applyPatternsGreedily(getOperation(), std::move(patterns))))
      signalPassFailure();
  }
  const TargetInfo *target;
};

void buildLowering(OpPassManager &manager, const TargetInfo &target) {
  manager.addNestedPass<func::FuncOp>(std::make_unique<MathLoweringPass>(target));
  manager.addPass(createSCFToControlFlowPass());
  manager.addPass(createConvertVectorToLLVMPass());
  manager.addPass(createConvertMathToLLVMPass());
  manager.addPass(createArithToLLVMConversionPass());
  manager.addPass(createUBToLLVMConversionPass());
  manager.addPass(createConvertFuncToLLVMPass());
  manager.addPass(createConvertControlFlowToLLVMPass());
  manager.addPass(createReconcileUnrealizedCastsPass());
}

/// Loads the dialects that the lowering makes use of: threads must not.
void loadLoweringDialects(MLIRContext *context, const TargetInfo &target) {
  PassManager manager(context, ModuleOp::getOperationName());
  buildLowering(manager, target);
  DialectRegistry registry;
  manager.getDependentDialects(registry);
  context->appendDialectRegistry(registry);
  context->loadAllAvailableDialects();
}

std::unique_ptr<llvm::Module> translate(ModuleOp module, const TargetInfo &target,
                                        llvm::LLVMContext &context) {
  PassManager manager(module.getContext());
  buildLowering(manager, target);
  if (failed(manager.run(module)))
    return nullptr;
  std::unique_ptr<llvm::Module> translated = translateModuleToLLVMIR(module, context);
  if (!translated)
    module.emitError("kernels do not translate to LLVM IR");
  return translated;
}

LogicalResult compileChunk(ModuleOp module, const TargetInfo &target, ObjectBuffer &object) {
  llvm::LLVMContext context;
  std::unique_ptr<llvm::Module> translated = translate(module, target, context);
  if (!translated)
    return failure();
  std::string error;
  if (!emitObject(*translated, target, object, error))
    return module.emitError() << error;
  return success();
}

/// Moves the kernels into modules of a few functions each: the unit of work of
/// one thread. What a chunk holds does not depend on the number of threads.
SmallVector<OwningOpRef<ModuleOp>> splitIntoChunks(ModuleOp module) {
  constexpr unsigned kernelsPerChunk = 4;
  SmallVector<OwningOpRef<ModuleOp>> chunks;
  unsigned inChunk = kernelsPerChunk;
  for (Operation &op : llvm::make_early_inc_range(module.getOps())) {
    if (inChunk == kernelsPerChunk) {
      chunks.push_back(ModuleOp::create(module.getLoc()));
      inChunk = 0;
    }
    op.moveBefore(chunks.back()->getBody(), chunks.back()->getBody()->end());
    // A kernel's tables stand before it.
    if (isa<func::FuncOp>(op))
      ++inChunk;
  }
  return chunks;
}

} // namespace

std::unique_ptr<llvm::Module> nestor::kernels::lowerToLLVM(ModuleOp module, const TargetInfo &target,
                                                           llvm::LLVMContext &context) {
  loadLoweringDialects(module.getContext(), target);
  initializeTargets();
  return translate(module, target, context);
}

LogicalResult nestor::kernels::lowerToObjects(ModuleOp module, const TargetInfo &target, unsigned threads,
                                              SmallVectorImpl<ObjectBuffer> &objects) {
  MLIRContext *context = module.getContext();
  loadLoweringDialects(context, target);
  initializeTargets();
  SmallVector<OwningOpRef<ModuleOp>> chunks = splitIntoChunks(module);
  objects.resize(chunks.size());
  std::atomic<size_t> next{0};
  std::atomic<bool> ok{true};
  auto work = [&] {
    for (size_t i = next++; i < chunks.size() && ok; i = next++)
      if (failed(compileChunk(*chunks[i], target, objects[i])))
        ok = false;
  };
  // A context without multithreading has no locks.
  if (!context->isMultithreadingEnabled())
    threads = 1;
  SmallVector<std::thread> helpers;
  for (unsigned i = 1; i < threads && i < chunks.size(); ++i)
    helpers.emplace_back(work);
  work();
  for (std::thread &helper : helpers)
    helper.join();
  return success(ok);
}
