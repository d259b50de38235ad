//===- FilterReaders.h - The convolutions that read a filter ----*- C++ -*-===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
//
// All capacities read one copy of a filter, so that whoever chooses an algorithm
// chooses for all of its readers, and judges by those of the widest capacity.
//
//===----------------------------------------------------------------------===//
#ifndef NESTOR_PASSES_FILTERREADERS_H
#define NESTOR_PASSES_FILTERREADERS_H

#include "compiler/ir/NestDialect.h"

#include "llvm/ADT/STLFunctionalExtras.h"

namespace nestor {

/// A convolution and its filter.
struct FilterReader {
  nest::ConvOp conv;
  const void *filter; ///< Stands for it in all functions: its global, or its value.
  bool isConstant;
  bool isWidest; ///< No wider capacity reads the filter.
};

/// Visits all convolutions of `module`, those of the widest capacity first.
void forEachFilterReader(mlir::ModuleOp module, llvm::function_ref<void(const FilterReader &)> visit);

} // namespace nestor

#endif // NESTOR_PASSES_FILTERREADERS_H
