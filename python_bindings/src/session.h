//===- session.h - What runs of a session share --------------- -*- C++ -*-===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
#ifndef NESTOR_PYTHON_SESSION_H
#define NESTOR_PYTHON_SESSION_H

#include "binding.h"

#include <mutex>
#include <nanobind/ndarray.h>
#include <string>
#include <variant>
#include <vector>

namespace nestor::python {

using Array = nb::ndarray<nb::ro>;
/// An index or a name.
using Key = std::variant<int64_t, std::string>;

/// An input or an output, and what its arrays are made with.
struct Port {
  explicit Port(Tensor from);

  Tensor tensor;
  nb::object name, shape, dtype; ///< Arguments of numpy.empty.
  std::vector<size_t> dims;
};

struct SessionHandle {
  SessionHandle(const OpenedArtifact &from, Session made);

  const Port &find(const std::vector<Port> &ports, const char *kind, const Key &key) const;

  OpenedArtifact opened; ///< Outlives the session.
  Session session;
  std::vector<Port> inputs, outputs;
  /// Held without the GIL while a run uses the buffers, so that Python threads
  /// that share a session take turns.
  std::mutex running;
};

/// Feeds in the order of the inputs, checked.
std::vector<Array> read_feeds(const SessionHandle &self, const nb::dict &feeds);
/// Writes them to the session; needs no GIL.
Status copy_feeds(SessionHandle &self, const std::vector<Array> &feeds);

/// New arrays for outputs.
struct Results {
  /// Of the outputs named, or of all for None.
  Results(const SessionHandle &session, nb::handle names);
  /// Fills them; needs no GIL.
  Status copy() const;

  nb::dict arrays; ///< By name.

private:
  std::vector<const Port *> ports;
  std::vector<nb::object> made; ///< An output that is named twice has two.
  std::vector<void *> targets;
};

/// Does something with the session's buffers in its turn, while other Python
/// threads run. Throws what it returns.
template <typename Run> void run_unlocked(SessionHandle &self, Run run) {
  Status status = [&] {
    nb::gil_scoped_release release;
    std::lock_guard<std::mutex> lock(self.running);
    return run();
  }();
  check(status);
}

/// Adds run_head, run_tail and run_blocks.
void bind_split(nb::class_<SessionHandle> &session);
/// Adds what changes capacities beside runs, and tells of memory.
void bind_upgrade(nb::module_ &module, nb::class_<SessionHandle> &session);

} // namespace nestor::python

#endif // NESTOR_PYTHON_SESSION_H
