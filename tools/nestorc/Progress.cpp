//===- Progress.cpp - What is being done, for who waits -------------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "Progress.h"

#include "llvm/Support/Format.h"
#include "llvm/Support/Signals.h"
#include "llvm/Support/raw_ostream.h"

#include <cmath>
#include <unistd.h>

using namespace llvm;

namespace nestorc {

static constexpr const char *kClearLine = "\r\x1b[K";

Progress::Progress() : terminal(errs().is_displayed()) {}

Progress::~Progress() { clear(); }

void Progress::clear() {
  if (terminal)
    errs() << kClearLine;
}

void Progress::begin(StringRef stage) {
  if (terminal)
    errs() << kClearLine << stage << " ...";
}

void Progress::log(const std::string &sentence) {
  if (logged.insert(sentence).second)
    errs() << (terminal ? kClearLine : "") << "note: " << sentence << "\n";
}

std::string humanSeconds(double seconds) {
  std::string text;
  raw_string_ostream stream(text);
  if (seconds < 100)
    stream << format("%.0f s", seconds);
  else if (seconds < 6000)
    stream << format("%.0f min", seconds / 60);
  else
    stream << format("%.1f h", seconds / 3600);
  return text;
}

/// "distilling 42 %, step 310, loss 0.123, scores 71.2 85.0 88.1 88.4 %, 3 min left".
static std::string describe(const nestor::learn::Progress &progress) {
  std::string text;
  raw_string_ostream stream(text);
  stream << progress.stage;
  if (progress.done > 0)
    stream << format(" %.0f %%", 100 * progress.done);
  if (progress.step > 0)
    stream << ", step " << progress.step;
  if (progress.loss > 0)
    stream << format(", loss %.4g", progress.loss);
  if (!progress.scores.empty()) {
    stream << ", scores";
    for (double score : progress.scores)
      stream << format(" %.1f", 100 * score);
    stream << " %";
  }
  if (progress.secondsLeft > 0)
    stream << ", " << humanSeconds(progress.secondsLeft) << " left";
  return text;
}

/// A terminal is refreshed five times a second. A log gets a line for a new
/// stage, for new scores every ten seconds at most, and every minute.
bool Progress::isDue(const nestor::learn::Progress &progress) {
  double passed = std::chrono::duration<double>(Clock::now() - shownAt).count();
  if (progress.stage != shownStage)
    return true;
  if (terminal)
    return passed > 0.2;
  return passed > 60 || (passed > 10 && progress.scores != shownScores);
}

void Progress::update(const nestor::learn::Progress &progress) {
  if (!isDue(progress))
    return;
  shownStage = progress.stage;
  shownScores = progress.scores;
  shownAt = Clock::now();
  if (terminal)
    errs() << kClearLine << describe(progress);
  else
    errs() << describe(progress) << "\n";
}

static std::atomic<bool> interrupted;

static void onInterrupt() {
  interrupted = true;
  static const char text[] = "\nstopping with the best state so far; Ctrl-C again ends at once\n";
  [[maybe_unused]] ssize_t written = ::write(STDERR_FILENO, text, sizeof text - 1);
}

InterruptGuard::InterruptGuard() {
  interrupted = false;
  sys::SetInterruptFunction(onInterrupt);
}

InterruptGuard::~InterruptGuard() { sys::SetInterruptFunction(nullptr); }

const std::atomic<bool> *InterruptGuard::flag() { return &interrupted; }

} // namespace nestorc
