//===- upgrade.cpp - Changing capacities beside runs, and memory ----------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
#include "session.h"

#include <nanobind/stl/optional.h>
#include <optional>

namespace nestor::python {

static const char *state_name(const UpgradeProgress &progress) {
  switch (progress.state) {
  case UpgradeProgress::State::none: return "none";
  case UpgradeProgress::State::running: return "running";
  case UpgradeProgress::State::done: return "done";
  case UpgradeProgress::State::cancelled: return "cancelled";
  case UpgradeProgress::State::failed: return "failed";
  }
  return "";
}

static void upgrade(SessionHandle &self, float capacity) {
  Status status = [&] {
    nb::gil_scoped_release release; // It may have to end the thread of another one.
    return self.session.upgrade(capacity);
  }();
  check(status);
}

static void release_unused(SessionHandle &self) {
  run_unlocked(self, [&] {
    self.session.release_unused();
    return Status();
  });
}

static float last_capacity(SessionHandle &self) {
  float capacity = 0;
  run_unlocked(self, [&] {
    capacity = self.session.last_capacity();
    return Status();
  });
  return capacity;
}

static std::optional<StreamPrediction> predicted(const SessionHandle &self) {
  StreamPrediction prediction = self.session.predicted();
  if (prediction.peak_bytes == 0)
    return std::nullopt;
  return prediction;
}

void bind_upgrade(nb::module_ &module, nb::class_<SessionHandle> &session) {
  nb::class_<UpgradeProgress>(module, "UpgradeProgress", nb::is_final())
      .def_prop_ro("state", state_name)
      .def_ro("capacity", &UpgradeProgress::capacity)
      .def_ro("bytes_done", &UpgradeProgress::bytes_done)
      .def_ro("bytes_total", &UpgradeProgress::bytes_total);
  nb::class_<StreamPrediction>(module, "StreamPrediction", nb::is_final())
      .def_ro("peak_bytes", &StreamPrediction::peak_bytes)
      .def_ro("pinned_bytes", &StreamPrediction::pinned_bytes)
      .def_ro("streamed_bytes", &StreamPrediction::streamed_bytes)
      .def_ro("buffer_bytes", &StreamPrediction::buffer_bytes)
      .def_ro("reads", &StreamPrediction::reads)
      .def_ro("us", &StreamPrediction::us)
      .def_ro("stall_us", &StreamPrediction::stall_us);
  session.def("upgrade", upgrade, nb::arg("capacity"))
      .def_prop_ro("upgrade_progress",
                   [](const SessionHandle &self) { return self.session.upgrade_progress(); })
      .def("release_unused", release_unused)
      .def_prop_ro("last_capacity", last_capacity)
      .def_prop_ro("predicted", predicted);
}

} // namespace nestor::python
