//===- CApiOutcome.h - What calls of the C interface say ------ -*- C++ -*-===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
#ifndef NESTOR_TEST_UNIT_CAPIOUTCOME_H
#define NESTOR_TEST_UNIT_CAPIOUTCOME_H

#include "nestor/nestor.h"

#include <cstdint>
#include <gtest/gtest.h>
#include <string>

namespace nestor::test {

/// The code and the message of a call, whose error is freed.
struct Outcome {
  nestor_code code;
  std::string message;
};

template <typename Call> Outcome outcome(Call call) {
  // Not initialised to null on purpose: a call always writes it.
  auto *error = reinterpret_cast<nestor_error *>(uintptr_t{1});
  nestor_code code = call(&error);
  EXPECT_EQ(nestor_error_code(error), code);
  EXPECT_EQ(error == nullptr, code == NESTOR_OK);
  Outcome result = {code, nestor_error_message(error)};
  nestor_error_free(error);
  return result;
}

template <typename Call> void expectError(nestor_code code, const char *part, Call call) {
  Outcome result = outcome(call);
  EXPECT_EQ(result.code, code) << result.message;
  EXPECT_NE(result.message.find(part), std::string::npos) << result.message;
}

template <typename Call> void expectOk(Call call) {
  Outcome result = outcome(call);
  EXPECT_EQ(result.code, NESTOR_OK) << result.message;
}

} // namespace nestor::test

#endif // NESTOR_TEST_UNIT_CAPIOUTCOME_H
