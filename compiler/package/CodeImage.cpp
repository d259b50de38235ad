//===- CodeImage.cpp - Kernels as a mappable ELF image --------------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "compiler/package/CodeImage.h"

#include "compiler/kernels/KernelBuilder.h"
#include "compiler/kernels/Lowering.h"
#include "compiler/package/Linker.h"

#include "mlir/IR/Verifier.h"

#include <thread>

using namespace mlir;
using namespace nestor::kernels;

namespace nestor::package {

FailureOr<OwningOpRef<ModuleOp>> emitKernels(ArrayRef<KernelSpec> kernels, const TargetInfo &target,
                                             MLIRContext &context) {
  OwningOpRef<ModuleOp> module(ModuleOp::create(UnknownLoc::get(&context)));
  for (const KernelSpec &kernel : kernels)
    if (failed(emitKernel(*module, kernel, target)))
      return module->emitError("kernel ")
             << kernel.name << " (" << kernel.signature << ") cannot be emitted for "
             << target.name;
  if (failed(verify(*module)))
    return failure();
  return module;
}

namespace {

LogicalResult compile(ArrayRef<KernelSpec> kernels, const TargetInfo &target,
                      MLIRContext &context, SmallVectorImpl<ObjectBuffer> &objects) {
  FailureOr<OwningOpRef<ModuleOp>> module = emitKernels(kernels, target, context);
  if (failed(module))
    return failure();
  return lowerToObjects(**module, target, std::thread::hardware_concurrency(), objects);
}

FailureOr<CodeImage> buildCodeImage(ArrayRef<KernelSpec> kernels, const TargetInfo &target,
                                    MLIRContext &context) {
  SmallVector<ObjectBuffer> objects;
  if (failed(compile(kernels, target, context, objects)))
    return failure();
  SmallVector<StringRef> contents, symbols;
  for (const ObjectBuffer &object : objects)
    contents.emplace_back(object.data(), object.size());
  for (const KernelSpec &kernel : kernels)
    symbols.push_back(kernel.name);

  auto report = [&](llvm::Error error) {
    return emitError(UnknownLoc::get(&context))
           << target.name << ": " << llvm::toString(std::move(error));
  };
  llvm::Expected<std::string> elf = linkShared(contents);
  if (!elf)
    return report(elf.takeError());
  llvm::Expected<std::vector<uint64_t>> entries = readEntries(*elf, symbols);
  if (!entries)
    return report(entries.takeError());
  return CodeImage{&target, std::move(*elf), std::move(*entries)};
}

} // namespace

FailureOr<std::vector<CodeImage>> buildCodeImages(ArrayRef<KernelSpec> kernels,
                                                  ArrayRef<const TargetInfo *> targets,
                                                  MLIRContext &context) {
  std::vector<CodeImage> images;
  for (const TargetInfo *target : targets) {
    FailureOr<CodeImage> image = buildCodeImage(kernels, *target, context);
    if (failed(image))
      return failure();
    images.push_back(std::move(*image));
  }
  return images;
}

} // namespace nestor::package
