//===- NestDefaults.h - What flags leave open -------------------*- C++ -*-===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
#ifndef NESTORC_NESTDEFAULTS_H
#define NESTORC_NESTDEFAULTS_H

#include "Arguments.h"

namespace nestorc {

/// Sets everything in `options` but its callbacks from the flags and, where
/// they leave something open, from the imported model and its samples (null:
/// none). What was decided goes to `options.log`. The error says which flag does
/// not fit the samples.
llvm::Error chooseNestOptions(const NestArguments &arguments, mlir::func::FuncOp main,
                              const nestor::learn::Dataset *data,
                              nestor::learn::NestOptions &options);

/// The flags' spelling of values.
const char *spell(nestor::learn::OrderMethod order);
const char *spell(nestor::learn::RecoverLevel level);
const char *spell(nestor::learn::TopRule rule);
const char *spell(nestor::learn::Budget budget);

} // namespace nestorc

#endif // NESTORC_NESTDEFAULTS_H
