//===- ObjectEmitter.cpp - LLVM IR to object code -------------------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "compiler/kernels/ObjectEmitter.h"

#include "llvm/Analysis/TargetLibraryInfo.h"
#include "llvm/IR/LegacyPassManager.h"
#include "llvm/IR/Module.h"
#include "llvm/MC/TargetRegistry.h"
#include "llvm/Object/ObjectFile.h"
#include "llvm/Passes/PassBuilder.h"
#include "llvm/Support/TargetSelect.h"
#include "llvm/Target/TargetMachine.h"
#include "llvm/TargetParser/Triple.h"

#include <mutex>

using namespace llvm;
using namespace nestor::kernels;

void nestor::kernels::initializeTargets() {
  static std::once_flag once;
  std::call_once(once, [] {
    LLVMInitializeX86TargetInfo();
    LLVMInitializeX86Target();
    LLVMInitializeX86TargetMC();
    LLVMInitializeX86AsmPrinter();
    LLVMInitializeAArch64TargetInfo();
    LLVMInitializeAArch64Target();
    LLVMInitializeAArch64TargetMC();
    LLVMInitializeAArch64AsmPrinter();
  });
}

static std::string featureString(const TargetInfo &target) {
  std::string features;
  for (const std::string &feature : target.features)
    features += (features.empty() ? "+" : ",+") + feature;
  return features;
}

static StringRef baseCpu(const Triple &triple) { return triple.isX86() ? "x86-64" : "generic"; }

static std::unique_ptr<TargetMachine> createMachine(const Triple &triple, StringRef features,
                                                    std::string &error) {
  const Target *backEnd = TargetRegistry::lookupTarget(triple, error);
  if (!backEnd)
    return nullptr;
  return std::unique_ptr<TargetMachine>(
      backEnd->createTargetMachine(triple, baseCpu(triple), features, TargetOptions(), Reloc::PIC_,
                                   std::nullopt, CodeGenOptLevel::Aggressive));
}

static TargetLibraryInfoImpl emptyLibrary(const Module &module) {
  TargetLibraryInfoImpl library(module.getTargetTriple());
  library.disableAllFunctions();
  return library;
}

static void optimize(Module &module, TargetMachine &machine) {
  module.setTargetTriple(machine.getTargetTriple());
  module.setDataLayout(machine.createDataLayout());
  for (Function &function : module) // no unwind tables in the image
    function.setDoesNotThrow();
  PipelineTuningOptions tuning;
  tuning.LoopUnrolling = false;
  tuning.LoopVectorization = false;
  tuning.SLPVectorization = false;
  LoopAnalysisManager loops;
  FunctionAnalysisManager functions;
  CGSCCAnalysisManager sccs;
  ModuleAnalysisManager modules;
  functions.registerPass([&] { return TargetLibraryAnalysis(emptyLibrary(module)); });
  PassBuilder builder(&machine, tuning);
  builder.registerModuleAnalyses(modules);
  builder.registerCGSCCAnalyses(sccs);
  builder.registerFunctionAnalyses(functions);
  builder.registerLoopAnalyses(loops);
  builder.crossRegisterProxies(loops, functions, sccs, modules);
  builder.buildPerModuleDefaultPipeline(OptimizationLevel::O3).run(module, modules);
}

/// The name of the first symbol that `object` needs from elsewhere, or empty.
static std::string findUndefinedSymbol(const ObjectBuffer &object, std::string &error) {
  auto parsed = object::ObjectFile::createObjectFile(
      MemoryBufferRef(StringRef(object.data(), object.size()), "kernels"));
  if (!parsed) {
    error = toString(parsed.takeError());
    return "";
  }
  for (const object::SymbolRef &symbol : (*parsed)->symbols()) {
    Expected<uint32_t> flags = symbol.getFlags();
    Expected<StringRef> name = symbol.getName();
    if (!flags || !name) {
      error = toString(joinErrors(flags.takeError(), name.takeError()));
      return "";
    }
    // The null symbol that starts every table is undefined and unnamed.
    if ((*flags & object::SymbolRef::SF_Undefined) && !name->empty() && *name != "_GLOBAL_OFFSET_TABLE_")
      return name->str();
  }
  return "";
}

static bool emit(Module &module, TargetMachine &machine, StringRef name, ObjectBuffer &object,
                 std::string &error) {
  legacy::PassManager codegen;
  codegen.add(new TargetLibraryInfoWrapperPass(emptyLibrary(module)));
  raw_svector_ostream stream(object);
  if (machine.addPassesToEmitFile(codegen, stream, nullptr, CodeGenFileType::ObjectFile)) {
    error = "LLVM cannot emit objects for " + name.str();
    return false;
  }
  codegen.run(module);
  std::string undefined = findUndefinedSymbol(object, error);
  if (!undefined.empty())
    error = "kernels for " + name.str() + " call '" + undefined + "', which no image provides";
  return error.empty();
}

bool nestor::kernels::emitObject(Module &module, const TargetInfo &target, ObjectBuffer &object,
                                 std::string &error) {
  std::unique_ptr<TargetMachine> machine =
      createMachine(Triple(target.arch + "-unknown-linux-gnu"), featureString(target), error);
  if (!machine)
    return false;
  optimize(module, *machine);
  return emit(module, *machine, target.name, object, error);
}

bool nestor::kernels::optimizeKernels(Module &module, const TargetInfo &target, const Triple &triple,
                                      std::string &error) {
  std::unique_ptr<TargetMachine> machine = createMachine(triple, featureString(target), error);
  if (!machine)
    return false;
  for (Function &function : module) {
    function.addFnAttr("target-cpu", baseCpu(triple));
    function.addFnAttr("target-features", featureString(target));
  }
  optimize(module, *machine);
  return true;
}

bool nestor::kernels::emitOptimized(Module &module, const Triple &triple, ObjectBuffer &object,
                                    std::string &error) {
  std::unique_ptr<TargetMachine> machine = createMachine(triple, "", error);
  return machine && emit(module, *machine, triple.str(), object, error);
}
