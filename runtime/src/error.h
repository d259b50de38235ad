//===- error.h - Formatted statuses --------------------------- -*- C++ -*-===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
#ifndef NESTOR_SRC_ERROR_H
#define NESTOR_SRC_ERROR_H

#include "nestor/status.hpp"

namespace nestor::detail {

/// A status with a printf-formatted message.
__attribute__((format(printf, 2, 3))) Status error(StatusCode code, const char *format, ...);

/// The same status with "prefix: " before its message; success stays success.
Status with_prefix(const std::string &prefix, Status status);

} // namespace nestor::detail

/// Returns the status of `expression` from this function if it is an error.
#define NESTOR_RETURN_IF_ERROR(expression)                                     \
  do {                                                                         \
    if (::nestor::Status status_ = (expression); !status_.ok())                \
      return status_;                                                          \
  } while (false)

#endif // NESTOR_SRC_ERROR_H
