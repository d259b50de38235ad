//===- Describe.cpp - From operations to kernel calls ---------------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "compiler/kernels/Families.h"

#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace nestor;
using namespace nestor::kernels;

FailureOr<SmallVector<KernelCall, 1>> nestor::kernels::describeCalls(Operation *op) {
  return llvm::TypeSwitch<Operation *, FailureOr<Calls>>(op)
      .Case([](nest::ConvOp conv) { return describeConv(conv); })
      .Case([](nest::ConvTransposeOp conv) { return describeConvTranspose(conv); })
      .Case([](nest::MatmulOp matmul) { return describeMatmul(matmul); })
      .Case([](nest::PackOp pack) { return describePack(pack); })
      .Default([](Operation *other) -> FailureOr<Calls> {
        return other->emitError("no kernel computes '") << other->getName() << "'";
      });
}

bool nestor::kernels::canRunInPlace(Operation *op, unsigned index) {
  return llvm::TypeSwitch<Operation *, bool>(op).Default([](Operation *) { return false; });
}
