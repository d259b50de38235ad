//===- Sha256Test.cpp - SHA-256 -------------------------------------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
#include "runtime/src/sha256.h"

#include <gtest/gtest.h>

using namespace nestor::detail;

namespace {

std::string hexOf(const std::string &text) {
  return to_hex(sha256(reinterpret_cast<const uint8_t *>(text.data()), text.size()));
}

/// The examples of FIPS 180-2, appendix B, and the empty message of NIST's
/// validation suite.
TEST(Sha256, MatchesTheStandard) {
  EXPECT_EQ(hexOf(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(hexOf("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(hexOf("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"),
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  EXPECT_EQ(hexOf(std::string(1'000'000, 'a')),
            "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

/// Lengths around where the padding needs another block (sha256sum's results).
TEST(Sha256, PadsEveryLength) {
  EXPECT_EQ(hexOf(std::string(55, 'x')),
            "d5e285683cd4efc02d021a5c62014694958901005d6f71e89e0989fac77e4072");
  EXPECT_EQ(hexOf(std::string(56, 'x')),
            "04c26261370ee7541549d16dee320c723e3fd14671e66a099afe0a377c16888e");
  EXPECT_EQ(hexOf(std::string(63, 'x')),
            "75220b47218278e656f2013bb8f0c455a25eaf01e86c64924e9d48d89776d6f2");
  EXPECT_EQ(hexOf(std::string(64, 'x')),
            "7ce100971f64e7001e8fe5a51973ecdfe1ced42befe7ee8d5fd6219506b5393c");
}

TEST(Sha256, ReadsHexadecimalDigits) {
  std::string text = hexOf("abc"), upper = text;
  for (char &c : upper)
    c = static_cast<char>(std::toupper(c));
  Sha256 digest = {}, same = {};
  ASSERT_TRUE(from_hex(text, digest));
  ASSERT_TRUE(from_hex(upper, same));
  EXPECT_EQ(digest, same);
  EXPECT_EQ(to_hex(digest), text);
  for (std::string bad : {std::string(), text.substr(1), text + "0", "g" + text.substr(1),
                          "@" + text.substr(1), " " + text.substr(1)})
    EXPECT_FALSE(from_hex(bad, digest)) << bad;
}

} // namespace
