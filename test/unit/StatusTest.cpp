//===- StatusTest.cpp - Errors as values ----------------------------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
#include "nestor/status.hpp"

#include <gtest/gtest.h>
#include <memory>

using namespace nestor;

namespace {

TEST(Status, DefaultsToSuccess) {
  Status status;
  EXPECT_TRUE(status.ok());
  EXPECT_EQ(status.code(), StatusCode::ok);
  EXPECT_STREQ(to_string(StatusCode::corrupt), "corrupt");
}

TEST(Result, HoldsAValueOrAStatus) {
  Result<std::unique_ptr<int>> value(std::make_unique<int>(3));
  ASSERT_TRUE(value.ok());
  EXPECT_EQ(*std::move(value).value(), 3);
  Result<int> failed = Status(StatusCode::not_found, "no such thing");
  EXPECT_FALSE(failed.ok());
  EXPECT_EQ(failed.status().message(), "no such thing");
}

TEST(ResultDeathTest, ValueOfAnErrorAborts) {
  Result<int> failed = Status(StatusCode::not_found, "no such thing");
  EXPECT_DEATH((void)failed.value(), "no such thing");
}

} // namespace
