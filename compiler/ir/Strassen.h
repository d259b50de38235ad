//===- Strassen.h - Matrix products with fewer multiplications --*- C++ -*-===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
//
// Strassen's algorithm computes the product of two matrices of 2 x 2 blocks in 7
// products of blocks, in place of 8: each multiplies a sum of blocks of one by a
// sum of blocks of the other, and the blocks of the result are sums of those.
// (Each of the products could be computed in the same way again. At the sizes of
// networks that saves no more than the sums of 49 blocks take.)
//
// For a pointwise convolution pixels are the rows. Which rows and channels make a
// block is free as long as both matrices agree. Here a *tile* is two pixels, one
// after the other, and takes a *span* of 32 channels at a time: two runs of 16. So
// a capacity, which has the first channels, has the first spans, and reads a prefix
// of the transformed filter. What a last span lacks is zero. A filter is transformed
// at compile time: to 7 filters, each of 16 inputs and outputs for a span of them.
//
//===----------------------------------------------------------------------===//
#ifndef NESTOR_IR_STRASSEN_H
#define NESTOR_IR_STRASSEN_H

#include "compiler/ir/Winograd.h"

#include "llvm/Support/MathExtras.h"

namespace nestor::nest {

/// From now on block number b of a matrix is in row b / 2 and column b % 2 of blocks.
struct Strassen {
  static constexpr int64_t ways = 2; ///< Pixels of a tile, and runs of a span.
  static constexpr int64_t blocks = ways * ways, positions = 7;
  static constexpr int64_t run = 16, span = ways * run; ///< Channels.

  /// Channels of each position: 16 for each span.
  static int64_t packedChannels(int64_t channels) { return llvm::divideCeil(channels, span) * run; }

  static const Matrix &input();  ///< [positions, blocks]: sums of blocks of the input.
  static const Matrix &output(); ///< [blocks, positions]: blocks of the result.
};

/// Between a filter [inputs, outputs] and its positions.
class StrassenFilter {
public:
  StrassenFilter(int64_t inputs, int64_t outputs) : inputs(inputs), outputs(outputs) {}

  int64_t packedInputs() const { return Strassen::packedChannels(inputs); }
  int64_t packedOutputs() const { return Strassen::packedChannels(outputs); }

  /// Position number `position` of packed input `input` and the 16 packed outputs from
  /// `output`, a multiple of 16, on. Computed in double.
  void transform(int64_t position, int64_t input, int64_t output, const float *filter,
                 llvm::MutableArrayRef<float> out) const;
  /// Puts what all positions of a packed input, which lie `plane` floats apart, hold
  /// of 16 packed outputs into the filter. Two of the four blocks are positions
  /// themselves, the others come back rounded as their sums were.
  void restore(int64_t input, int64_t output, const float *positions, int64_t plane,
               llvm::MutableArrayRef<float> filter) const;

private:
  /// The weights of a block that belong to a packed input and 16 packed outputs: the
  /// first one's place, and how many of the outputs there are.
  std::pair<int64_t, int64_t> placeOf(int64_t block, int64_t input, int64_t output) const;

  int64_t inputs, outputs;
};

} // namespace nestor::nest

#endif // NESTOR_IR_STRASSEN_H
