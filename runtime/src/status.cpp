//===- status.cpp - Errors as values --------------------------------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
#include "nestor/status.hpp"
#include "error.h"

#include <cstdarg>
#include <cstdio>
#include <cstdlib>

namespace nestor {

const char *to_string(StatusCode code) {
  switch (code) {
  case StatusCode::ok: return "ok";
  case StatusCode::invalid_argument: return "invalid argument";
  case StatusCode::not_found: return "not found";
  case StatusCode::io_error: return "I/O error";
  case StatusCode::corrupt: return "corrupt";
  case StatusCode::incompatible: return "incompatible";
  case StatusCode::unsupported_cpu: return "unsupported CPU";
  case StatusCode::exec_refused: return "executable memory refused";
  case StatusCode::out_of_memory: return "out of memory";
  case StatusCode::data_loss: return "data loss";
  }
  return "unknown";
}

namespace detail {

void bad_result_access(const Status &status) {
  std::fprintf(stderr, "nestor: value() of a failed result: %s\n", status.message().c_str());
  std::abort();
}

Status error(StatusCode code, const char *format, ...) {
  char buffer[1024]; // Longer messages are cut: names come from the file.
  va_list arguments;
  va_start(arguments, format);
  std::vsnprintf(buffer, sizeof buffer, format, arguments);
  va_end(arguments);
  return Status(code, buffer);
}

Status with_prefix(const std::string &prefix, Status status) {
  if (status.ok())
    return status;
  return Status(status.code(), prefix + ": " + status.message());
}

} // namespace detail
} // namespace nestor
