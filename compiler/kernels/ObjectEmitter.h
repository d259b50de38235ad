//===- ObjectEmitter.h - LLVM IR to object code -----------------*- C++ -*-===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
#ifndef NESTOR_KERNELS_OBJECTEMITTER_H
#define NESTOR_KERNELS_OBJECTEMITTER_H

#include "compiler/kernels/Lowering.h"

#include "llvm/TargetParser/Triple.h"

namespace llvm {
class Module;
}

namespace nestor::kernels {

/// Registers LLVM's back ends for the architectures of `allTargets()`.
void initializeTargets();

/// Optimises `module` and emits it. False with a sentence in `error` when that
/// fails or the object needs a symbol that it does not contain.
bool emitObject(llvm::Module &module, const TargetInfo &target, ObjectBuffer &object, std::string &error);

/// The two halves of `emitObject`, for objects that hold more than the kernels
/// of one target, of any format that `triple` stands for. Functions carry their
/// target's features from the first to the second, which may see modules that
/// were linked together.
bool optimizeKernels(llvm::Module &module, const TargetInfo &target, const llvm::Triple &triple,
                     std::string &error);
bool emitOptimized(llvm::Module &module, const llvm::Triple &triple, ObjectBuffer &object,
                   std::string &error);

} // namespace nestor::kernels

#endif // NESTOR_KERNELS_OBJECTEMITTER_H
