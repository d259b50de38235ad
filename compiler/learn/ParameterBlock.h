//===- ParameterBlock.h - Parameters in one piece of memory -----*- C++ -*-===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
#ifndef NESTOR_LEARN_PARAMETERBLOCK_H
#define NESTOR_LEARN_PARAMETERBLOCK_H

#include "compiler/learn/AlignedFloats.h"
#include "compiler/learn/Parameters.h"

namespace nestor::learn {

/// Where each parameter lies in one block of floats: at a multiple of 64 bytes.
/// Values, gradients and moments are such blocks.
class ParameterBlock {
public:
  explicit ParameterBlock(const ParameterSet &set) {
    for (const Parameter &parameter : set.parameters()) {
      starts.push_back(total);
      lengths.push_back(parameter.value.size());
      total += llvm::alignTo(parameter.value.size(), AlignedFloats::kLine);
    }
  }

  size_t size() const { return total; } ///< Of a block, in floats.
  size_t begin(unsigned parameter) const { return starts[parameter]; }
  size_t end(unsigned parameter) const { return starts[parameter] + lengths[parameter]; }

  AlignedFloats read(const ParameterSet &set) const {
    AlignedFloats block(total);
    for (unsigned i = 0; i < set.size(); ++i)
      llvm::copy(set[i].value, block.data() + starts[i]);
    return block;
  }
  void write(const AlignedFloats &block, ParameterSet &set) const {
    for (unsigned i = 0; i < set.size(); ++i)
      set[i].value.assign(block.data() + begin(i), block.data() + end(i));
  }

private:
  std::vector<size_t> starts, lengths;
  size_t total = 0;
};

} // namespace nestor::learn

#endif // NESTOR_LEARN_PARAMETERBLOCK_H
