//===- QuantizedFilters.h - Filters as whole numbers ------------*- C++ -*-===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
#ifndef NESTOR_PASSES_QUANTIZEDFILTERS_H
#define NESTOR_PASSES_QUANTIZEDFILTERS_H

#include "compiler/ir/NestDialect.h"

#include "mlir/IR/Builders.h"
#include "llvm/ADT/DenseMap.h"

#include <vector>

namespace nestor {

/// A filter of one capacity as convolutions of bytes read it.
struct QuantizedFilter {
  mlir::Value words;         ///< Words of four weights, or f32 of a depthwise one.
  std::vector<float> scales; ///< By output: what the weight 1 stands for.
  std::vector<float> sums;   ///< By output: of the weights.
  int64_t inputs = 0;        ///< With those that were added to fill a word.
};

/// Makes whole numbers of filters, those of several capacities once.
class QuantizedFilters {
public:
  /// Why convolutions of bytes cannot have the filter of `conv`; empty: they can.
  static llvm::StringRef whyNot(nest::ConvOp conv);
  /// The filter of `conv`; operations are made at `builder`.
  QuantizedFilter quantize(mlir::OpBuilder &builder, nest::ConvOp conv);

private:
  /// [rows, outputs] weights in [-127, 127].
  struct Weights {
    std::vector<float> values, scales;
  };
  static Weights toWhole(llvm::ArrayRef<float> filter, int64_t outputs);
  struct Shared {
    nest::GlobalOp words;
    Weights weights;
  };
  Shared &share(nest::GlobalOp global, bool depthwise);

  llvm::DenseMap<mlir::Operation *, Shared> shared;
};

} // namespace nestor

#endif // NESTOR_PASSES_QUANTIZEDFILTERS_H
