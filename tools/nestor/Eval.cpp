//===- Eval.cpp - nestor eval ---------------------------------------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
#include "Support.h"

#include "tools/support/Evaluation.h"

#include <cstdio>
#include <unistd.h>

namespace nestor::tool {
namespace {

/// The capacities that `--capacity` names; all: an empty list.
Expected<std::vector<float>> chooseCapacities(const std::string &text) {
  if (text == "all")
    return std::vector<float>();
  Expected<float> one = parseCapacity(text);
  if (!one)
    return one.failure();
  return std::vector<float>{*one};
}

void showProgress(int64_t done, int64_t total) {
  std::fprintf(stderr, "\r%lld of %lld samples", static_cast<long long>(done),
               static_cast<long long>(total));
}

void printTable(const std::vector<support::Score> &scores, const std::string &precision) {
  Table table({"capacity", "precision", "samples", "top-1", "agreement"}, 0);
  for (const support::Score &score : scores)
    table.add({format("%g", static_cast<double>(score.capacity)), precision,
               std::to_string(score.samples),
               score.top1 ? format("%.2f %%", 100 * *score.top1) : "-",
               format("%.2f %%", 100 * score.agreement)});
  table.print();
}

Json describeScores(const std::vector<support::Score> &scores, const std::string &precision) {
  Json results = Json::array();
  for (const support::Score &score : scores)
    results.push_back({{"capacity", score.capacity},
                       {"precision", precision},
                       {"samples", score.samples},
                       {"top1", score.top1 ? Json(*score.top1) : Json()},
                       {"agreement", score.agreement}});
  return results;
}

} // namespace

ExitStatus runEval(const EvalArguments &arguments) {
  Expected<Artifact> artifact = openArtifact(arguments);
  if (!artifact)
    return artifact.exitStatus();
  support::NpzArchive archive;
  if (std::string error = support::readNpz(arguments.data, archive); !error.empty())
    return Failure(exitCorrupt, error).exitStatus();
  Result<support::Samples> samples =
      support::Samples::make(*artifact, std::move(archive), arguments.normalization);
  if (!samples.ok())
    return Failure(exitUsage, arguments.data + ": " + samples.status().message()).exitStatus();
  if (arguments.normalization.given() && !samples.value().normalized())
    return Failure(exitUsage, "--scale, --mean, --std: only for uint8 samples of a float32 model")
        .exitStatus();

  support::EvaluationOptions options;
  options.threads = arguments.threads;
  Expected<std::vector<float>> capacities = chooseCapacities(arguments.capacity);
  if (!capacities)
    return capacities.exitStatus();
  options.capacities = *capacities;
  bool terminal = isatty(STDERR_FILENO);
  if (terminal)
    options.progress = showProgress;
  Result<std::vector<support::Score>> scores =
      support::evaluate(*artifact, samples.value(), options);
  if (terminal)
    std::fprintf(stderr, "\r\033[K");
  if (!scores.ok())
    return Failure(scores.status()).exitStatus();
  if (arguments.json)
    printJson({{"results", describeScores(scores.value(), arguments.precision)}});
  else
    printTable(scores.value(), arguments.precision);
  return exitOk;
}

} // namespace nestor::tool
