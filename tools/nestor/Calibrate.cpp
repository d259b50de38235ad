//===- Calibrate.cpp - nestor calibrate -----------------------------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
#include "Support.h"

#include <cstdio>

namespace nestor::tool {

/// `calibration` in the JSON is what Calibration::parse reads in an app.
ExitStatus runCalibrate(const CalibrateArguments &arguments) {
  Expected<Artifact> artifact = openArtifact(arguments);
  if (!artifact)
    return artifact.exitStatus();
  Result<Calibration> measured = artifact->calibrate(
      CalibrationOptions().threads(arguments.threads).seconds(arguments.seconds));
  if (!measured.ok())
    return Failure(measured.status()).exitStatus();
  const Calibration &calibration = measured.value();

  Json results = Json::array();
  Table table({"capacity", "threads", "median us", "stored us"}, 0);
  for (size_t i = 0; i < calibration.size(); ++i) {
    const CapacityInfo &info = artifact->capacities()[i];
    bool stored = info.latency_us > 0;
    results.push_back({{"capacity", info.capacity},
                       {"median_us", calibration.latency_us(i)},
                       {"stored_us", stored ? Json(info.latency_us) : Json()}});
    table.add({format("%g", static_cast<double>(info.capacity)),
               std::to_string(calibration.threads()),
               format("%.1f", static_cast<double>(calibration.latency_us(i))),
               stored ? format("%.1f", static_cast<double>(info.latency_us)) : "-"});
  }
  if (arguments.json) {
    printJson({{"threads", calibration.threads()},
               {"results", std::move(results)},
               {"calibration", calibration.to_string()}});
    return exitOk;
  }
  table.print();
  std::printf("\n%s\n", calibration.to_string().c_str());
  return exitOk;
}

} // namespace nestor::tool
