//===- Timer.h - What is timed to choose among kernels ----------*- C++ -*-===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
#ifndef NESTOR_TUNE_TIMER_H
#define NESTOR_TUNE_TIMER_H

#include "compiler/kernels/Kernel.h"
#include "passes/WinogradCost.h"

#include "llvm/Support/Error.h"

#include <string>
#include <vector>

namespace nestor::tune {

/// What is less than so much faster may be noise.
inline constexpr double kLeastGain = 1.03;

/// The calls of an operation. Arguments that are weights are of kind
/// `CallArg::Block`.
struct Work {
  llvm::SmallVector<kernels::KernelCall, 1> calls;
  unsigned count = 1; ///< How many such operations there are.
};

/// One way to compute something.
struct Candidate {
  std::string name;
  std::vector<Work> works;
};

/// What there are several ways to compute.
struct Subject {
  std::string key;        ///< In the cache.
  WeightDistance weights; ///< Where they come from whenever they are read.
  std::vector<Candidate> candidates;
};

/// Microseconds, [candidate][run].
using Times = std::vector<std::vector<double>>;

class Timer {
public:
  virtual ~Timer() = default;
  /// Times the candidates of each subject, which take turns; one run is all the
  /// works of a candidate as often as they count. The operations that calls were
  /// described from still exist.
  virtual llvm::Expected<std::vector<Times>> time(llvm::ArrayRef<Subject> subjects) = 0;
};

} // namespace nestor::tune

#endif // NESTOR_TUNE_TIMER_H
