//===- Support.cpp - What the commands share ------------------------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
#include "Support.h"

#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <sched.h>

namespace nestor::tool {

static ExitStatus exitStatusOf(StatusCode code) {
  switch (code) {
  case StatusCode::ok: return exitOk;
  case StatusCode::invalid_argument:
  case StatusCode::not_found:
  case StatusCode::io_error: return exitUsage;
  case StatusCode::corrupt:
  case StatusCode::incompatible:
  case StatusCode::data_loss:
  case StatusCode::unsupported_cpu:
  case StatusCode::exec_refused: return exitCorrupt;
  case StatusCode::out_of_memory: return exitInternal;
  }
  return exitInternal;
}

Failure::Failure(ExitStatus status, const std::string &message) : status(status) {
  std::fprintf(stderr, "nestor: error: %s\n", message.c_str());
}

Failure::Failure(const Status &status) : Failure(exitStatusOf(status.code()), status.message()) {}

/// What only the variant needs of the whole file is its manifest.
static Result<Artifact> openVariant(const CommonArguments &arguments,
                                    const ArtifactOptions &options) {
  Result<Artifact> whole = Artifact::open(arguments.file, ArtifactOptions().map_weights(false));
  return whole.ok() ? whole.value().variant(arguments.precision, options) : whole.status();
}

Expected<Artifact> openArtifact(const CommonArguments &arguments) {
  // What is read within a budget is not mapped as well.
  ArtifactOptions options = ArtifactOptions()
                                .target(arguments.target)
                                .map_weights(arguments.memoryBudget.empty());
  Result<Artifact> artifact = arguments.precision == "f32"
                                  ? Artifact::open(arguments.file, options)
                                  : openVariant(arguments, options);
  if (!artifact.ok())
    return Failure(artifact.status());
  return artifact.value();
}

Expected<float> parseCapacity(const std::string &text, const char *flag) {
  char *end = nullptr;
  float value = std::strtof(text.c_str(), &end);
  if (text.empty() || *end != '\0')
    return Failure(exitUsage, std::string(flag) + ": '" + text + "' is not a number");
  return value;
}

/// Moves this thread, which runs the session, to CPUs that the session has
/// checked. Where the system cannot do so, the session has said that.
static void stayOn(const std::vector<unsigned> &cpus) {
#ifdef __linux__
  cpu_set_t set;
  CPU_ZERO(&set);
  for (unsigned cpu : cpus)
    CPU_SET(cpu, &set);
  (void)sched_setaffinity(0, sizeof set, &set);
#else
  (void)cpus;
#endif
}

Expected<Session> openSession(const Artifact &artifact, const CommonArguments &arguments) {
  Expected<float> capacity = arguments.capacity.empty() ? artifact.capacities().back().capacity
                                                        : parseCapacity(arguments.capacity);
  if (!capacity)
    return capacity.failure();
  SessionOptions options = SessionOptions()
                               .capacity(*capacity)
                               .threads(arguments.threads)
                               .affinity(arguments.cpus);
  if (!arguments.memoryBudget.empty()) {
    Expected<uint64_t> budget = parseBytes("--memory-budget", arguments.memoryBudget);
    if (!budget)
      return budget.failure();
    options.memory_budget(*budget);
  }
  Result<Session> session = artifact.session(options);
  if (!session.ok())
    return Failure(session.status());
  if (!arguments.cpus.empty())
    stayOn(arguments.cpus);
  return std::move(session).value();
}

Expected<uint64_t> parseBytes(const char *flag, const std::string &text) {
  static const std::pair<const char *, double> units[] = {
      {"", 1}, {"B", 1}, {"KB", 1e3}, {"MB", 1e6}, {"GB", 1e9},
      {"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}};
  char *end = nullptr;
  double value = std::strtod(text.c_str(), &end);
  for (auto [unit, factor] : units)
    if (end != text.c_str() && std::strcmp(end, unit) == 0 && value >= 0 && value * factor < 0x1p63)
      return static_cast<uint64_t>(value * factor);
  return Failure(exitUsage, std::string(flag) + ": '" + text +
                                "' is not a number of bytes, such as 8MiB, 8MB or 8388608");
}

/// splitmix64: tiny, and the same everywhere.
static uint64_t nextRandom(uint64_t &state) {
  uint64_t z = state += 0x9e3779b97f4a7c15;
  z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
  z = (z ^ z >> 27) * 0x94d049bb133111eb;
  return z ^ z >> 31;
}

void fillRandom(const Tensor &input, uint64_t seed) {
  size_t size = size_of(input.info().dtype);
  uint8_t *at = static_cast<uint8_t *>(input.data()), *end = at + input.bytes();
  for (; at < end; at += size) {
    uint64_t bits = nextRandom(seed);
    // 24 bits make every float in [-1, 1) exact.
    double real = static_cast<double>(bits >> 40) / (1 << 23) - 1;
    if (input.info().dtype == DType::float32) {
      float value = static_cast<float>(real);
      std::memcpy(at, &value, sizeof value);
    } else if (input.info().dtype == DType::float64) {
      std::memcpy(at, &real, sizeof real);
    } else if (input.info().dtype == DType::float16) {
      // Any sign and mantissa with an exponent that keeps it below 1.
      uint16_t value = static_cast<uint16_t>((bits & 0x83ff) | 0x3800);
      std::memcpy(at, &value, sizeof value);
    } else if (input.info().dtype == DType::bfloat16) {
      uint16_t value = static_cast<uint16_t>((bits & 0x807f) | 0x3f00);
      std::memcpy(at, &value, sizeof value);
    } else {
      uint64_t limit = input.info().dtype == DType::boolean ? 2
                       : input.info().dtype == DType::uint8 ? 256
                                                            : 8;
      uint64_t value = bits % limit; // Little-endian: the low bytes come first.
      std::memcpy(at, &value, size);
    }
  }
}

void printJson(Json report) {
  Json versioned = {{"schema_version", 1}};
  versioned.update(report);
  // Names come from the file and need not be UTF-8.
  std::string text = versioned.dump(2, ' ', false, Json::error_handler_t::replace);
  std::printf("%s\n", text.c_str());
}

Table::Table(std::vector<std::string> header, size_t left) : left(left) {
  rows.push_back(std::move(header));
}

void Table::print() const {
  std::vector<size_t> widths(rows[0].size(), 0);
  for (const auto &row : rows)
    for (size_t i = 0; i < row.size(); ++i)
      widths[i] = std::max(widths[i], row[i].size());
  for (const auto &row : rows) {
    std::string line;
    for (size_t i = 0; i < row.size(); ++i) {
      std::string padding(widths[i] - row[i].size(), ' ');
      line += (i ? "  " : "") + (i < left ? row[i] + padding : padding + row[i]);
    }
    line.erase(line.find_last_not_of(' ') + 1);
    std::printf("%s\n", line.c_str());
  }
}

std::string format(const char *pattern, ...) {
  va_list arguments;
  va_start(arguments, pattern);
  char *text = nullptr;
  int length = vasprintf(&text, pattern, arguments);
  va_end(arguments);
  std::string result(length < 0 ? "" : text);
  std::free(text);
  return result;
}

std::string humanBytes(uint64_t bytes) {
  static constexpr const char *units[] = {"B", "KB", "MB", "GB"};
  double value = static_cast<double>(bytes);
  unsigned unit = 0;
  for (; value >= 1000 && unit < 3; ++unit)
    value /= 1000;
  return format(unit ? "%.1f %s" : "%.0f %s", value, units[unit]);
}

} // namespace nestor::tool
