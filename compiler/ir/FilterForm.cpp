//===- FilterForm.cpp - How filters are packed ----------------------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "compiler/ir/FilterForm.h"

#include "compiler/ir/Strassen.h"

using namespace mlir;
using namespace nestor::nest;

FilterForm nestor::nest::filterForm(Operation *op) { return {winogradTile(op), op->hasAttr(kStrassenAttr)}; }

void nestor::nest::setFilterForm(Operation *op, FilterForm form) {
  setWinogradTile(op, form.winograd);
  if (form.strassen)
    op->setAttr(kStrassenAttr, UnitAttr::get(op->getContext()));
  else
    op->removeAttr(kStrassenAttr);
}

SmallVector<int64_t> nestor::nest::packedShape(ArrayRef<int64_t> kernel, int64_t inputs, int64_t outputs,
                                               int64_t groups, bool depthwise, FilterForm form) {
  if (form.strassen)
    return {Strassen::packedChannels(outputs) / Strassen::run, Strassen::positions, Strassen::packedChannels(inputs),
            Strassen::run};
  int64_t panels = depthwise ? llvm::divideCeil(outputs, 16)
                             : groups * llvm::divideCeil(outputs / groups, 16);
  int64_t taps = 1;
  for (int64_t extent : kernel)
    taps *= extent;
  return {panels, form.winograd ? form.winograd.filterPositions() : taps, inputs, 16};
}
