//===- CodeImage.cpp - Kernels as a mappable ELF image --------------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "compiler/package/CodeImage.h"

#include "compiler/kernels/KernelBuilder.h"
#include "compiler/kernels/Lowering.h"
#include "compiler/package/Linker.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"
#include "mlir/IR/Threading.h"
#include "mlir/IR/Verifier.h"

using namespace mlir;
using namespace nestor::kernels;

namespace nestor::package {
namespace {

/// Kernels per LLVM module. Fixed, so that the image does not depend on the
/// number of threads; small, so that the threads finish together.
constexpr size_t kKernelsPerModule = 4;

/// Some kernels for one target, on their way to an object file.
struct Job {
  const TargetInfo *target;
  ArrayRef<KernelSpec> kernels;
  SmallVector<ObjectBuffer, 1> objects;
};

LogicalResult runJob(Job &job, MLIRContext &context) {
  OwningOpRef<ModuleOp> module(ModuleOp::create(UnknownLoc::get(&context)));
  for (const KernelSpec &kernel : job.kernels)
    if (failed(emitKernel(*module, kernel, *job.target)))
      return module->emitError("kernel ")
             << kernel.name << " (" << kernel.signature << ") cannot be emitted for "
             << job.target->name;
  if (failed(verify(*module)))
    return failure();
  return lowerToObjects(*module, *job.target, /*threads=*/1, job.objects);
}

std::vector<Job> splitWork(ArrayRef<KernelSpec> kernels, ArrayRef<const TargetInfo *> targets) {
  std::vector<Job> jobs;
  for (const TargetInfo *target : targets)
    for (size_t begin = 0; begin < kernels.size(); begin += kKernelsPerModule)
      jobs.push_back({target, kernels.slice(begin).take_front(kKernelsPerModule), {}});
  return jobs;
}

FailureOr<CodeImage> link(ArrayRef<KernelSpec> kernels, const TargetInfo *target,
                          ArrayRef<Job> jobs, MLIRContext &context) {
  SmallVector<StringRef> objects;
  for (const Job &job : jobs)
    if (job.target == target)
      for (const ObjectBuffer &object : job.objects)
        objects.emplace_back(object.data(), object.size());
  SmallVector<StringRef> symbols;
  for (const KernelSpec &kernel : kernels)
    symbols.push_back(kernel.name);

  auto report = [&](llvm::Error error) -> FailureOr<CodeImage> {
    return emitError(UnknownLoc::get(&context))
           << target->name << ": " << llvm::toString(std::move(error));
  };
  llvm::Expected<std::string> elf = linkShared(objects);
  if (!elf)
    return report(elf.takeError());
  auto entries = readEntries(*elf, symbols);
  if (!entries)
    return report(entries.takeError());
  return CodeImage{target, std::move(*elf), std::move(*entries)};
}

} // namespace

FailureOr<std::vector<CodeImage>> buildCodeImages(ArrayRef<KernelSpec> kernels,
                                                  ArrayRef<const TargetInfo *> targets,
                                                  MLIRContext &context) {
  std::vector<CodeImage> images;
  std::vector<Job> jobs = splitWork(kernels, targets);
  if (failed(failableParallelForEach(&context, jobs,
                                     [&](Job &job) { return runJob(job, context); })))
    return failure();
  for (const TargetInfo *target : targets) {
    FailureOr<CodeImage> image = link(kernels, target, jobs, context);
    if (failed(image))
      return failure();
    images.push_back(std::move(*image));
  }
  return images;
}

} // namespace nestor::package
