//===- main.cpp - The compiler's command line tool ------------------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "Commands.h"

#include "llvm/Support/InitLLVM.h"

using namespace nestorc;

namespace {

ExitStatus run(ExitStatus status) { return status; }
ExitStatus run(const CompileArguments &arguments) { return runCompile(arguments); }
ExitStatus run(const CheckArguments &arguments) { return runCheck(arguments); }
ExitStatus run(const OpsArguments &arguments) { return runOps(arguments); }
ExitStatus run(const VerifyArguments &arguments) { return runVerify(arguments); }
ExitStatus run(const ExportArguments &arguments) { return runExport(arguments); }
ExitStatus run(const TrimArguments &arguments) { return runTrim(arguments); }

} // namespace

int main(int argc, char **argv) {
  llvm::InitLLVM init(argc, argv);
  Arguments arguments = parseArguments(argc, argv);
  return static_cast<int>(
      std::visit([](const auto &alternative) { return run(alternative); }, arguments));
}
