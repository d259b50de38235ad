//===- sha256.cpp - SHA-256 -----------------------------------------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
#include "sha256.h"

#include <cstring>

namespace nestor::detail {

static constexpr size_t kBlock = 64;

/// First 32 bits of the fractions of the cube roots of the first 64 primes.
static constexpr uint32_t kRound[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

static uint32_t rotate(uint32_t x, unsigned by) { return x >> by | x << (32 - by); }

static uint32_t read_big_endian(const uint8_t *at) {
  return uint32_t{at[0]} << 24 | uint32_t{at[1]} << 16 | uint32_t{at[2]} << 8 | uint32_t{at[3]};
}

static void add_block(uint32_t (&state)[8], const uint8_t *block) {
  uint32_t w[64];
  for (unsigned i = 0; i < 16; ++i)
    w[i] = read_big_endian(block + 4 * i);
  for (unsigned i = 16; i < 64; ++i)
    w[i] = w[i - 16] + (rotate(w[i - 15], 7) ^ rotate(w[i - 15], 18) ^ w[i - 15] >> 3) + w[i - 7] +
           (rotate(w[i - 2], 17) ^ rotate(w[i - 2], 19) ^ w[i - 2] >> 10);
  auto [a, b, c, d, e, f, g, h] = state;
  for (unsigned i = 0; i < 64; ++i) {
    uint32_t t1 = h + (rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25)) + ((e & f) ^ (~e & g)) +
                  kRound[i] + w[i];
    uint32_t t2 = (rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22)) + ((a & b) ^ (a & c) ^ (b & c));
    h = g, g = f, f = e, e = d + t1, d = c, c = b, b = a, a = t1 + t2;
  }
  const uint32_t sums[8] = {a, b, c, d, e, f, g, h};
  for (unsigned i = 0; i < 8; ++i)
    state[i] += sums[i];
}

Sha256 sha256(const uint8_t *data, size_t size) {
  // First 32 bits of the fractions of the square roots of the first 8 primes.
  uint32_t state[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                       0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
  size_t whole = size / kBlock * kBlock, rest = size - whole;
  for (size_t at = 0; at < whole; at += kBlock)
    add_block(state, data + at);
  // The end: a bit 1, zeros, and the number of bits in the last 8 bytes.
  uint8_t tail[2 * kBlock] = {};
  if (rest)
    std::memcpy(tail, data + whole, rest);
  tail[rest] = 0x80;
  size_t length = rest < kBlock - 8 ? kBlock : 2 * kBlock;
  for (unsigned i = 0; i < 8; ++i)
    tail[length - 1 - i] = static_cast<uint8_t>(uint64_t{size} * 8 >> (8 * i));
  for (size_t at = 0; at < length; at += kBlock)
    add_block(state, tail + at);

  Sha256 digest;
  for (unsigned i = 0; i < digest.size(); ++i)
    digest[i] = static_cast<uint8_t>(state[i / 4] >> (24 - 8 * (i % 4)));
  return digest;
}

std::string to_hex(const Sha256 &digest) {
  std::string text;
  for (uint8_t byte : digest)
    for (unsigned digit : {byte >> 4, byte & 15})
      text += "0123456789abcdef"[digit];
  return text;
}

static int digit_value(char digit) {
  if (digit >= '0' && digit <= '9')
    return digit - '0';
  char lower = static_cast<char>(digit | 0x20);
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

bool from_hex(const std::string &text, Sha256 &digest) {
  if (text.size() != 2 * digest.size())
    return false;
  for (size_t i = 0; i < digest.size(); ++i) {
    int high = digit_value(text[2 * i]), low = digit_value(text[2 * i + 1]);
    if (high < 0 || low < 0)
      return false;
    digest[i] = static_cast<uint8_t>(high << 4 | low);
  }
  return true;
}

} // namespace nestor::detail
