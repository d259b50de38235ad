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

/// Each input of `main` without its batch dimension, as samples must have it;
/// whole where its first extent is another than 1 (a state [layers, 1, units]).
llvm::SmallVector<learn::SampleShape> sampleShapes(mlir::func::FuncOp main);

/// How many classes the first output of `main` scores: [N, classes], or with
/// more dimensions of extent 1; 0 where it is no classification.
int64_t classCount(mlir::func::FuncOp main);

/// The samples of `archive` for `main` as it was imported; those of integers
/// become floats. The error says what does not fit.
llvm::Expected<learn::Dataset>
samplesFor(mlir::func::FuncOp main, const support::NpzArchive &archive,
           const std::optional<learn::Normalization> &normalization);

} // namespace nestor::driver

#endif // NESTOR_DRIVER_SAMPLES_H
