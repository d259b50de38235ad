//===- Convolutions.h - What convolutions are asked -------------*- C++ -*-===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
#ifndef NESTOR_IR_CONVOLUTIONS_H
#define NESTOR_IR_CONVOLUTIONS_H

#include "compiler/ir/NestDialect.h"

namespace nestor::nest {

/// Of strides and dilations: whether they leave nothing out; of a kernel: whether
/// pixels see one pixel each.
inline bool areOnes(llvm::ArrayRef<int64_t> values) {
  return llvm::all_of(values, [](int64_t value) { return value == 1; });
}

/// Whether each output of `conv` reads the one input of its own number.
inline bool isDepthwise(ConvOp conv) {
  int64_t groups = conv.getGroups();
  return groups > 1 && groups == conv.getInputShape().back() && groups == conv.getType().getShape().back();
}

} // namespace nestor::nest

#endif // NESTOR_IR_CONVOLUTIONS_H
