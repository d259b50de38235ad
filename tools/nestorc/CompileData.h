//===- CompileData.h - The samples of one compile ---------------*- C++ -*-===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
#ifndef NESTORC_COMPILEDATA_H
#define NESTORC_COMPILEDATA_H

#include "Commands.h"

#include "compiler/learn/Dataset.h"

namespace nestorc {

/// The samples of --data and --eval, checked against the imported model.
struct CompileData {
  std::optional<nestor::learn::Dataset> recovery; ///< Of --data.
  /// What capacities are measured with: all of --eval, else the first of --data.
  nestor::support::NpzArchive measured;
  bool heldOut = false;                 ///< `measured` is --eval.
  size_t evalSamples = 0, evalSeen = 0; ///< Of --eval; those that --data has too.
};

/// Reads the samples that `arguments` names for `main` as it was imported. Says
/// what is wrong and returns a status other than Ok where they do not fit.
ExitStatus readCompileData(const CompileArguments &arguments, mlir::func::FuncOp main,
                           CompileData &data);

} // namespace nestorc

#endif // NESTORC_COMPILEDATA_H
