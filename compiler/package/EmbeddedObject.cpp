//===- EmbeddedObject.cpp - A model to link into a program ----------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "compiler/package/EmbeddedObject.h"

#include "compiler/kernels/ObjectEmitter.h"
#include "compiler/package/Writer.h"
#include "runtime/format/header.h"
#include "runtime/include/nestor/embedded.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/IR/Constants.h"
#include "llvm/IR/LLVMContext.h"
#include "llvm/IR/Module.h"
#include "llvm/Linker/Linker.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/Path.h"

using namespace mlir;
using namespace nestor::kernels;

namespace nestor::package {
namespace {

/// Code reaches its constants within 2 GiB; half of that is left to the program.
constexpr uint64_t kMaxArtifactBytes = uint64_t(1) << 30;

class ObjectBuilder {
public:
  ObjectBuilder(const Plan &plan, ArrayRef<const TargetInfo *> targets, const llvm::Triple &triple,
                MLIRContext &context)
      : plan(plan), targets(targets), triple(triple), context(context),
        module("embedded", llvmContext) {}

  FailureOr<EmbeddedObject> build(StringRef symbol);

private:
  LogicalResult addKernels(unsigned target);
  std::unique_ptr<llvm::MemoryBuffer> artifact() const;
  llvm::GlobalVariable *addConstant(llvm::Constant *value, const llvm::Twine &name,
                                    llvm::GlobalValue::LinkageTypes linkage);
  void addModel(StringRef artifact, StringRef symbol);
  LogicalResult fail(const llvm::Twine &message) {
    return emitError(UnknownLoc::get(&context)) << message;
  }

  const Plan &plan;
  ArrayRef<const TargetInfo *> targets;
  const llvm::Triple &triple;
  MLIRContext &context;
  llvm::LLVMContext llvmContext;
  llvm::Module module;
};

/// Links in the kernels for one target, under names that say which.
LogicalResult ObjectBuilder::addKernels(unsigned index) {
  const TargetInfo &target = *targets[index];
  FailureOr<OwningOpRef<ModuleOp>> emitted = emitKernels(plan.kernels, target, context);
  if (failed(emitted))
    return failure();
  std::unique_ptr<llvm::Module> kernels = lowerToLLVM(**emitted, target, llvmContext);
  if (!kernels)
    return failure();
  std::string error;
  if (!optimizeKernels(*kernels, target, triple, error))
    return fail(error);
  for (llvm::GlobalObject &global : kernels->global_objects())
    if (!global.isDeclaration())
      global.setName(global.getName() + ".t" + llvm::Twine(index));
  if (llvm::Linker::linkModules(module, std::move(kernels)))
    return fail("the kernels for " + target.name + " do not link");
  return success();
}

/// The artifact without images: entry points are indices of the table of
/// kernels, which has those of all targets, one target after the other.
std::unique_ptr<llvm::MemoryBuffer> ObjectBuilder::artifact() const {
  Plan copy = plan;    // The writer adds targets and sections.
  copy.graph.clear();  // For nestorc, which reads files.
  std::vector<CodeImage> images;
  for (auto [index, target] : llvm::enumerate(targets)) {
    CodeImage &image = images.emplace_back();
    image.target = target;
    for (uint64_t kernel = 0; kernel < plan.kernels.size(); ++kernel)
      image.entries.push_back(index * plan.kernels.size() + kernel);
  }
  return toMemory(copy, images);
}

llvm::GlobalVariable *ObjectBuilder::addConstant(llvm::Constant *value, const llvm::Twine &name,
                                                 llvm::GlobalValue::LinkageTypes linkage) {
  return new llvm::GlobalVariable(module, value->getType(), /*isConstant=*/true, linkage, value,
                                  name);
}

void ObjectBuilder::addModel(StringRef artifact, StringRef symbol) {
  constexpr auto internal = llvm::GlobalValue::InternalLinkage;
  auto *bytes = addConstant(
      llvm::ConstantDataArray::getString(llvmContext, artifact, /*AddNull=*/false), "artifact",
      internal);
  bytes->setAlignment(llvm::Align(format::kBufferAlignment));

  auto *pointer = llvm::PointerType::getUnqual(llvmContext);
  std::vector<llvm::Constant *> entries;
  for (unsigned index = 0; index < targets.size(); ++index)
    for (const KernelSpec &kernel : plan.kernels) {
      llvm::Function *function = module.getFunction(kernel.name + ".t" + std::to_string(index));
      function->setLinkage(internal);
      entries.push_back(function);
    }
  auto *table = addConstant(
      llvm::ConstantArray::get(llvm::ArrayType::get(pointer, entries.size()), entries), "kernels",
      internal);

  // The fields of struct nestor_embedded, in order.
  auto *i32 = llvm::Type::getInt32Ty(llvmContext), *i64 = llvm::Type::getInt64Ty(llvmContext);
  llvm::Constant *fields[] = {llvm::ConstantInt::get(i32, NESTOR_EMBEDDED_VERSION),
                              llvm::ConstantInt::get(i32, entries.size()), bytes,
                              llvm::ConstantInt::get(i64, artifact.size()), table};
  addConstant(llvm::ConstantStruct::getAnon(fields), symbol, llvm::GlobalValue::ExternalLinkage);
}

FailureOr<EmbeddedObject> ObjectBuilder::build(StringRef symbol) {
  std::unique_ptr<llvm::MemoryBuffer> bytes = artifact();
  if (bytes->getBufferSize() > kMaxArtifactBytes)
    return fail(llvm::formatv("manifest and weights have {0} bytes; an object holds at most {1}: "
                              "use an artifact of its own, or smaller capacities",
                              bytes->getBufferSize(), kMaxArtifactBytes));
  for (unsigned index = 0; index < targets.size(); ++index)
    if (failed(addKernels(index)))
      return failure();
  addModel(bytes->getBuffer(), symbol);
  EmbeddedObject result;
  result.artifactBytes = bytes->getBufferSize();
  std::string error;
  if (!emitOptimized(module, triple, result.object, error))
    return fail(error);
  return result;
}

} // namespace

FailureOr<EmbeddedObject> buildEmbeddedObject(const Plan &plan, ArrayRef<const TargetInfo *> targets,
                                              const llvm::Triple &triple, StringRef symbol,
                                              MLIRContext &context) {
  return ObjectBuilder(plan, targets, triple, context).build(symbol);
}

llvm::Triple defaultTriple(StringRef arch) { return llvm::Triple(arch + "-unknown-linux-gnu"); }

std::string embeddedSymbol(StringRef path) {
  std::string symbol = ("model_" + llvm::sys::path::stem(path)).str();
  for (char &c : symbol)
    if (!llvm::isAlnum(c))
      c = '_';
  return symbol;
}

std::string embeddedHeader(StringRef symbol, StringRef about) {
  std::string guard = "NESTOR_" + symbol.upper() + "_H";
  return llvm::formatv("/* {0}\n"
                       "   C++: nestor::Artifact::open({1}), see nestor/embedded.hpp. */\n"
                       "#ifndef {2}\n"
                       "#define {2}\n"
                       "\n"
                       "#include <nestor/embedded.h>\n"
                       "\n"
                       "#ifdef __cplusplus\n"
                       "extern \"C\" {{\n"
                       "#endif\n"
                       "extern const struct nestor_embedded {1};\n"
                       "#ifdef __cplusplus\n"
                       "}\n"
                       "#endif\n"
                       "\n"
                       "#endif /* {2} */\n",
                       about, symbol, guard)
      .str();
}

} // namespace nestor::package
