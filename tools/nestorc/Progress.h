//===- Progress.h - What is being done, on a terminal -----------*- C++ -*-===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
#ifndef NESTORC_PROGRESS_H
#define NESTORC_PROGRESS_H

#include "llvm/ADT/StringRef.h"
#include "llvm/Support/raw_ostream.h"

namespace nestorc {

/// One line on stderr that names the current stage, where stderr is a
/// terminal; gone when this object is.
class Progress {
public:
  void begin(llvm::StringRef stage) {
    if (visible)
      llvm::errs() << clearLine << stage << " ...";
  }
  ~Progress() {
    if (visible)
      llvm::errs() << clearLine;
  }

private:
  static constexpr const char *clearLine = "\r\x1b[K";
  const bool visible = llvm::errs().is_displayed();
};

} // namespace nestorc

#endif // NESTORC_PROGRESS_H
