//===- Loss.h - What training makes small -----------------------*- C++ -*-===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
#ifndef NESTOR_LEARN_LOSS_H
#define NESTOR_LEARN_LOSS_H

#include "mlir/Dialect/Func/IR/FuncOps.h"

#include <optional>
#include <vector>

namespace nestor::learn {

/// The number of classes of a classifier: a network with one f32 result, hints
/// (Hints.h) apart, that has, for each sample, one score for each of several
/// classes, such as [N, C] or [N, C, 1, 1]. Nothing for other networks.
std::optional<int64_t> classesOf(mlir::func::FuncOp func, unsigned hints = 0);

/// Makes a classifier return its logits as [N, C] in place of its first result:
/// what enters the softmax that ends it, or the result where none does.
void returnLogits(mlir::func::FuncOp func);

struct LossOptions {
  /// Softens teacher and student alike; gradients keep their size.
  double temperature = 2;
  /// Whether a distribution from labels is compared with, too.
  bool labels = false;
  /// By result, a classifier's first one too, which ignores it: one over the
  /// variance of the teacher's.
  std::vector<double> weights;
  /// By hint, which are the last results: the channels of the teacher's that
  /// this function's are.
  std::vector<llvm::SmallVector<int64_t>> hintChannels;
  /// Of all hints together.
  double hintWeight = 1;
};

/// Replaces the results of a function by its loss, of one element, and adds the
/// arguments that it is measured against.
///
/// A classifier (`returnLogits` was called) gets `soft` [N, C] and, with
/// labels, `hard` [N, C], and its loss is the mean over samples of
///   - T^2 sum_c soft[c] log softmax(z / T)[c] - sum_c hard[c] log softmax(z)[c],
/// so that distributions are to be weighted by who makes them. Every other
/// network gets one argument for each result, and its loss is the sum over
/// results of weight * mean((result - argument)^2). Hints add arguments of the
/// types `hintTypes`, the teacher's, and hintWeight times the mean over hints of the
/// same error.
void appendLoss(mlir::func::FuncOp func, bool classifier, const LossOptions &options,
                llvm::ArrayRef<mlir::Type> hintTypes = {});

} // namespace nestor::learn

#endif // NESTOR_LEARN_LOSS_H
