//===- NestedFilter.cpp - Reading a filter that lies in shells ------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
//
// Where the runs of a tile's panels begin is worked out once for all pixels and
// kept in a table on the stack, so that the loops over runs, taps and channels
// are emitted once, whatever the capacity.
//
//===----------------------------------------------------------------------===//

#include "compiler/kernels/NestedFilter.h"
#include "compiler/kernels/TileTable.h"

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"

using namespace mlir;
using namespace nestor::kernels;

NestedFilter::NestedFilter(KernelBuilder &builder, func::FuncOp func, const Nesting &nesting, Type element,
                           int64_t taps, int64_t maxPanels)
    : b(builder), func(func), nesting(nesting), element(element), taps(taps), fields(2 + 2 * maxPanels) {
  Type i64 = b.getI64Type();
  addedTable = b.stack(i64, nesting.shells);
  keptTable = b.stack(i64, nesting.shells);
  smallerTable = b.stack(i64, nesting.shells);
  beforeTable = b.stack(i64, nesting.parts * nesting.shells);
  runTable = b.stack(i64, nesting.parts * nesting.shells * fields);
  readShells();
}

/// Channels of one part that a shell adds.
Value NestedFilter::inputsOf(Value part, Value shell) {
  Value index = b.add(b.add(b.mul(part, nesting.inputShells()), shell), nesting.inputs(0, 0));
  return b.load(b.getI64Type(), func.getArgument(1), index);
}

Value NestedFilter::blockOf(Value shell) {
  Type pointer = LLVM::LLVMPointerType::get(b.getContext());
  return LLVM::LoadOp::create(b, pointer, b.at(func.getArgument(0), b.add(shell, nesting.firstBlock()), pointer));
}

void NestedFilter::readShells() {
  SmallVector<Value> none(nesting.shells, b.i64(0));
  SmallVector<Value> added = b.loop(b.i64(0), b.i64(nesting.parts), 1, none, [&](Value part, ValueRange before) {
    SmallVector<Value> next;
    for (unsigned shell = 0; shell < nesting.shells; ++shell) {
      b.store(before[shell], beforeTable, b.add(b.mul(part, nesting.shells), shell));
      next.push_back(shell < nesting.inputShells() ? b.add(before[shell], inputsOf(part, b.i64(shell))) : before[shell]);
    }
    return next;
  });
  Value inputs = b.i64(0), panels = b.i64(0);
  for (unsigned shell = 0; shell < nesting.shells; ++shell) {
    inputs = b.add(inputs, added[shell]);
    b.store(added[shell], addedTable, b.i64(shell));
    b.store(inputs, keptTable, b.i64(shell));
    b.store(panels, smallerTable, b.i64(shell));
    panels = b.add(panels, b.param(nesting.panels(shell)));
    inputsUpTo.push_back(inputs);
    panelsUpTo.push_back(panels);
  }
}

NestedFilter::Panel NestedFilter::enterPanel(Value number) {
  Type i64 = b.getI64Type();
  Value shell = b.i64(0);
  for (Value end : ArrayRef<Value>(panelsUpTo).drop_back())
    shell = b.add(shell, b.select(b.less(number, end), b.i64(0), b.i64(1)));
  Value added = b.load(i64, addedTable, shell), kept = b.load(i64, keptTable, shell);
  Value smaller = b.load(i64, smallerTable, shell);
  Value channels = b.add(b.mul(smaller, added), b.mul(b.sub(number, smaller), kept));
  return {number, shell, b.at(blockOf(shell), b.mul(channels, taps * panelWidth), element),
          b.mul(kept, panelWidth)};
}

/// State: number of runs, channels of the pixel before this run, and for each
/// panel those of its own block.
SmallVector<Value> NestedFilter::addRun(Value part, Value shell, Value count, ValueRange state) {
  Type i64 = b.getI64Type();
  Value index = b.mul(state[0], fields);
  b.store(count, runTable, index);
  b.store(state[1], runTable, b.add(index, 1));
  SmallVector<Value> next = {b.add(state[0], b.select(b.less(b.i64(0), count), b.i64(1), b.i64(0))),
                             b.add(state[1], count)};
  Value added = b.load(i64, addedTable, shell), block = blockOf(shell);
  Value before = b.load(i64, beforeTable, b.add(b.mul(part, nesting.shells), shell));
  for (auto [i, panel] : llvm::enumerate(tile)) {
    Value laterShell = b.less(panel.shell, shell);
    Value later = b.at(block, b.mul(b.add(b.mul(b.mul(panel.number, taps), added), before), panelWidth), element);
    Value own = b.at(panel.start, b.mul(state[2 + i], panelWidth), element);
    Value field = b.add(index, 2 + 2 * i);
    LLVM::StoreOp::create(b, b.select(laterShell, later, own), b.at(runTable, field, i64));
    b.store(b.select(laterShell, b.mul(added, panelWidth), panel.tapStride), runTable, b.add(field, 1));
    next.push_back(b.add(state[2 + i], b.select(laterShell, b.i64(0), count)));
  }
  return next;
}

void NestedFilter::enterPanels(Value first, int64_t count) {
  tile.clear();
  for (int64_t i = 0; i < count; ++i)
    tile.push_back(enterPanel(b.add(first, i)));
  if (!nesting.wholeInputs)
    findRuns();
}

void NestedFilter::findRuns() {
  // Up to the first panel's shell all panels have the channels in one run.
  Value smallest = tile.front().shell;
  SmallVector<Value> start(2 + tile.size(), b.i64(0));
  runCount = b.loop(b.i64(0), b.i64(nesting.parts), 1, start, [&](Value part, ValueRange state) {
    Value own = b.loop(b.i64(0), b.add(smallest, 1), 1, b.i64(0), [&](Value shell, ValueRange sum) {
      return SmallVector<Value>{b.add(sum[0], inputsOf(part, shell))};
    })[0];
    SmallVector<Value> after = addRun(part, smallest, own, state);
    return b.loop(b.add(smallest, 1), b.i64(nesting.shells), 1, after, [&](Value shell, ValueRange current) {
      return addRun(part, shell, inputsOf(part, shell), current);
    });
  })[0];
}

Value NestedFilter::fieldOf(Value run, unsigned field) {
  return b.load(b.getI64Type(), runTable, b.add(b.mul(run, fields), field));
}

SmallVector<Value> NestedFilter::forEachRun(ValueRange sums, Body body) {
  if (nesting.wholeInputs) {
    ChannelRun all{inputs(), b.i64(0), {}, {}};
    for (const Panel &panel : tile) {
      all.panels.push_back(panel.start);
      all.tapStride.push_back(panel.tapStride);
    }
    return body(all, sums);
  }
  return b.loop(b.i64(0), runCount, 1, sums, [&](Value index, ValueRange current) {
    ChannelRun run{fieldOf(index, 0), fieldOf(index, 1), {}, {}};
    for (unsigned i = 0; i < tile.size(); ++i) {
      Value slot = b.at(runTable, b.add(b.mul(index, fields), 2 + 2 * i), b.getI64Type());
      run.panels.push_back(LLVM::LoadOp::create(b, LLVM::LLVMPointerType::get(b.getContext()), slot));
      run.tapStride.push_back(fieldOf(index, 3 + 2 * i));
    }
    return body(run, current);
  });
}
