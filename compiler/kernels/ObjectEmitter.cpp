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

static std::unique_ptr<TargetMachine> createMachine(const TargetInfo &target, std::string &error) {
  Triple triple(target.arch + "-unknown-linux-gnu");
  const Target *backEnd = TargetRegistry::lookupTarget(triple, error);
  if (!backEnd)
    return nullptr;
  std::string features;
  for (const std::string &feature : target.features)
    features += (features.empty() ? "+" : ",+") + feature;
  StringRef cpu = target.arch == "x86_64" ? "x86-64" : "generic";
  return std::unique_ptr<TargetMachine>(backEnd->createTargetMachine(
      triple, cpu, features, TargetOptions(), Reloc::PIC_, std::nullopt, CodeGenOptLevel::Aggressive));
}

static TargetLibraryInfoImpl emptyLibrary(const Module &module) {
  TargetLibraryInfoImpl library(module.getTargetTriple());
  library.disableAllFunctions();
  return library;
}

static void optimize(Module &module, TargetMachine &machine) {
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

bool nestor::kernels::emitObject(Module &module, const TargetInfo &target, ObjectBuffer &object,
                                 std::string &error) {
  std::unique_ptr<TargetMachine> machine = createMachine(target, error);
  if (!machine)
    return false;
  module.setTargetTriple(machine->getTargetTriple());
  module.setDataLayout(machine->createDataLayout());
  for (Function &function : module) // no unwind tables in the image
    function.setDoesNotThrow();
  optimize(module, *machine);

  legacy::PassManager codegen;
  codegen.add(new TargetLibraryInfoWrapperPass(emptyLibrary(module)));
  raw_svector_ostream stream(object);
  if (machine->addPassesToEmitFile(codegen, stream, nullptr, CodeGenFileType::ObjectFile)) {
    error = "LLVM cannot emit objects for " + target.name;
    return false;
  }
  codegen.run(module);
  std::string undefined = findUndefinedSymbol(object, error);
  if (!undefined.empty())
    error = "kernels for " + target.name + " call '" + undefined + "', which no image provides";
  return error.empty();
}
