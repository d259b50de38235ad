//===- Strassen.cpp - Matrix products with fewer multiplications ----------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "compiler/ir/Strassen.h"

#include <algorithm>

using namespace nestor::nest;

// Of the algorithm of 7 products and 18 sums of 1969, not that of 15 sums: it
// rounds less, and sums of filters take no time.
const Matrix &Strassen::input() {
  static const Matrix matrix{7, 4, {1, 0, 0, 1,   //
                                    0, 0, 1, 1,   //
                                    1, 0, 0, 0,   //
                                    0, 0, 0, 1,   //
                                    1, 1, 0, 0,   //
                                    -1, 0, 1, 0,  //
                                    0, 1, 0, -1}};
  return matrix;
}

const Matrix &Strassen::output() {
  static const Matrix matrix{4, 7, {1, 0, 0, 1, -1, 0, 1,  //
                                    0, 0, 1, 0, 1, 0, 0,   //
                                    0, 1, 0, 1, 0, 0, 0,   //
                                    1, -1, 1, 0, 0, 1, 0}};
  return matrix;
}

/// Sums of blocks of the filter.
static const Matrix filterMatrix{7, 4, {1, 0, 0, 1,   //
                                        1, 0, 0, 0,   //
                                        0, 1, 0, -1,  //
                                        -1, 0, 1, 0,  //
                                        0, 0, 0, 1,   //
                                        1, 1, 0, 0,   //
                                        0, 0, 1, 1}};
/// Its blocks from as few of them as can be.
static const Matrix restoringMatrix{4, 7, {0, 1, 0, 0, 0, 0, 0,  //
                                           0, 0, 1, 0, 1, 0, 0,  //
                                           0, 1, 0, 1, 0, 0, 0,  //
                                           0, 0, 0, 0, 1, 0, 0}};

std::pair<int64_t, int64_t> StrassenFilter::placeOf(int64_t block, int64_t input, int64_t output) const {
  auto channel = [](int64_t packed, int64_t run) {
    return packed / Strassen::run * Strassen::span + run * Strassen::run + packed % Strassen::run;
  };
  int64_t i = channel(input, block / 2), o = channel(output, block % 2);
  int64_t count = i < inputs ? std::clamp<int64_t>(outputs - o, 0, Strassen::run) : 0;
  return {i * outputs + o, count};
}

void StrassenFilter::transform(int64_t position, int64_t input, int64_t output, const float *filter,
                               llvm::MutableArrayRef<float> out) const {
  double sums[Strassen::run] = {};
  for (int64_t block = 0; block < Strassen::blocks; ++block) {
    auto [place, count] = placeOf(block, input, output);
    for (int64_t i = 0; i < count; ++i)
      sums[i] += filterMatrix(position, block) * filter[place + i];
  }
  std::copy_n(sums, Strassen::run, out.begin());
}

void StrassenFilter::restore(int64_t input, int64_t output, const float *positions, int64_t plane,
                             llvm::MutableArrayRef<float> filter) const {
  for (int64_t block = 0; block < Strassen::blocks; ++block) {
    auto [place, count] = placeOf(block, input, output);
    for (int64_t i = 0; i < count; ++i) {
      double sum = 0;
      for (int64_t position = 0; position < Strassen::positions; ++position)
        sum += restoringMatrix(block, position) * positions[position * plane + i];
      filter[place + i] = sum;
    }
  }
}
