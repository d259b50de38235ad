//===- Progress.h - What is being done, for who waits -----------*- C++ -*-===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
#ifndef NESTORC_PROGRESS_H
#define NESTORC_PROGRESS_H

#include "compiler/learn/Options.h"

#include "llvm/ADT/StringRef.h"

#include <chrono>
#include <set>

namespace nestorc {

/// What is being done, on stderr: on a terminal one line that is overwritten
/// and gone when this object is; elsewhere a line now and then while learning.
class Progress {
public:
  Progress();
  ~Progress();

  void begin(llvm::StringRef stage);
  /// Removes the line, for what is printed by others.
  void clear();
  void update(const nestor::learn::Progress &progress);
  /// A sentence that stays; one that was said before is not repeated.
  void log(const std::string &sentence);

private:
  using Clock = std::chrono::steady_clock;
  bool isDue(const nestor::learn::Progress &progress);

  const bool terminal;
  std::set<std::string> logged;
  std::string shownStage;
  std::vector<double> shownScores;
  Clock::time_point shownAt;
};

/// "45 s", "12 min", "3.2 h".
std::string humanSeconds(double seconds);

/// While alive, the first Ctrl-C sets `flag()` instead of ending the program;
/// the next one ends it. There is one at a time.
class InterruptGuard {
public:
  InterruptGuard();
  ~InterruptGuard();
  static const std::atomic<bool> *flag();
};

} // namespace nestorc

#endif // NESTORC_PROGRESS_H
