//===- Gradient.cpp - Differentiation of nest functions -------------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "compiler/learn/Gradient.h"

#include "compiler/ir/Convolutions.h"
#include "compiler/learn/GradientRules.h"
#include "passes/Utils.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace nestor;
using namespace nestor::learn;
using namespace nestor::nest;

//===----------------------------------------------------------------------===//
// Building blocks of rules
//===----------------------------------------------------------------------===//

Value nestor::learn::scalar(ImplicitLocOpBuilder &b, Type type, double value) {
  return arith::ConstantOp::create(b, b.getFloatAttr(type, value));
}

void Gradients::add(Value value, Value gradient) {
  if (!wants(value))
    return;
  ArrayRef<int64_t> want = nestor::shapeOf(value), have = nestor::shapeOf(gradient);
  SmallVector<int64_t> repeated;
  for (size_t i = 0, missing = have.size() - want.size(); i < have.size(); ++i)
    if (have[i] > 1 && (i < missing || want[i - missing] == 1))
      repeated.push_back(i);
  if (!repeated.empty())
    gradient = sumRepeated(gradient, repeated);
  parts[value].push_back(reshapeTo(*this, getLoc(), gradient, want));
}

/// The factors of a map that multiplies two tensors of its own shape.
static std::optional<std::pair<Value, Value>> factorsOf(Value value) {
  auto map = value.getDefiningOp<MapOp>();
  if (!map || map.getInputs().size() != 2)
    return std::nullopt;
  Block &body = map.getBody().front();
  auto product = dyn_cast<arith::MulFOp>(&body.front());
  if (!product || body.getTerminator()->getOperand(0) != product.getResult() ||
      !isa<BlockArgument>(product.getLhs()) || !isa<BlockArgument>(product.getRhs()) ||
      product.getLhs() == product.getRhs())
    return std::nullopt;
  for (Value input : map.getInputs())
    if (input.getType() != map.getType())
      return std::nullopt;
  return std::pair(map.getInputs()[0], map.getInputs()[1]);
}

/// Where only the sums of products are wanted, nobody reads the products then.
Value Gradients::sumRepeated(Value gradient, ArrayRef<int64_t> axes) {
  int64_t rank = tensorType(gradient).getRank();
  auto factors = factorsOf(gradient);
  if (!factors || rank < 3 || axes != ArrayRef(llvm::to_vector(llvm::seq<int64_t>(0, rank - 1))))
    return sum(gradient, axes);
  return dot(factors->first, factors->second);
}

Value Gradients::take(Value value) {
  auto found = parts.find(value);
  if (found == parts.end())
    return {};
  if (found->second.size() == 1)
    return found->second.front();
  return map(found->second, nestor::shapeOf(value), [](ImplicitLocOpBuilder &b, ValueRange in) {
    Value total = in[0];
    for (Value part : in.drop_front())
      total = arith::AddFOp::create(b, total, part);
    return total;
  });
}

Value Gradients::map(ValueRange inputs, ArrayRef<int64_t> shape, Body body) {
  auto op = MapOp::create(*this, tensorType(inputs.front()).clone(shape), inputs);
  OpBuilder::InsertionGuard guard(*this);
  Block *block = createBlock(&op.getBody());
  for (Value input : inputs)
    block->addArgument(scalarTypeOf(input.getType()), getLoc());
  YieldOp::create(*this, body(*this, block->getArguments()));
  return op.getResult();
}

/// The shape that both broadcast to.
static SmallVector<int64_t> commonShape(Value a, Value b) {
  ArrayRef<int64_t> longer = shapeOf(a), shorter = shapeOf(b);
  if (longer.size() < shorter.size())
    std::swap(longer, shorter);
  SmallVector<int64_t> shape(longer);
  for (size_t i = 0, missing = longer.size() - shorter.size(); i < shorter.size(); ++i)
    if (shape[missing + i] == 1)
      shape[missing + i] = shorter[i];
  return shape;
}

Value Gradients::multiply(Value a, Value b) {
  return map({a, b}, commonShape(a, b), [](ImplicitLocOpBuilder &b, ValueRange in) {
    return arith::MulFOp::create(b, in[0], in[1]);
  });
}

Value Gradients::scale(Value a, double factor) {
  return map(a, nestor::shapeOf(a), [&](ImplicitLocOpBuilder &b, ValueRange in) {
    return arith::MulFOp::create(b, in[0], scalar(b, in[0].getType(), factor));
  });
}

Value Gradients::broadcast(Value value, ArrayRef<int64_t> shape) {
  if (nestor::shapeOf(value) == shape)
    return value;
  return map(value, shape, [](ImplicitLocOpBuilder &, ValueRange in) { return in[0]; });
}

static Value reduce(Gradients &g, ReduceKind kind, Value value, ArrayRef<int64_t> axes) {
  SmallVector<int64_t> shape(shapeOf(value));
  for (int64_t axis : axes)
    shape[axis] = 1;
  return ReduceOp::create(g, tensorType(value).clone(shape), value, kind, axes);
}

Value Gradients::sum(Value value, ArrayRef<int64_t> axes) {
  return reduce(*this, ReduceKind::sum, value, axes);
}
Value Gradients::mean(Value value, ArrayRef<int64_t> axes) {
  return reduce(*this, ReduceKind::mean, value, axes);
}

/// What the gradient of a depthwise filter of one tap is.
Value Gradients::dot(Value a, Value b) {
  RankedTensorType type = tensorType(a);
  SmallVector<int64_t> ones(type.getRank() - 2, 1), zeros(ones.size(), 0), shape(type.getRank(), 1);
  int64_t channels = shape.back() = type.getShape().back();
  return ConvFilterGradOp::create(*this, type.clone(shape), a, b, ones, ones, ones, zeros, zeros,
                                  channels);
}

Value Gradients::slice(Value value, ArrayRef<int64_t> starts, ArrayRef<int64_t> steps,
                       ArrayRef<int64_t> shape) {
  if (areOnes(steps) && nestor::shapeOf(value) == shape)
    return value;
  return SliceOp::create(*this, tensorType(value).clone(shape), value, starts, steps);
}

Value Gradients::pad(Value value, ArrayRef<int64_t> low, ArrayRef<int64_t> high) {
  SmallVector<int64_t> shape(nestor::shapeOf(value));
  for (size_t i = 0; i < shape.size(); ++i)
    shape[i] += low[i] + high[i];
  auto isZero = [](int64_t amount) { return amount == 0; };
  if (llvm::all_of(low, isZero) && llvm::all_of(high, isZero))
    return value;
  return PadOp::create(*this, tensorType(value).clone(shape), value, /*value=*/Value(), low, high,
                       PadMode::constant);
}

Value Gradients::spread(Value value, ArrayRef<int64_t> steps) {
  if (areOnes(steps))
    return value;
  SmallVector<int64_t> split, low, high, merged;
  for (auto [extent, step] : llvm::zip_equal(nestor::shapeOf(value), steps)) {
    split.append({extent, 1});
    low.append({0, 0});
    high.append({0, step - 1});
    merged.push_back(extent * step);
  }
  Value spaced = pad(reshapeTo(*this, getLoc(), value, split), low, high);
  return reshapeTo(*this, getLoc(), spaced, merged);
}

Value Gradients::filled(RankedTensorType type, double value) {
  FloatAttr element = getFloatAttr(type.getElementType(), value);
  return ConstOp::create(*this, cast<ElementsAttr>(DenseElementsAttr::get(type, element)));
}

//===----------------------------------------------------------------------===//
// Which operations there are rules for
//===----------------------------------------------------------------------===//

bool nestor::learn::isDifferentiable(Operation *op) {
  return llvm::TypeSwitch<Operation *, bool>(op)
      .Case([](MapOp map) { return isDifferentiableBody(map.getBody()); })
      .Case([](ConvOp conv) { return conv.getEpilogue().empty() && !conv.getPacked(); })
      .Case([](ConvFilterGradOp op) { return isDot(op); })
      .Case([](MatmulOp matmul) { return matmul.getEpilogue().empty(); })
      .Case([](PoolOp pool) { return pool.getKind() != PoolKind::lp; })
      .Case([](ReduceOp reduce) { return reduce.getKind() != ReduceKind::prod; })
      .Case([](PadOp pad) { return pad.getMode() == PadMode::constant; })
      .Case<LstmOp, GruOp>([](auto layer) { return canUnroll(layer); })
      .Case<SoftmaxOp, NormOp, CumsumOp, TransposeOp, ReshapeOp, SliceOp, ConcatOp, GatherOp>(
          [](Operation *) { return true; })
      .Default([](Operation *) { return false; });
}

/// Adds what `op`, the gradient of whose result is `grad`, contributes to the
/// gradients of its operands.
static void applyRule(Operation *op, Value grad, Gradients &g) {
  llvm::TypeSwitch<Operation *>(op)
      .Case<MapOp, ConvOp, ConvFilterGradOp, MatmulOp, PoolOp, ReduceOp, SoftmaxOp, NormOp,
            CumsumOp, TransposeOp, ReshapeOp, SliceOp, PadOp, ConcatOp, GatherOp>(
          [&](auto known) { differentiate(known, grad, g); })
      .Default([](Operation *) { llvm_unreachable("was checked to have a rule"); });
}

//===----------------------------------------------------------------------===//
// Functions
//===----------------------------------------------------------------------===//

/// The float values that depend on one of `arguments`.
static DenseSet<Value> dependents(func::FuncOp func, ArrayRef<unsigned> arguments) {
  DenseSet<Value> active;
  for (unsigned argument : arguments)
    active.insert(func.getArgument(argument));
  for (Operation &op : func.front().without_terminator())
    if (llvm::any_of(op.getOperands(), [&](Value operand) { return active.contains(operand); }))
      for (Value result : op.getResults())
        if (isa<FloatType>(tensorType(result).getElementType()))
          active.insert(result);
  return active;
}

/// The operations through which the loss depends on one of `arguments`, in
/// order.
static SmallVector<Operation *> operationsBetween(func::FuncOp func,
                                                  const DenseSet<Value> &active) {
  DenseSet<Value> needed{func.front().getTerminator()->getOperand(0)};
  SmallVector<Operation *> operations;
  for (Operation &op : llvm::reverse(func.front().without_terminator())) {
    if (llvm::none_of(op.getResults(), [&](Value result) {
          return needed.contains(result) && active.contains(result);
        }))
      continue;
    operations.push_back(&op);
    needed.insert(op.operand_begin(), op.operand_end());
  }
  return llvm::to_vector(llvm::reverse(operations));
}

/// Writes operations in terms of others that have rules.
static void expand(Operation *op) {
  llvm::TypeSwitch<Operation *>(op)
      .Case<LstmOp, GruOp>([](auto layer) { unroll(layer); })
      .Case([](ConvOp conv) {
        if (conv.getScale())
          scaleFilter(conv);
      });
}

LogicalResult nestor::learn::appendGradients(func::FuncOp func, ArrayRef<unsigned> arguments) {
  Operation *terminator = func.front().getTerminator();
  Value loss = terminator->getOperand(0);
  assert(tensorType(loss).getNumElements() == 1 && "the loss is one number");
  for (Operation *op : operationsBetween(func, dependents(func, arguments)))
    if (!isDifferentiable(op))
      return op->emitError("the gradient of '") << op->getName() << "' is not known";
  for (Operation *op : operationsBetween(func, dependents(func, arguments)))
    expand(op);

  loss = terminator->getOperand(0);
  DenseSet<Value> active = dependents(func, arguments);
  SmallVector<Operation *> operations = operationsBetween(func, active);
  Gradients g(OpBuilder(terminator), terminator->getLoc(), std::move(active));
  g.add(loss, g.filled(tensorType(loss), 1));
  for (Operation *op : llvm::reverse(operations)) {
    g.setLoc(op->getLoc());
    if (Value grad = g.take(op->getResult(0)))
      applyRule(op, grad, g);
  }
  for (unsigned argument : arguments) {
    Value value = func.getArgument(argument), grad = g.take(value);
    if (!grad)
      grad = g.filled(tensorType(value), 0);
    terminator->insertOperands(terminator->getNumOperands(), grad);
    [[maybe_unused]] LogicalResult inserted =
        func.insertResult(func.getNumResults(), value.getType(), /*resultAttrs=*/{});
    assert(succeeded(inserted) && "a function can have more results");
  }
  return success();
}
