//===- Tuner.cpp - Chooses kernels by what they take here -----------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "compiler/tune/Tuner.h"

#include "compiler/tune/Subjects.h"

#include "llvm/ADT/STLExtras.h"

#include <algorithm>

using namespace mlir;
using namespace nestor::kernels;

namespace nestor::tune {

static double medianOf(std::vector<double> values) {
  auto middle = values.begin() + values.size() / 2;
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

size_t chooseFastest(const Times &times) {
  auto best = [](const std::vector<double> &runs) { return *llvm::min_element(runs); };
  size_t chosen = 0;
  for (size_t i = 1; i < times.size(); ++i)
    if (medianOf(times[0]) >= kLeastGain * medianOf(times[i]) &&
        best(times[0]) >= kLeastGain * best(times[i]) &&
        medianOf(times[i]) < medianOf(times[chosen]))
      chosen = i;
  return chosen;
}

/// Whether `entry` is what measuring `subject` would give: an older compiler had
/// other candidates.
static bool fits(const TuneEntry &entry, const Subject &subject, bool chooses) {
  return entry.microseconds.size() == subject.candidates.size() &&
         chooses != entry.choice.empty() &&
         llvm::all_of(subject.candidates, [&](const Candidate &candidate) {
           return entry.microseconds.count(candidate.name);
         });
}

llvm::Error Tuner::measure(std::vector<Subject> &subjects, bool chooses) {
  llvm::Expected<std::vector<Times>> times = timer.time(subjects);
  if (!times)
    return times.takeError();
  for (auto [subject, runs] : llvm::zip_equal(subjects, *times)) {
    TuneEntry entry;
    for (auto [candidate, values] : llvm::zip_equal(subject.candidates, runs))
      entry.microseconds[candidate.name] = medianOf(values);
    if (chooses)
      entry.choice = subject.candidates[chooseFastest(runs)].name;
    cache.add(subject.key, std::move(entry));
  }
  counts.measured += subjects.size();
  return llvm::Error::success();
}

llvm::Expected<std::vector<const TuneEntry *>>
Tuner::lookUp(std::vector<Subject> &subjects, const TargetInfo &target, bool chooses) {
  auto entryOf = [&](const Subject &subject) {
    const TuneEntry *entry = cache.find(subject.key);
    return entry && fits(*entry, subject, chooses) ? entry : nullptr;
  };
  std::vector<Subject> missing;
  for (Subject &subject : subjects)
    if (!entryOf(subject))
      missing.push_back(subject);
  counts.found += subjects.size() - missing.size();
  if (!missing.empty() && &target == &hostTarget()) {
    if (llvm::Error error = measure(missing, chooses))
      return error;
  } else if (!missing.empty() && !llvm::is_contained(counts.byTable, target.name)) {
    counts.byTable.push_back(target.name);
  }
  std::vector<const TuneEntry *> entries;
  for (const Subject &subject : subjects)
    entries.push_back(entryOf(subject));
  return entries;
}

llvm::Error Tuner::measureAlgorithms(ModuleOp module, Targets targets) {
  return tell(AlgorithmSubjects(module, AlgorithmSubjects::Windows), targets);
}

llvm::Error Tuner::measureProducts(ModuleOp module, Targets targets) {
  return tell(AlgorithmSubjects(module, AlgorithmSubjects::Products), targets);
}

llvm::Error Tuner::tell(AlgorithmSubjects all, Targets targets) {
  for (const TargetInfo *target : targets) {
    std::vector<Subject> subjects = all.subjects(*target);
    auto entries = lookUp(subjects, *target, /*chooses=*/false);
    if (!entries)
      return entries.takeError();
    for (auto [number, entry] : llvm::enumerate(*entries))
      if (entry)
        all.apply(number, *target, *entry);
  }
  return llvm::Error::success();
}

llvm::Error Tuner::chooseTiles(ModuleOp module, Targets targets) {
  TileSubjects all(module);
  for (const TargetInfo *target : targets) {
    std::vector<Subject> subjects = all.subjects(*target);
    auto entries = lookUp(subjects, *target, /*chooses=*/true);
    if (!entries)
      return entries.takeError();
    for (auto [number, entry] : llvm::enumerate(*entries))
      if (entry)
        counts.changed += all.choose(number, *target, entry->choice);
  }
  all.apply();
  return llvm::Error::success();
}

} // namespace nestor::tune
