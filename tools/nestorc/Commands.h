//===- Commands.h - What nestorc does ---------------------------*- C++ -*-===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
//
// Results go to stdout, progress and messages to stderr.
//
//===----------------------------------------------------------------------===//
#ifndef NESTORC_COMMANDS_H
#define NESTORC_COMMANDS_H

#include "Arguments.h"

namespace nestorc {

using nestor::driver::ExitStatus;

ExitStatus runCompile(const CompileArguments &arguments);
ExitStatus runCheck(const CheckArguments &arguments);
ExitStatus runOps(const OpsArguments &arguments);
ExitStatus runVerify(const VerifyArguments &arguments);
ExitStatus runExport(const ExportArguments &arguments);
ExitStatus runTrim(const TrimArguments &arguments);

/// The options of an import from the flags; reads the files of --bind. Says
/// what is wrong and returns a status other than Ok where one cannot be read.
ExitStatus makeImportOptions(const ModelArguments &arguments, mlir::MLIRContext &context,
                             nestor::import::ImportOptions &options);

/// Prints `message` to stderr, each line after "nestorc: ".
void printError(llvm::StringRef message);

/// Prints one paragraph for each unsupported node to stderr.
void printUnsupported(llvm::ArrayRef<nestor::import::Unsupported> nodes);

} // namespace nestorc

#endif // NESTORC_COMMANDS_H
