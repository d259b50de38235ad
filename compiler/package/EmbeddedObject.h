//===- EmbeddedObject.h - A model to link into a program --------*- C++ -*-===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
//
// For platforms that refuse executable mappings, and for programs without
// files: one relocatable object with the kernels as ordinary code, manifest and
// weights as constants, and one global symbol, a `struct nestor_embedded`
// (runtime/include/nestor/embedded.h) that ties them together. Kernels keep
// their names to themselves, so that a program may link several models.
//
//===----------------------------------------------------------------------===//
#ifndef NESTOR_PACKAGE_EMBEDDEDOBJECT_H
#define NESTOR_PACKAGE_EMBEDDEDOBJECT_H

#include "compiler/kernels/Lowering.h"
#include "compiler/package/Plan.h"

#include "llvm/TargetParser/Triple.h"

namespace nestor::package {

struct EmbeddedObject {
  kernels::ObjectBuffer object; ///< ELF or Mach-O, by the triple.
  uint64_t artifactBytes = 0;   ///< Of it: manifest and weights.
};

/// Builds the object for a plan whose operations still exist. `targets` are of
/// the triple's architecture, `symbol` is a C identifier. What goes wrong is
/// reported as an error at an unknown location.
mlir::FailureOr<EmbeddedObject>
buildEmbeddedObject(const Plan &plan, llvm::ArrayRef<const kernels::TargetInfo *> targets,
                    const llvm::Triple &triple, llvm::StringRef symbol, mlir::MLIRContext &context);

/// The triple of objects for `arch` (x86_64, aarch64) where none is asked for.
llvm::Triple defaultTriple(llvm::StringRef arch);

/// The C identifier of the model in the object file `path`: model_ and its stem.
std::string embeddedSymbol(llvm::StringRef path);

/// The C header that declares the model. `about` is one line for people.
std::string embeddedHeader(llvm::StringRef symbol, llvm::StringRef about);

} // namespace nestor::package

#endif // NESTOR_PACKAGE_EMBEDDEDOBJECT_H
