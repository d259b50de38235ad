//===- Map.cpp - Element-wise operators -----------------------------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "compiler/export/MapExporter.h"

#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/IR/Matchers.h"
#include "llvm/ADT/StringSwitch.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using nestor::reference::TensorValue;

namespace nestor::onnx_export {

MapExporter::MapExporter(GraphExporter &g, nest::MapOp op) : g(g), op(op) {
  leader = op.getInputs().empty() ? Value() : op.getInputs().front();
  for (Value input : op.getInputs())
    if (std::pair(!g.isConstant(input), typeOf(input).getNumElements()) >
        std::pair(!g.isConstant(leader), typeOf(leader).getNumElements()))
      leader = input;
  // Dimensions are the result's; the leader may have fewer.
  int64_t rank = shapeOf(op.getResult()).size(),
          missing = leader ? rank - int64_t(shapeOf(leader).size()) : rank;
  order = identityOrder(missing);
  if (leader)
    for (int64_t dim : g.orderOf(leader))
      order.push_back(dim + missing);
}

LogicalResult MapExporter::run() {
  auto yield = cast<nest::YieldOp>(op.getBody().front().getTerminator());
  Type element = typeOf(op.getResult()).getElementType();
  std::optional<Elements> result = get(yield.getValue(), element);
  if (!result)
    return failure();
  g.define(op.getResult(), expanded(castTo(*result, element).tensor), order);
  return success();
}

//===----------------------------------------------------------------------===//
// Operands, constants, results
//===----------------------------------------------------------------------===//

std::string MapExporter::operand(Value value) {
  read.insert(value);
  if (value != leader)
    return g.useBroadcast(value, order);
  // One operand has all dimensions, so that the result has them too.
  Dims own, shape;
  int64_t missing = order.size() - shapeOf(value).size();
  for (int64_t dim : order) {
    shape.push_back(dim < missing ? 1 : shapeOf(value)[dim - missing]);
    if (dim >= missing)
      own.push_back(dim - missing);
  }
  return g.useAs(value, own, shape);
}

/// `tensor` in the result's shape, which may be larger than all operands.
std::string MapExporter::expanded(const std::string &tensor) {
  Dims shape(order.size(), 1), want(shapeOf(op.getResult()));
  for (Value value : read)
    for (auto [i, extent] : llvm::enumerate(llvm::reverse(shapeOf(value))))
      if (extent != 1)
        shape[shape.size() - 1 - i] = extent;
  if (shape == want && (read.contains(leader) || want.empty()))
    return tensor;
  return g.node("Expand", {tensor, g.integers("shape", ordered<int64_t>(want, order))}).output();
}

Elements MapExporter::constant(const APInt *bits, double number, Type element) {
  if (!bits)
    return {g.scalar("constant", element, number), element};
  TensorValue value = TensorValue::zeros(RankedTensorType::get({}, element));
  uint64_t low = bits->getZExtValue();
  std::copy_n(reinterpret_cast<const char *>(&low), value.bytes.size(), value.bytes.begin());
  return {g.initializer("constant", value), element};
}

Elements MapExporter::castTo(const Elements &value, Type element) {
  if (value.element == element)
    return value;
  return {g.node("Cast", value.tensor).set("to", int64_t(dataTypeOf(element))).output(), element};
}

/// The tensor of a scalar; `wanted` is the type to give a constant, or an
/// integer whose sign matters.
std::optional<Elements> MapExporter::get(Value scalar, Type wanted) {
  Type element = wanted && !isa<FloatType>(wanted) ? wanted : scalar.getType();
  if (isa<FloatType>(scalar.getType()) != isa<FloatType>(element))
    element = scalar.getType();
  FloatAttr number;
  if (matchPattern(scalar, m_Constant(&number)))
    return constant(nullptr, number.getValueAsDouble(), scalar.getType());
  APInt bits;
  if (matchPattern(scalar, m_ConstantInt(&bits)))
    return constant(&bits, 0, element);
  auto known = done.find(scalar);
  if (known == done.end()) {
    std::optional<Elements> value = compute(scalar, wanted);
    if (!value)
      return std::nullopt;
    known = done.try_emplace(scalar, *value).first;
  }
  bool signMatters = wanted && isa<IntegerType>(element) && known->second.element != wanted;
  return signMatters ? castTo(known->second, element) : known->second;
}

//===----------------------------------------------------------------------===//
// Operations
//===----------------------------------------------------------------------===//

std::optional<Elements> MapExporter::compute(Value scalar, Type wanted) {
  if (auto argument = dyn_cast<BlockArgument>(scalar)) {
    Value value = op.getInputs()[argument.getArgNumber()];
    return Elements{operand(value), typeOf(value).getElementType()};
  }
  if (std::optional<Activation> found = recognizeActivation(scalar))
    return activation(*found);
  using Found = std::optional<Elements>;
  return llvm::TypeSwitch<Operation *, Found>(scalar.getDefiningOp())
      .Case<arith::AddFOp, arith::AddIOp>([&](auto s) { return elementwise(s, "Add", Sign::Any); })
      .Case<arith::SubFOp, arith::SubIOp>([&](auto s) { return elementwise(s, "Sub", Sign::Any); })
      .Case<arith::MulFOp, arith::MulIOp>([&](auto s) { return elementwise(s, "Mul", Sign::Any); })
      .Case<arith::DivFOp, arith::DivSIOp>(
          [&](auto s) { return elementwise(s, "Div", Sign::Signed); })
      .Case([&](arith::DivUIOp s) { return elementwise(s, "Div", Sign::Unsigned); })
      .Case([&](arith::RemUIOp s) { return elementwise(s, "Mod", Sign::Unsigned); })
      .Case<arith::RemSIOp, arith::RemFOp>(
          [&](auto s) { return elementwise(s, "Mod", Sign::Signed); })
      .Case<arith::MaximumFOp, arith::MaxSIOp>(
          [&](auto s) { return elementwise(s, "Max", Sign::Signed); })
      .Case<arith::MinimumFOp, arith::MinSIOp>(
          [&](auto s) { return elementwise(s, "Min", Sign::Signed); })
      .Case([&](arith::MaxUIOp s) { return elementwise(s, "Max", Sign::Unsigned); })
      .Case([&](arith::MinUIOp s) { return elementwise(s, "Min", Sign::Unsigned); })
      .Case<math::PowFOp, math::IPowIOp>(
          [&](auto s) { return elementwise(s, "Pow", Sign::Signed); })
      .Case([&](math::AbsIOp s) { return elementwise(s, "Abs", Sign::Signed); })
      .Case<arith::AndIOp, arith::OrIOp, arith::XOrIOp>([&](auto s) { return bits(s); })
      .Case([&](arith::ShLIOp s) { return shift(s, "LEFT"); })
      .Case([&](arith::ShRUIOp s) { return shift(s, "RIGHT"); })
      .Case([&](arith::CmpFOp s) { return compareFloats(s); })
      .Case([&](arith::CmpIOp s) { return compareInts(s); })
      .Case([&](arith::SelectOp s) { return select(s, wanted); })
      .Case<arith::ExtFOp, arith::TruncFOp>(
          [&](auto s) { return convert(s, Sign::Any, Sign::Any); })
      .Case<arith::SIToFPOp, arith::FPToSIOp, arith::ExtSIOp>(
          [&](auto s) { return convert(s, Sign::Signed, Sign::Signed); })
      .Case<arith::UIToFPOp, arith::FPToUIOp, arith::ExtUIOp>(
          [&](auto s) { return convert(s, Sign::Unsigned, Sign::Unsigned); })
      .Case([&](arith::TruncIOp s) { return convert(s, Sign::Any, Sign::Any); })
      .Default([&](Operation *s) { return floatFunction(s); });
}

std::optional<Elements> MapExporter::activation(const Activation &found) {
  SmallVector<std::string> inputs;
  Type element = found.operands.front().getType();
  for (Value value : found.operands) {
    std::optional<Elements> input = value ? get(value) : Elements();
    if (!input)
      return std::nullopt;
    inputs.push_back(input->tensor);
  }
  Node node = g.node(found.op, inputs);
  for (const auto &[name, value] : found.attributes)
    node.set(name, value);
  return Elements{node.output(), element};
}

/// An operation on operands of one type, which the result has too.
std::optional<Elements> MapExporter::elementwise(Operation *scalar, StringRef name, Sign sign) {
  SmallVector<std::string> inputs;
  Type element = signedType(scalar->getResult(0).getType(), sign);
  // Where the sign does not matter, the operands' own is as good, if they agree.
  if (sign == Sign::Any)
    if (std::optional<Elements> first = get(scalar->getOperand(0)))
      element = first->element;
  for (Value value : scalar->getOperands()) {
    std::optional<Elements> input = get(value, element);
    if (!input)
      return std::nullopt;
    inputs.push_back(input->tensor);
  }
  FloatAttr one;
  if (name == "Div" && matchPattern(scalar->getOperand(0), m_Constant(&one)) &&
      one.getValueAsDouble() == 1)
    return make("Reciprocal", inputs[1], element);
  Node node = g.node(name, inputs);
  if (isa<arith::RemSIOp, arith::RemFOp>(scalar))
    node.set("fmod", int64_t(1)); // The result has the dividend's sign.
  return Elements{node.output(), element};
}

std::optional<Elements> MapExporter::floatFunction(Operation *scalar) {
  StringRef name = llvm::StringSwitch<StringRef>(scalar->getName().getStringRef())
                       .Case("math.absf", "Abs")
                       .Case("math.acos", "Acos")
                       .Case("math.acosh", "Acosh")
                       .Case("math.asin", "Asin")
                       .Case("math.asinh", "Asinh")
                       .Case("math.atan", "Atan")
                       .Case("math.atanh", "Atanh")
                       .Case("math.ceil", "Ceil")
                       .Case("math.cos", "Cos")
                       .Case("math.cosh", "Cosh")
                       .Case("math.erf", "Erf")
                       .Case("math.exp", "Exp")
                       .Case("math.floor", "Floor")
                       .Case("math.log", "Log")
                       .Case("math.roundeven", "Round")
                       .Case("math.sin", "Sin")
                       .Case("math.sinh", "Sinh")
                       .Case("math.sqrt", "Sqrt")
                       .Case("math.tan", "Tan")
                       .Case("math.tanh", "Tanh")
                       .Case("arith.negf", "Neg")
                       .Default("");
  if (!name.empty())
    return elementwise(scalar, name, Sign::Any);
  SmallVector<Elements> in;
  for (Value value : scalar->getOperands()) {
    std::optional<Elements> input = get(value);
    if (!input)
      return std::nullopt;
    in.push_back(*input);
  }
  Type element = scalar->getResult(0).getType();
  auto number = [&](double value) { return g.scalar("constant", element, value); };
  auto unary = [&](StringRef name, const std::string &x) { return g.node(name, x).output(); };
  if (isa<math::ExpM1Op>(scalar))
    return make("Sub", {unary("Exp", in[0].tensor), number(1)}, element);
  if (isa<math::Log1pOp>(scalar))
    return make("Log", make("Add", {in[0].tensor, number(1)}, element).tensor, element);
  if (isa<math::RsqrtOp>(scalar))
    return make("Reciprocal", unary("Sqrt", in[0].tensor), element);
  if (isa<math::TruncOp>(scalar))
    return make("Mul", {unary("Sign", in[0].tensor), unary("Floor", unary("Abs", in[0].tensor))},
                element);
  if (isa<math::FmaOp>(scalar))
    return make("Add", {make("Mul", {in[0].tensor, in[1].tensor}, element).tensor, in[2].tensor},
                element);
  if (isa<math::CopySignOp>(scalar)) {
    std::string magnitude = unary("Abs", in[0].tensor);
    std::string negative = make("Less", {in[1].tensor, number(0)}, element).tensor;
    return make("Where", {negative, unary("Neg", magnitude), magnitude}, element);
  }
  return refuse(scalar);
}

LogicalResult exportOp(GraphExporter &g, nest::MapOp op) { return MapExporter(g, op).run(); }

} // namespace nestor::onnx_export
