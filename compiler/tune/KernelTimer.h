//===- KernelTimer.h - Times kernels on this machine ------------*- C++ -*-===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
#ifndef NESTOR_TUNE_KERNELTIMER_H
#define NESTOR_TUNE_KERNELTIMER_H

#include "compiler/tune/Timer.h"

#include "mlir/IR/MLIRContext.h"

namespace nestor::tune {

/// Compiles kernels for this host and runs them on one thread, each as the
/// network would: activations lie in a near cache, weights come from wherever
/// those of the whole network lie. Counts the time of the thread alone, so that
/// other processes disturb little.
class KernelTimer : public Timer {
public:
  explicit KernelTimer(mlir::MLIRContext &context) : context(context) {}
  llvm::Expected<std::vector<Times>> time(llvm::ArrayRef<Subject> subjects) override;

private:
  mlir::MLIRContext &context;
};

} // namespace nestor::tune

#endif // NESTOR_TUNE_KERNELTIMER_H
