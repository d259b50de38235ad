//===- TuneCache.h - What was measured on a machine, as a file --*- C++ -*-===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
//
// The file of `nestorc compile --tune`: JSON that people can read and keep beside
// a model, sorted so that two of them compare line by line.
//
//   {
//     "nestor_tune": 1,
//     "entries": {
//       "x86-64-v4 conv 3x3 s1 p1 28x28 +bias maximumf, ...": {
//         "choice": "7x3",
//         "us": {
//           "14x2": 812.4,
//           "7x3": 774.1
//         }
//       },
//       ...
//
// What a file says is used as it is, also a choice that somebody edited: with the
// same file a compile gives the same bytes.
//
//===----------------------------------------------------------------------===//
#ifndef NESTOR_TUNE_TUNECACHE_H
#define NESTOR_TUNE_TUNECACHE_H

#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"

#include <map>
#include <string>

namespace nestor::tune {

/// Of one kernel signature on one target.
struct TuneEntry {
  std::map<std::string, double> microseconds; ///< Median, by candidate.
  /// A candidate; empty where other rules choose by the times (--optimize).
  std::string choice;

  bool operator==(const TuneEntry &other) const {
    return microseconds == other.microseconds && choice == other.choice;
  }
};

class TuneCache {
public:
  /// Reads a file; one that does not exist is empty. The error says what is wrong
  /// and how to go on.
  static llvm::Expected<TuneCache> read(llvm::StringRef path);
  /// `name` is for errors.
  static llvm::Expected<TuneCache> parse(llvm::StringRef text, llvm::StringRef name);

  /// Null where there is none.
  const TuneEntry *find(llvm::StringRef key) const;
  /// Adds an entry or replaces it. Times are kept to a nanosecond, as in the file.
  const TuneEntry &add(llvm::StringRef key, TuneEntry entry);
  size_t size() const { return entries.size(); }
  /// Whether anything was added since it was read.
  bool changed() const { return isChanged; }

  std::string text() const;
  /// Replaces the file in one step; no failure leaves anything behind.
  llvm::Error write(llvm::StringRef path) const;

private:
  std::map<std::string, TuneEntry> entries;
  bool isChanged = false;
};

} // namespace nestor::tune

#endif // NESTOR_TUNE_TUNECACHE_H
