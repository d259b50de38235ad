//===- nestor/status.hpp - Errors as values ---------------------*- C++ -*-===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
//
// Nothing in the runtime throws or aborts on bad input: what can fail returns
// a `Status`, or a `Result<T>` that holds either a T or the Status that says
// why there is none.
//
//===----------------------------------------------------------------------===//
#ifndef NESTOR_STATUS_HPP
#define NESTOR_STATUS_HPP

#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#define NESTOR_API __attribute__((visibility("default")))

namespace nestor {

enum class StatusCode : uint8_t {
  ok,
  invalid_argument, ///< The caller passed something that does not fit.
  not_found,        ///< No such file, input, output, capacity or target.
  io_error,         ///< The operating system refused an operation on the file.
  corrupt,          ///< Not a .nest file, damaged, or inconsistent in itself.
  incompatible,     ///< Written for another major version of the format.
  unsupported_cpu,  ///< No code in the file runs on this CPU.
  exec_refused,     ///< The platform forbids mapping code; use `--emit object`.
  out_of_memory,
  data_loss,        ///< The file was truncated, replaced or damaged after it was opened.
};

/// Spelling of `code` for logs: "corrupt", ...
NESTOR_API const char *to_string(StatusCode code);

/// Success, or a code and one sentence that names the file and the field.
class [[nodiscard]] Status {
public:
  Status() = default;
  Status(StatusCode code, std::string message)
      : code_(code), message_(std::move(message)) {}

  bool ok() const { return code_ == StatusCode::ok; }
  StatusCode code() const { return code_; }
  const std::string &message() const { return message_; }

private:
  StatusCode code_ = StatusCode::ok;
  std::string message_;
};

namespace detail {
/// Prints the status and aborts: `value()` was called on an error.
[[noreturn]] NESTOR_API void bad_result_access(const Status &status);
} // namespace detail

/// A T, or the reason why there is none.
template <typename T> class [[nodiscard]] Result {
public:
  Result(T value) : value_(std::move(value)) {}
  Result(Status status) : status_(std::move(status)) {}

  bool ok() const { return value_.has_value(); }
  const Status &status() const { return status_; }

  /// Calling this on an error is a programming error and aborts.
  T &value() & { return checked(), *value_; }
  const T &value() const & { return checked(), *value_; }
  T &&value() && { return checked(), std::move(*value_); }

private:
  void checked() const {
    if (!value_)
      detail::bad_result_access(status_);
  }

  Status status_;
  std::optional<T> value_;
};

} // namespace nestor

#endif // NESTOR_STATUS_HPP
