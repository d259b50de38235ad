//===- CutResults.h - Blocks and cuts as compile --json has them -*- C++ -*-===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
#ifndef NESTORC_CUTRESULTS_H
#define NESTORC_CUTRESULTS_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/Support/JSON.h"
#include "nestor/artifact.hpp"

namespace nestorc {

/// The keys of `nestor inspect --json`, without places in the file.
llvm::json::Array describe(llvm::ArrayRef<nestor::BlockInfo> blocks);
llvm::json::Array describe(llvm::ArrayRef<nestor::CutInfo> cuts);

} // namespace nestorc

#endif // NESTORC_CUTRESULTS_H
