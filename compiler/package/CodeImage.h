//===- CodeImage.h - Kernels as a mappable ELF image ------------*- C++ -*-===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
#ifndef NESTOR_PACKAGE_CODEIMAGE_H
#define NESTOR_PACKAGE_CODEIMAGE_H

#include "compiler/kernels/Kernel.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"

#include <cstdint>
#include <string>
#include <vector>

namespace nestor::package {

/// The machine code of all kernels for one target: an ELF shared object with
/// no needed libraries, no undefined symbols, no thread-local storage and no
/// relocations but RELATIVE.
struct CodeImage {
  const kernels::TargetInfo *target = nullptr;
  std::string elf; ///< Empty: the code is elsewhere (EmbeddedObject.h).
  /// Entry points as offsets from the image's load address, parallel to the
  /// kernels that it was built from.
  std::vector<uint64_t> entries;
};

/// Compiles and links `kernels` for each of `targets`, on as many threads as
/// there are CPUs; the bytes do not depend on how many. The operations that the
/// kernels were described from still exist. What goes wrong is reported as an
/// error; each is a bug of the compiler.
mlir::FailureOr<std::vector<CodeImage>>
buildCodeImages(llvm::ArrayRef<kernels::KernelSpec> kernels,
                llvm::ArrayRef<const kernels::TargetInfo *> targets, mlir::MLIRContext &context);

/// The kernels as functions of a module that is not lowered yet.
mlir::FailureOr<mlir::OwningOpRef<mlir::ModuleOp>>
emitKernels(llvm::ArrayRef<kernels::KernelSpec> kernels, const kernels::TargetInfo &target,
            mlir::MLIRContext &context);

} // namespace nestor::package

#endif // NESTOR_PACKAGE_CODEIMAGE_H
