//===- Hints.h - Values inside that capacities learn, too -------*- C++ -*-===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
//
// A few samples say little by their scores alone, but much by what the teacher
// makes of them on the way (Romero et al.: FitNets, ICLR 2015; for few samples,
// Wang et al.: PRACTISE, CVPR 2023).
//
//===----------------------------------------------------------------------===//
#ifndef NESTOR_LEARN_HINTS_H
#define NESTOR_LEARN_HINTS_H

#include "mlir/IR/BuiltinOps.h"

#include <vector>

namespace nestor::learn {

/// For each capacity, for each hint: the teacher's channels that its own are.
using HintChannels = std::vector<std::vector<llvm::SmallVector<int64_t>>>;

/// Makes the teacher's `@main` and every capacity return values that stand for
/// the same, behind the results that they have: sums of residual connections, and
/// the features of the last convolution over an image. Channels are the last
/// dimension. What not all capacities have is left out. A capacity with a scaled
/// input returns means over its places, to be compared with the teacher's.
HintChannels returnHints(mlir::ModuleOp nested, mlir::ModuleOp teacher);

/// The mean of `feature`, [N, D1.., Dn, C], as [N, 1.., 1, C].
mlir::Value meanOverPlaces(mlir::Value feature);

} // namespace nestor::learn

#endif // NESTOR_LEARN_HINTS_H
