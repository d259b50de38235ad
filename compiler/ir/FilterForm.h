//===- FilterForm.h - How filters are packed --------------------*- C++ -*-===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
#ifndef NESTOR_IR_FILTERFORM_H
#define NESTOR_IR_FILTERFORM_H

#include "compiler/ir/Winograd.h"

namespace nestor::nest {

/// On a pointwise `nest.conv` and the `nest.pack` of its filter, a unit: computed by
/// Strassen's algorithm (Strassen.h).
inline constexpr llvm::StringLiteral kStrassenAttr = "nest.strassen";

/// What a filter is transformed for when it is packed, if for anything.
struct FilterForm {
  WinogradTile winograd = {};
  bool strassen = false;

  explicit operator bool() const { return winograd || strassen; }
};

FilterForm filterForm(mlir::Operation *op);
void setFilterForm(mlir::Operation *op, FilterForm form);

/// The shape of a filter [kernel.., inputs, outputs] packed into panels of 16
/// outputs. In a depthwise filter panels run across the groups, otherwise each
/// group has its own.
llvm::SmallVector<int64_t> packedShape(llvm::ArrayRef<int64_t> kernel, int64_t inputs, int64_t outputs,
                                       int64_t groups, bool depthwise, FilterForm form);

} // namespace nestor::nest

#endif // NESTOR_IR_FILTERFORM_H
