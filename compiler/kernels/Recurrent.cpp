//===- Recurrent.cpp - What LSTM, GRU and RNN kernels share ---------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "compiler/kernels/Recurrent.h"

#include "compiler/kernels/StaticCall.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "llvm/Support/raw_ostream.h"

using namespace mlir;
using namespace nestor;
using namespace nestor::kernels;

//===----------------------------------------------------------------------===//
// The projection
//===----------------------------------------------------------------------===//

namespace {

/// projection[row, d, p, g, :] = bias[d, p, g, :] + sum over i of
/// input[row, i] * weights[d, p, i, g, :], where a row is a step and a batch
/// element.
struct Projection {
  KernelBuilder &b;
  const RecurrentLayer &layer;
  int64_t biasRows; ///< 0 without a bias.
  Value input, bias, target;
  RecurrentMatrix weights;
  int64_t lanes;

  void emit() {
    // Rows that share a loaded weight: as many as accumulators fit.
    int64_t rows = b.target.vectorRegisters >= 32 ? 4 : 2;
    if (layer.steps * layer.batch < rows)
      rows = 1;
    Value full = b.sub(b.end(), b.rem(b.sub(b.end(), b.begin()), rows));
    if (rows > 1)
      b.loop(b.begin(), full, rows, [&](Value row) { emitRows(row, rows); });
    b.loop(rows > 1 ? full : b.begin(), b.end(), 1, [&](Value row) { emitRows(row, 1); });
  }

private:
  void emitRows(Value row, int64_t rows) {
    b.loop(b.i64(0), b.i64(layer.directions), 1, [&](Value direction) {
      b.loop(b.i64(0), b.i64(layer.panels), 1, [&](Value panel) {
        for (int64_t lane = 0; lane < kRecurrentPanel; lane += lanes)
          emitPart(row, rows, direction, panel, lane);
      });
    });
  }

  void emitPart(Value row, int64_t rows, Value direction, Value panelOfDirection, int64_t lane) {
    int64_t gates = layer.gates, width = gates * kRecurrentPanel;
    Value panel = b.add(b.mul(direction, layer.panels), panelOfDirection);
    SmallVector<Value> acc;
    for (int64_t r = 0; r < rows; ++r)
      for (int64_t g = 0; g < gates; ++g)
        acc.push_back(startValue(panel, g, lane));
    auto step = [&](Value i, ArrayRef<Value> weightRows, ValueRange sums) {
      SmallVector<Value> next(sums.begin(), sums.end());
      SmallVector<Value> w;
      for (int64_t g = 0; g < gates; ++g)
        w.push_back(b.load(layer.element, weightRows.front(), b.i64(g * kRecurrentPanel + lane),
                           {lanes, nullptr}));
      for (int64_t r = 0; r < rows; ++r) {
        Value x = b.load(layer.element, input, b.add(b.mul(b.add(row, r), layer.inputs), i));
        x = b.broadcast(x, lanes);
        for (int64_t g = 0; g < gates; ++g)
          next[r * gates + g] = b.fma(x, w[g], next[r * gates + g]);
      }
      return next;
    };
    acc = weights.forEachInput(direction, panelOfDirection, acc, step);
    for (int64_t r = 0; r < rows; ++r) {
      Value to =
          b.add(b.mul(b.add(row, r), layer.directions * layer.gateRow()), b.mul(panel, width));
      for (int64_t g = 0; g < gates; ++g)
        b.store(acc[r * gates + g], target, b.add(to, g * kRecurrentPanel + lane),
                {lanes, nullptr});
    }
  }

  Value startValue(Value panel, int64_t gate, int64_t lane) {
    if (!biasRows)
      return b.constant(withLanes(layer.element, lanes), 0);
    Value from = b.add(b.mul(panel, biasRows * kRecurrentPanel), gate * kRecurrentPanel + lane);
    return b.load(layer.element, bias, from, {lanes, nullptr});
  }
};

} // namespace

//===----------------------------------------------------------------------===//
// The scan
//===----------------------------------------------------------------------===//

void RecurrentScan::emit() {
  unsigned uses = layer.activationsPerDirection();
  ArrayRef<Activation> all(layer.activations);
  auto same = [&](unsigned i) {
    return all[i].name == all[uses + i].name && all[i].alpha == all[uses + i].alpha &&
           all[i].beta == all[uses + i].beta;
  };
  bool shared = layer.directions == 1 || llvm::all_of(llvm::seq<unsigned>(0, uses), same);
  b.loop(b.begin(), b.end(), 1, [&](Value line) {
    Value direction = b.div(line, layer.batch), element = b.rem(line, layer.batch);
    if (shared)
      return emitLine(direction, element, all.take_front(uses));
    b.ifThenElse(
        b.equal(direction, b.i64(0)), [&] { emitLine(direction, element, all.take_front(uses)); },
        [&] { emitLine(direction, element, all.drop_front(uses)); });
  });
}

void RecurrentScan::emitLine(Value direction, Value element, ArrayRef<Activation> activations) {
  int64_t padded = layer.paddedHidden(), steps = layer.steps, batch = layer.batch;
  Value line = b.add(b.mul(direction, batch), element);
  Value base = b.mul(line, 3 * padded), extra = b.add(base, 2 * padded);
  initialise(base, at.initialHidden, line);
  initialise(extra, at.initialCell, line);
  Value length = b.i64(steps);
  if (at.lengths)
    length = loadLength(b, layer.lengthsType, at.lengths, element, steps);
  Value backwards = layer.reverse ? b.equal(direction, b.i64(0)) : b.equal(direction, b.i64(1));
  SmallVector<Value> start{base, b.add(base, padded)};
  SmallVector<Value> last = b.loop(b.i64(0), length, 1, start, [&](Value step, ValueRange buffers) {
    Value mirrored = b.sub(b.sub(length, step), b.i64(1));
    Value t = arith::SelectOp::create(b, backwards, mirrored, step);
    Value row = b.add(b.mul(t, batch), element);
    Value projection = b.mul(b.add(b.mul(row, layer.directions), direction), layer.gateRow());
    emitCell(direction, projection, {buffers[0], buffers[1], extra}, activations);
    Value to = b.mul(b.add(b.mul(b.add(b.mul(t, layer.directions), direction), batch), element),
                     layer.hidden);
    copyRun(b, layer.element, at.state, buffers[1], at.hidden, to, layer.hidden);
    return SmallVector<Value>{buffers[1], buffers[0]};
  });
  if (at.lengths)
    zeroTail(length, direction, element);
  Value to = b.mul(line, layer.hidden);
  copyRun(b, layer.element, at.state, last[0], at.lastHidden, to, layer.hidden);
  if (at.lastCell)
    copyRun(b, layer.element, at.state, extra, at.lastCell, to, layer.hidden);
}

void RecurrentScan::initialise(Value offset, Value initial, Value line) {
  b.loop(b.i64(0), b.i64(layer.paddedHidden()), lanes, [&](Value i) {
    b.store(b.constant(withLanes(layer.element, lanes), 0), at.state, b.add(offset, i),
            {lanes, nullptr});
  });
  if (initial)
    copyRun(b, layer.element, initial, b.mul(line, layer.hidden), at.state, offset, layer.hidden);
}

void RecurrentScan::zeroTail(Value from, Value direction, Value element) {
  b.loop(from, b.i64(layer.steps), 1, [&](Value t) {
    Value row = b.add(b.mul(b.add(b.mul(t, layer.directions), direction), layer.batch), element);
    b.vectorLoop(b.i64(0), b.i64(layer.hidden), lanes, [&](Value i, Lanes part) {
      b.store(b.constant(withLanes(layer.element, part.count), 0), at.hidden,
              b.add(b.mul(row, layer.hidden), i), part);
    });
  });
}

void RecurrentScan::forEachParts(PartsBody body) {
  int64_t perPanel = kRecurrentPanel / lanes;
  if (perPanel == 1) { // Two panels side by side.
    int64_t even = layer.panels & ~int64_t(1);
    b.loop(b.i64(0), b.i64(even), 2, [&](Value panel) { body(panel, {{0, 0}, {1, 0}}); });
    if (even != layer.panels)
      body(b.i64(even), {{0, 0}});
    return;
  }
  b.loop(b.i64(0), b.i64(layer.panels), 1, [&](Value panel) {
    for (int64_t part = 0; part < perPanel; part += 2)
      body(panel, {{0, part * lanes}, {0, (part + 1) * lanes}});
  });
}

void RecurrentScan::accumulate(Value direction, Value panel, ArrayRef<PanelPart> parts,
                               ArrayRef<int64_t> gates, Value source, SmallVectorImpl<Value> &acc) {
  SmallVector<Value> panels;
  for (int64_t i = 0; i <= parts.back().panel; ++i)
    panels.push_back(b.add(panel, i));
  auto step = [&](Value k, ArrayRef<Value> rows, ValueRange carried) {
    SmallVector<Value> next;
    Value h = b.broadcast(b.load(layer.element, at.state, b.add(source, k)), lanes);
    for (PanelPart part : parts)
      for (int64_t gate : gates) {
        Value offset = b.i64(gate * kRecurrentPanel + part.lane);
        Value w = b.load(layer.element, rows[part.panel], offset, {lanes, nullptr});
        next.push_back(b.fma(h, w, carried[next.size()]));
      }
    return next;
  };
  SmallVector<Value> sums = recurrence.forEachInput(direction, panels, acc, step);
  acc.assign(sums.begin(), sums.end());
}

Value RecurrentScan::loadPart(Value pointer, Value offset, Value panel, PanelPart part,
                              int64_t rows, int64_t row) {
  Value from = b.mul(b.add(panel, part.panel), rows * kRecurrentPanel);
  return b.load(layer.element, pointer,
                b.add(b.add(offset, from), row * kRecurrentPanel + part.lane), {lanes, nullptr});
}

Value RecurrentScan::loadState(Value offset, Value panel, PanelPart part) {
  return loadPart(at.state, offset, panel, part, 1, 0);
}

void RecurrentScan::storeState(Value value, Value offset, Value panel, PanelPart part) {
  Value to = b.add(offset, b.mul(b.add(panel, part.panel), kRecurrentPanel));
  b.store(value, at.state, b.add(to, part.lane), {lanes, nullptr});
}

Value RecurrentScan::clipped(Value value) {
  if (!layer.clip)
    return value;
  Value low = arith::MaximumFOp::create(b, value, b.constant(value.getType(), -*layer.clip));
  return arith::MinimumFOp::create(b, low, b.constant(value.getType(), *layer.clip));
}

//===----------------------------------------------------------------------===//
// The calls
//===----------------------------------------------------------------------===//

FilterBlocks nestor::kernels::blocksOf(Value matrix) {
  std::optional<SharedFilter> shared = SharedFilter::get(matrix);
  if (shared && shared->blocks.shells() > 1)
    return shared->blocks.upTo(shared->capacity);
  ArrayRef<int64_t> shape = cast<RankedTensorType>(matrix.getType()).getShape();
  int64_t directions = shape[0], panels = shape[1], inputs = shape[2], gates = shape[3];
  return FilterBlocks::recurrent(directions, gates, panels * kRecurrentPanel, inputs);
}

namespace {

constexpr unsigned kProjectionScratch = 0, kStateScratch = 1;

/// Collects a call's pointer arguments.
class ArgumentList {
public:
  explicit ArgumentList(KernelCall &call, Operation *op) : call(call), op(op) {}

  /// Index of the argument, or -1 for an absent operand.
  int operand(Value value) {
    if (!value)
      return -1;
    return add(bytesOf(value.getType()), false, {CallArg::Operand, indexOf(value)});
  }
  /// Index of the first argument for a packed matrix: its blocks, or all of it.
  int matrix(Value value, const FilterBlocks &blocks) {
    std::optional<SharedFilter> shared = SharedFilter::get(value);
    if (!shared || shared->blocks.shells() == 1)
      return operand(value);
    int first = call.args.size();
    for (unsigned block = 0; block < blocks.count(); ++block)
      add(blocks.bytes(block), false, {CallArg::Block, indexOf(value), 0, 0, block});
    return first;
  }
  int result(unsigned index) {
    return add(bytesOf(op->getResult(index).getType()), true, {CallArg::Result, index});
  }
  int scratch(unsigned index, int64_t bytes, bool written) {
    CallArg arg{CallArg::Scratch, index};
    arg.scratchBytes = bytes;
    return add(bytes, written, arg);
  }

private:
  unsigned indexOf(Value value) const {
    auto operands = op->getOperands();
    return std::distance(operands.begin(), llvm::find(operands, value));
  }
  static int64_t bytesOf(Type type) {
    auto tensor = cast<RankedTensorType>(type);
    return tensor.getNumElements() * storageBytes(tensor.getElementType());
  }
  int add(int64_t bytes, bool written, CallArg arg) {
    call.spec.args.push_back({Polynomial{{bytes, {}}}, written});
    call.args.push_back(arg);
    return call.args.size() - 1;
  }

  KernelCall &call;
  Operation *op;
};

std::string identityOf(const RecurrentLayer &layer) {
  std::string text;
  llvm::raw_string_ostream os(text);
  for (Type type : layer.op->getOperandTypes())
    os << type << ' ';
  os << layer.op->getAttrDictionary() << layer.weightBlocks.identity() << ' '
     << layer.recurrenceBlocks.identity();
  return text;
}

/// The pointers to a matrix's blocks, which are arguments from `first` on.
SmallVector<Value> pointersTo(KernelBuilder &b, const FilterBlocks &blocks, int first) {
  SmallVector<Value> pointers;
  for (unsigned block = 0; block < blocks.count(); ++block)
    pointers.push_back(b.arg(first + block));
  return pointers;
}

KernelCall projectionCall(const RecurrentLayer &layer, const RecurrentOperands &operands,
                          int64_t biasRows, int64_t scratchBytes) {
  KernelCall call;
  ArgumentList list(call, layer.op);
  int input = list.operand(operands.input);
  int weights = list.matrix(operands.weights, layer.weightBlocks);
  int target = list.scratch(kProjectionScratch, scratchBytes, /*written=*/true);
  int bias = list.operand(operands.bias);
  int64_t rows = layer.steps * layer.batch;
  llvm::raw_string_ostream(call.spec.signature)
      << "recurrent projection " << rows << "x" << layer.inputs << " -> " << layer.directions << "x"
      << layer.gates * layer.hidden;
  call.spec.name = kernelName("recurrent_projection", identityOf(layer));
  call.spec.grains = {{rows, {}}};
  call.macs = rows * layer.inputs * layer.directions * layer.gates * layer.hidden;
  call.spec.emit = [=](func::FuncOp func, const TargetInfo &info) {
    KernelBuilder b(func, info);
    Value biasPointer = bias < 0 ? Value() : b.arg(bias);
    RecurrentMatrix matrix(b, layer.element, layer.weightBlocks,
                           pointersTo(b, layer.weightBlocks, weights));
    Projection{b,           layer,         bias < 0 ? 0 : biasRows, b.arg(input),
               biasPointer, b.arg(target), std::move(matrix),       b.lanesFor(layer.element)}
        .emit();
    return success();
  };
  return call;
}

} // namespace

Calls nestor::kernels::describeRecurrent(const RecurrentLayer &layer,
                                         const RecurrentOperands &operands, int64_t biasRows,
                                         StringRef family, ScanFactory factory) {
  int64_t bytes = storageBytes(layer.element), lines = layer.directions * layer.batch;
  int64_t projected = layer.steps * layer.batch * layer.directions * layer.gateRow() * bytes;
  KernelCall call;
  ArgumentList list(call, layer.op);
  int projection = list.scratch(kProjectionScratch, projected, /*written=*/false);
  int recurrence = list.matrix(operands.recurrence, layer.recurrenceBlocks);
  int bias = list.operand(operands.bias);
  int lengths = list.operand(operands.lengths),
      initialHidden = list.operand(operands.initialHidden);
  int initialCell = list.operand(operands.initialCell), peephole = list.operand(operands.peephole);
  int state =
      list.scratch(kStateScratch, lines * 3 * layer.paddedHidden() * bytes, /*written=*/true);
  int hidden = list.result(0), lastHidden = list.result(1);
  int lastCell = layer.op->getNumResults() > 2 ? list.result(2) : -1;

  llvm::raw_string_ostream(call.spec.signature)
      << family << " scan " << layer.steps << " steps, " << layer.directions << "x" << layer.hidden
      << " hidden";
  call.spec.name = kernelName((family + "_scan").str(), identityOf(layer));
  call.spec.grains = {{lines, {}}};
  call.macs = layer.steps * lines * layer.gates * layer.hidden * layer.hidden;
  call.spec.emit = [=](func::FuncOp func, const TargetInfo &info) {
    KernelBuilder b(func, info);
    auto pointer = [&](int index) { return index < 0 ? Value() : b.arg(index); };
    RecurrentScan::Pointers pointers{
        pointer(projection),  pointer(bias),     pointer(lengths), pointer(initialHidden),
        pointer(initialCell), pointer(peephole), pointer(state),   pointer(hidden),
        pointer(lastHidden),  pointer(lastCell), pointersTo(b, layer.recurrenceBlocks, recurrence)};
    factory(b, layer, pointers)->emit();
    return success();
  };
  return Calls{projectionCall(layer, operands, biasRows, projected), call};
}
