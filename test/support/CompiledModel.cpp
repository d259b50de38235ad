//===- CompiledModel.cpp - Compile and run in one process -----------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "test/support/CompiledModel.h"

#include "llvm/Support/FileSystem.h"

#include <cmath>
#include <cstdlib>
#include <limits>

namespace nestor::test {

CompiledModel::CompiledModel(driver::CompileResult result) {
  if (!result.ok()) {
    problem = result.message;
    for (const import::Unsupported &node : result.unsupported)
      problem += "\n" + node.op + " '" + node.node + "': " + node.reason;
    return;
  }
  bytes = driver::toMemory(result);
  Result<Artifact> artifact = Artifact::open(bytes->getBufferStart(), bytes->getBufferSize());
  if (!artifact.ok()) {
    problem = artifact.status().message();
    return;
  }
  opened = std::move(artifact).value();
  Result<Session> session = opened->session();
  if (session.ok())
    running = std::move(session).value();
  else
    problem = session.status().message();
}

std::vector<std::string> CompiledModel::run(llvm::ArrayRef<std::string> inputs) {
  auto check = [&](const Status &status) {
    if (!status.ok() && problem.empty())
      problem = status.message();
  };
  if (inputs.size() != opened->inputs().size())
    check(Status(StatusCode::invalid_argument, "the model has another number of inputs"));
  for (size_t i = 0; i < inputs.size() && ok(); ++i)
    check(running->input(i).copy_from(inputs[i]));
  if (ok())
    check(running->run());
  std::vector<std::string> outputs;
  for (size_t i = 0; i < opened->outputs().size() && ok(); ++i) {
    Tensor output = running->output(i);
    outputs.emplace_back(output.data_as<char>(), output.bytes());
  }
  return outputs;
}

double relativeError(llvm::ArrayRef<float> actual, llvm::ArrayRef<float> expected) {
  constexpr double infinity = std::numeric_limits<double>::infinity();
  if (actual.size() != expected.size())
    return infinity;
  double low = infinity, high = -infinity, worst = 0;
  for (size_t i = 0; i < actual.size(); ++i) {
    if (!std::isfinite(expected[i])) {
      bool same = std::isnan(expected[i]) ? std::isnan(actual[i]) : actual[i] == expected[i];
      if (!same)
        return infinity;
      continue;
    }
    if (!std::isfinite(actual[i]))
      return infinity;
    low = std::min<double>(low, expected[i]);
    high = std::max<double>(high, expected[i]);
    worst = std::max(worst, std::abs(double(actual[i]) - expected[i]));
  }
  return high > low ? worst / (high - low) : worst;
}

std::string sharedDirectory() {
  if (const char *given = std::getenv("NESTOR_SHARED"))
    return given;
  for (const char *candidate : {NESTOR_SOURCE_DIR "/../shared", NESTOR_SOURCE_DIR "/../../shared"})
    if (llvm::sys::fs::is_directory(candidate))
      return candidate;
  return "";
}

} // namespace nestor::test
