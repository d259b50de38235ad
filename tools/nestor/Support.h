//===- Support.h - What the commands share -------------------- -*- C++ -*-===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
#ifndef NESTOR_TOOLS_NESTOR_SUPPORT_H
#define NESTOR_TOOLS_NESTOR_SUPPORT_H

#include "Commands.h"
#include "nestor/nestor.hpp"
#include "tools/support/Npz.h"
#include "tools/support/Tensor.h"

#include <nlohmann/json.hpp>
#include <optional>

namespace nestor::tool {

using Json = nlohmann::ordered_json;
using support::describe;
using support::npyDtype;
using support::toDoubles;

/// An error on its way to `main`: printed once, then the exit code.
class Failure {
public:
  Failure(ExitStatus status, const std::string &message);
  /// Of a runtime call; the code decides the exit status.
  Failure(const Status &status);
  ExitStatus exitStatus() const { return status; }

private:
  template <typename T> friend class Expected;
  explicit Failure(ExitStatus printed) : status(printed) {}
  ExitStatus status;
};

/// A value, or the exit status of an error that has been printed.
template <typename T> class Expected {
public:
  Expected(T value) : value(std::move(value)) {}
  Expected(const Failure &failure) : status(failure.exitStatus()) {}
  explicit operator bool() const { return value.has_value(); }
  T &operator*() { return *value; }
  T *operator->() { return &*value; }
  ExitStatus exitStatus() const { return status; }
  /// The same error for a caller that returns another type.
  Failure failure() const { return Failure(status); }

private:
  std::optional<T> value;
  ExitStatus status = exitOk;
};

Expected<Artifact> openArtifact(const CommonArguments &arguments);
Expected<float> parseCapacity(const std::string &text, const char *flag = "--capacity");
/// "8MiB", "8MB", "8388608"; `flag` is what messages call it.
Expected<uint64_t> parseBytes(const char *flag, const std::string &text);
/// A session at `--capacity` with `--threads` and `--memory-budget`.
Expected<Session> openSession(const Artifact &artifact, const CommonArguments &arguments);

/// Fills an input with reproducible values: floats in [-1, 1), small integers.
void fillRandom(const Tensor &input, uint64_t seed);

/// Adds "schema_version" and prints.
void printJson(Json report);

/// Columns as wide as their widest cell. The first `left` ones are
/// left-aligned, the rest right-aligned.
class Table {
public:
  Table(std::vector<std::string> header, size_t left);
  void add(std::vector<std::string> row) { rows.push_back(std::move(row)); }
  void print() const;

private:
  std::vector<std::vector<std::string>> rows;
  size_t left;
};

/// printf into a string.
__attribute__((format(printf, 1, 2))) std::string format(const char *pattern, ...);
std::string humanBytes(uint64_t bytes);

} // namespace nestor::tool

#endif // NESTOR_TOOLS_NESTOR_SUPPORT_H
