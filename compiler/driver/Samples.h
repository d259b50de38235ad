//===- Samples.h - Samples that fit an imported model -----------*- C++ -*-===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
#ifndef NESTOR_DRIVER_SAMPLES_H
#define NESTOR_DRIVER_SAMPLES_H

#include "compiler/learn/Dataset.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"

namespace nestor::driver {

/// The samples of `archive` for `main` as it was imported: one is what an
/// argument holds beside its first dimension, the batch. Labels are classes of
/// the first result. The error says what does not fit.
llvm::Expected<learn::Dataset>
samplesFor(mlir::func::FuncOp main, const support::NpzArchive &archive,
           const std::optional<learn::Normalization> &normalization);

} // namespace nestor::driver

#endif // NESTOR_DRIVER_SAMPLES_H
