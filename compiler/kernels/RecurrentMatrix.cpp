//===- RecurrentMatrix.cpp - Reading the weights of a layer ---------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "compiler/kernels/RecurrentMatrix.h"

using namespace mlir;
using namespace nestor::kernels;

RecurrentMatrix::RecurrentMatrix(KernelBuilder &builder, Type element, const FilterBlocks &layout,
                                 ArrayRef<Value> blocks)
    : b(builder), element(element), layout(layout), blocks(blocks) {
  for (unsigned shell = 0; shell < layout.shells(); ++shell) {
    smaller.push_back(shell ? layout.panelsUpTo(0, shell - 1) : 0);
    added.push_back(0), kept.push_back(0);
    for (unsigned part = 0; part < layout.inputParts(); ++part) {
      added.back() += layout.addedInputs(part, shell);
      kept.back() += layout.keptInputs(part, shell);
    }
  }
}

/// `pointer` moved on by a number of rows.
Value RecurrentMatrix::move(Value pointer, Value rows) {
  return b.at(pointer, b.mul(rows, layout.rowFloats()), element);
}

/// Row number `index` of one direction in the block of a shell.
Value RecurrentMatrix::row(unsigned shell, Value direction, Value index) {
  int64_t rows = layout.elements(layout.block(0, shell)) / layout.rowFloats() / layout.directions();
  if (layout.directions() > 1)
    index = b.add(index, b.mul(direction, rows));
  return move(blocks[shell], index);
}

/// `valueOf` the shell of a panel.
Value RecurrentMatrix::ofShell(Value panel, llvm::function_ref<Value(unsigned)> valueOf) {
  Value value;
  for (unsigned shell = layout.shells(); shell-- > 0;) {
    if (layout.addedPanels(0, shell) == 0)
      continue;
    Value here = valueOf(shell);
    value = value ? b.select(b.less(panel, b.i64(layout.panelsUpTo(0, shell))), here, value) : here;
  }
  return value;
}

/// The rows of a panel in the block of its own shell.
Value RecurrentMatrix::ownRows(Value direction, Value panel) {
  return ofShell(panel, [&](unsigned shell) {
    int64_t before = smaller[shell] * (added[shell] - kept[shell]);
    return row(shell, direction, b.add(b.mul(panel, kept[shell]), before));
  });
}

/// The row of a part's first input in what its panel's own shell has.
Value RecurrentMatrix::ownStart(const Panel &panel, unsigned part) {
  Value before = ofShell(panel.number, [&](unsigned shell) {
    int64_t rows = 0;
    for (unsigned earlier = 0; earlier < part; ++earlier)
      rows += layout.keptInputs(earlier, shell);
    return b.i64(rows);
  });
  return move(panel.own, before);
}

/// The row of the first input that `shell` adds to a part: in the block of that
/// shell for panels of smaller ones.
Value RecurrentMatrix::laterStart(const Panel &panel, unsigned part, unsigned shell) {
  int64_t before = 0;
  for (unsigned earlier = 0; earlier < part; ++earlier)
    before += layout.addedInputs(earlier, shell);
  Value index = b.add(b.mul(panel.number, added[shell]), before);
  Value own = move(ownStart(panel, part), b.i64(layout.keptInputs(part, shell - 1)));
  return b.select(b.less(panel.number, b.i64(smaller[shell])), row(shell, panel.direction, index),
                  own);
}

SmallVector<Value> RecurrentMatrix::forEachInput(Value direction, ArrayRef<Value> panels,
                                                 ValueRange sums, Body body) {
  SmallVector<Panel> tile;
  for (Value panel : panels)
    tile.push_back({panel, direction, ownRows(direction, panel)});
  SmallVector<Value> current(sums);
  int64_t first = 0;
  auto run = [&](Value count, int64_t firstInput, function_ref<Value(const Panel &)> startOf) {
    SmallVector<Value> starts = llvm::map_to_vector(tile, startOf);
    current = b.loop(b.i64(0), count, 1, current, [&](Value i, ValueRange carried) {
      SmallVector<Value> rows;
      for (Value start : starts)
        rows.push_back(move(start, i));
      return body(b.add(i, firstInput), rows, carried);
    });
  };
  // Panels ascend: the inputs of the first one's shell all of them have in their own.
  Value smallest = panels.front();
  for (unsigned part = 0; part < layout.inputParts(); ++part) {
    Value own = ofShell(smallest, [&](unsigned s) { return b.i64(layout.keptInputs(part, s)); });
    run(own, first, [&](const Panel &panel) { return ownStart(panel, part); });
    for (unsigned shell = 1; shell < layout.shells(); ++shell) {
      int64_t count = layout.addedInputs(part, shell);
      if (count == 0 || smaller[shell] == 0)
        continue;
      Value isLater = b.less(smallest, b.i64(smaller[shell]));
      run(b.select(isLater, b.i64(count), b.i64(0)), first + layout.keptInputs(part, shell - 1),
          [&](const Panel &panel) { return laterStart(panel, part, shell); });
    }
    first += layout.keptInputs(part, layout.shells() - 1);
  }
  return current;
}
