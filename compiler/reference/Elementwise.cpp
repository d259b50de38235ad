//===- Elementwise.cpp - Maps and epilogues -------------------------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
//
// A region of scalar operations is interpreted operation by operation over
// runs of elements, so that finding out what to do is paid once a run.
//
//===----------------------------------------------------------------------===//

#include "compiler/reference/Families.h"
#include "compiler/reference/ScalarOps.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "llvm/ADT/DenseMap.h"

using namespace mlir;
using namespace nestor::nest;
using namespace nestor::reference;

/// Elements that are computed together; a few of these fit the cache.
static constexpr int64_t kRun = 2048;

namespace {

/// The values of one SSA value for a run of elements. One of the two is used:
/// floats rounded to the value's type, or integers in canonical form.
struct Column {
  std::vector<double> floats;
  std::vector<int64_t> ints;
};

class RegionInterpreter {
public:
  explicit RegionInterpreter(Block &block) : block(block) {}

  /// Interprets the block over elements [begin, begin + count) of `inputs`,
  /// one per block argument, and stores what it yields to the same elements of
  /// `result`.
  LogicalResult run(ArrayRef<const TensorValue *> inputs, int64_t begin, int64_t count,
                    TensorValue &result);

private:
  void load(const TensorValue &tensor, int64_t begin, Value argument);
  void store(Value value, int64_t begin, TensorValue &tensor);
  LogicalResult interpret(Operation &op);
  // Each returns whether the operation is of its kind.
  bool interpretConstant(Operation &op);
  bool interpretNamed(Operation &op);
  bool interpretCast(Operation &op);
  bool interpretMixed(Operation &op);
  void reinterpret(Value from, Value to);

  /// The column of `value` with room for the run. Its elements stay where they
  /// are when other columns are made, the column itself does not.
  Column &columnOf(Value value);
  ArrayRef<double> floats(Value value) { return columnOf(value).floats; }
  ArrayRef<int64_t> ints(Value value) { return columnOf(value).ints; }

  /// Sets each element of `result` to `f(i)`, brought into its type.
  template <typename F> void setFloats(Value result, F &&f);
  template <typename F> void setInts(Value result, F &&f);

  Block &block;
  llvm::DenseMap<Value, Column> columns;
  int64_t count = 0;
};

} // namespace

static unsigned widthOf(Value value) { return value.getType().getIntOrFloatBitWidth(); }

LogicalResult RegionInterpreter::run(ArrayRef<const TensorValue *> inputs, int64_t begin,
                                     int64_t runCount, TensorValue &result) {
  count = runCount;
  for (auto [argument, tensor] : llvm::zip_equal(block.getArguments(), inputs))
    load(*tensor, begin, argument);
  for (Operation &op : block.without_terminator())
    if (failed(interpret(op)))
      return failure();
  store(cast<YieldOp>(block.getTerminator()).getValue(), begin, result);
  return success();
}

Column &RegionInterpreter::columnOf(Value value) {
  Column &column = columns[value];
  if (isa<FloatType>(value.getType()))
    column.floats.resize(count);
  else
    column.ints.resize(count);
  return column;
}

template <typename F> void RegionInterpreter::setFloats(Value result, F &&f) {
  std::vector<double> &values = columnOf(result).floats;
  visitStorage(result.getType(), [&](auto zero) {
    using T = decltype(zero);
    if constexpr (!std::is_integral_v<T>)
      for (int64_t i = 0; i < count; ++i)
        values[i] = convertElement<double>(convertElement<T>(double(f(i))));
  });
}

template <typename F> void RegionInterpreter::setInts(Value result, F &&f) {
  std::vector<int64_t> &values = columnOf(result).ints;
  for (int64_t i = 0, width = widthOf(result); i < count; ++i)
    values[i] = canonicalInt(f(i), width);
}

void RegionInterpreter::load(const TensorValue &tensor, int64_t begin, Value argument) {
  visitStorage(tensor.type.getElementType(), [&](auto zero) {
    using T = decltype(zero);
    ArrayRef<T> from = tensor.as<T>().slice(begin, count);
    if constexpr (std::is_integral_v<T>)
      setInts(argument, [&](int64_t i) { return int64_t(from[i]); });
    else
      setFloats(argument, [&](int64_t i) { return double(from[i]); });
  });
}

void RegionInterpreter::store(Value value, int64_t begin, TensorValue &tensor) {
  visitStorage(tensor.type.getElementType(), [&](auto zero) {
    using T = decltype(zero);
    MutableArrayRef<T> to = tensor.as<T>().slice(begin, count);
    if constexpr (std::is_integral_v<T>)
      llvm::transform(ints(value), to.begin(), convertElement<T, int64_t>);
    else
      llvm::transform(floats(value), to.begin(), convertElement<T, double>);
  });
}

LogicalResult RegionInterpreter::interpret(Operation &op) {
  if (interpretConstant(op) || interpretNamed(op) || interpretCast(op) || interpretMixed(op))
    return success();
  return op.emitError("the reference evaluator does not know '") << op.getName() << "'";
}

bool RegionInterpreter::interpretConstant(Operation &op) {
  auto constant = dyn_cast<arith::ConstantOp>(op);
  if (!constant)
    return false;
  if (auto number = dyn_cast<FloatAttr>(constant.getValue())) {
    double value = number.getValueAsDouble();
    setFloats(constant, [&](int64_t) { return value; });
  } else {
    int64_t value = cast<IntegerAttr>(constant.getValue()).getValue().getSExtValue();
    setInts(constant, [&](int64_t) { return value; });
  }
  return true;
}

/// Operations that ScalarOps.h knows by name.
bool RegionInterpreter::interpretNamed(Operation &op) {
  StringRef name = op.getName().getStringRef();
  Value result = op.getResult(0), first = op.getOperand(0), last = op.getOperands().back();
  ArrayRef<double> x = floats(first), y = floats(last);
  ArrayRef<int64_t> a = ints(first), b = ints(last);
  unsigned width = widthOf(first);

  if (FloatUnary f = floatUnary(name))
    setFloats(result, [&](int64_t i) { return f(x[i]); });
  else if (FloatBinary f = floatBinary(name))
    setFloats(result, [&](int64_t i) { return f(x[i], y[i]); });
  else if (FloatTest f = floatTest(name))
    setInts(result, [&](int64_t i) { return f(x[i]); });
  else if (IntUnary f = intUnary(name))
    setInts(result, [&](int64_t i) { return f(a[i], width); });
  else if (IntBinary f = intBinary(name))
    setInts(result, [&](int64_t i) { return f(a[i], b[i], width); });
  else
    return false;
  return true;
}

/// Converts a float to an integer of `width` bits as `convertElement` does.
static int64_t floatToInt(double value, unsigned width, bool isSigned) {
  if (!isSigned) {
    double top = std::ldexp(1.0, width);
    return int64_t(value < top ? convertElement<uint64_t>(value)
                               : std::isnan(value) ? 0 : unsignedInt(-1, width));
  }
  int64_t largest = int64_t(unsignedInt(-1, width - 1)), smallest = -largest - 1;
  return std::clamp(convertElement<int64_t>(value), smallest, largest);
}

bool RegionInterpreter::interpretCast(Operation &op) {
  Value from = op.getOperand(0), to = op.getResult(0);
  ArrayRef<double> x = floats(from);
  ArrayRef<int64_t> a = ints(from);
  unsigned fromWidth = widthOf(from), toWidth = widthOf(to);
  if (isa<arith::ExtFOp, arith::TruncFOp>(op))
    setFloats(to, [&](int64_t i) { return x[i]; });
  else if (isa<arith::ExtSIOp, arith::TruncIOp>(op))
    setInts(to, [&](int64_t i) { return signedInt(a[i], fromWidth); });
  else if (isa<arith::ExtUIOp>(op))
    setInts(to, [&](int64_t i) { return int64_t(unsignedInt(a[i], fromWidth)); });
  else if (isa<arith::SIToFPOp>(op))
    setFloats(to, [&](int64_t i) { return double(signedInt(a[i], fromWidth)); });
  else if (isa<arith::UIToFPOp>(op))
    setFloats(to, [&](int64_t i) { return double(unsignedInt(a[i], fromWidth)); });
  else if (isa<arith::FPToSIOp>(op))
    setInts(to, [&](int64_t i) { return floatToInt(x[i], toWidth, /*isSigned=*/true); });
  else if (isa<arith::FPToUIOp>(op))
    setInts(to, [&](int64_t i) { return floatToInt(x[i], toWidth, /*isSigned=*/false); });
  else if (isa<arith::BitcastOp>(op))
    reinterpret(from, to);
  else
    return false;
  return true;
}

/// Sets `to` to the bits of `from`, a value of the same width.
void RegionInterpreter::reinterpret(Value from, Value to) {
  TensorValue bits = TensorValue::zeros(RankedTensorType::get({count}, from.getType()));
  store(from, 0, bits);
  bits.type = RankedTensorType::get({count}, to.getType());
  load(bits, 0, to);
}

/// Operations with an attribute, or with three operands.
bool RegionInterpreter::interpretMixed(Operation &op) {
  Value result = op.getResult(0);
  SmallVector<ArrayRef<double>, 3> x;
  SmallVector<ArrayRef<int64_t>, 3> a;
  for (Value operand : op.getOperands()) {
    x.push_back(floats(operand));
    a.push_back(ints(operand));
  }
  if (auto compare = dyn_cast<arith::CmpFOp>(op)) {
    arith::CmpFPredicate predicate = compare.getPredicate();
    setInts(result, [&](int64_t i) { return compareFloats(predicate, x[0][i], x[1][i]); });
  } else if (auto compare = dyn_cast<arith::CmpIOp>(op)) {
    arith::CmpIPredicate predicate = compare.getPredicate();
    unsigned width = widthOf(compare.getLhs());
    setInts(result, [&](int64_t i) { return compareInts(predicate, a[0][i], a[1][i], width); });
  } else if (isa<arith::SelectOp>(op) && isa<FloatType>(result.getType())) {
    setFloats(result, [&](int64_t i) { return a[0][i] ? x[1][i] : x[2][i]; });
  } else if (isa<arith::SelectOp>(op)) {
    setInts(result, [&](int64_t i) { return a[0][i] ? a[1][i] : a[2][i]; });
  } else if (isa<math::FmaOp>(op)) {
    setFloats(result, [&](int64_t i) { return std::fma(x[0][i], x[1][i], x[2][i]); });
  } else if (isa<math::ClampFOp>(op)) {
    setFloats(result, [&](int64_t i) { return std::min(std::max(x[0][i], x[1][i]), x[2][i]); });
  } else if (isa<math::FPowIOp>(op)) {
    setFloats(result, [&](int64_t i) { return std::pow(x[0][i], double(a[1][i])); });
  } else {
    return false;
  }
  return true;
}

/// Interprets `region` for each element of a tensor of `type`.
static FailureOr<TensorValue> interpretRegion(Region &region, ArrayRef<const TensorValue *> inputs,
                                              RankedTensorType type) {
  SmallVector<TensorValue> broadcasts;
  broadcasts.reserve(inputs.size());
  SmallVector<const TensorValue *> aligned;
  for (const TensorValue *input : inputs) {
    if (input->type.getShape() == type.getShape()) {
      aligned.push_back(input);
    } else {
      broadcasts.push_back(broadcast(*input, type.getShape()));
      aligned.push_back(&broadcasts.back());
    }
  }
  TensorValue result = TensorValue::zeros(type);
  RegionInterpreter interpreter(region.front());
  for (int64_t begin = 0, size = result.size(); begin < size; begin += kRun)
    if (failed(interpreter.run(aligned, begin, std::min(kRun, size - begin), result)))
      return failure();
  return result;
}

FailureOr<TensorValue> nestor::reference::evaluateMap(MapOp op, const Operands &operands) {
  SmallVector<const TensorValue *> inputs;
  for (Value input : op.getInputs())
    inputs.push_back(&operands[input]);
  return interpretRegion(op.getBody(), inputs, op.getType());
}

FailureOr<TensorValue> nestor::reference::evaluateEpilogue(Region &region, TensorValue accumulator,
                                                           ValueRange extras,
                                                           const Operands &operands) {
  if (region.empty())
    return accumulator;
  SmallVector<const TensorValue *> inputs{&accumulator};
  for (Value extra : extras)
    inputs.push_back(&operands[extra]);
  // The result may be of another element type than the sums.
  auto type = cast<RankedTensorType>(region.getParentOp()->getResult(0).getType());
  return interpretRegion(region, inputs, type);
}
