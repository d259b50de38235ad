//===- NodeBuilding.cpp - What import rules build IR with -----------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
//
// The building half of `NodeImporter`: verified creation with constant
// folding, element-wise maps, shape changes, casts and constants.
//
//===----------------------------------------------------------------------===//

#include "compiler/import/NodeImporter.h"

#include "compiler/import/TensorDecoder.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/Diagnostics.h"
#include "mlir/IR/Verifier.h"

#include <cstring>

using namespace mlir;

namespace nestor::import {

//===----------------------------------------------------------------------===//
// Creation and folding
//===----------------------------------------------------------------------===//

namespace {

/// A constant expression is not folded into more elements than this, unless
/// its largest operand is as large: a few bytes of ONNX must not become
/// gigabytes.
constexpr int64_t kFoldLimit = int64_t(1) << 24;

/// Elements of a tensor this large cannot be meant.
constexpr int64_t kElementLimit = int64_t(1) << 36;

bool worthFolding(Operation *op) {
  int64_t limit = kFoldLimit;
  for (Value operand : op->getOperands())
    limit = std::max(limit, mlir::cast<RankedTensorType>(operand.getType()).getNumElements());
  return llvm::all_of(op->getResultTypes(), [&](Type type) {
    return mlir::cast<RankedTensorType>(type).getNumElements() <= limit;
  });
}

} // namespace

SmallVector<Value, 3> NodeImporter::fold(Operation *op) {
  SmallVector<Value, 3> results(op->getResults());
  for (Value result : results) {
    auto type = mlir::cast<RankedTensorType>(result.getType());
    std::optional<int64_t> count = checkedElementCount(type.getShape());
    if (!count || *count > kElementLimit) {
      (void)unsupported("the shape of a result is negative or too large");
      return results;
    }
  }
  std::string diagnostic;
  ScopedDiagnosticHandler handler(op->getContext(), [&](Diagnostic &message) {
    if (message.getSeverity() == DiagnosticSeverity::Error && diagnostic.empty())
      diagnostic = message.str();
    return success();
  });
  if (problem)
    return results;
  if (failed(verify(op))) {
    (void)unsupported("operands do not fit together: " + diagnostic);
    return results;
  }

  SmallVector<reference::TensorValue, 4> operands;
  if (isa<nest::ConstOp>(op) || !worthFolding(op))
    return results;
  for (Value operand : op->getOperands())
    if (!operand.getDefiningOp<nest::ConstOp>())
      return results;
  for (Value operand : op->getOperands())
    operands.push_back(
        reference::TensorValue::fromAttr(operand.getDefiningOp<nest::ConstOp>().getValue()));
  SmallVector<reference::TensorValue> values;
  if (failed(reference::evaluate(op, operands, values)))
    return results;
  for (auto [result, value] : llvm::zip_equal(results, values))
    result = constantOf(value);
  op->erase();
  return results;
}

Value NodeImporter::constantOf(const reference::TensorValue &value) const {
  return nest::ConstOp::create(builder, loc, value.toAttr());
}

Value NodeImporter::constantInts(ArrayRef<int64_t> values) const {
  auto type = RankedTensorType::get({int64_t(values.size())}, builder.getI64Type());
  reference::TensorValue value = reference::TensorValue::zeros(type);
  llvm::copy(values, value.as<int64_t>().begin());
  return constantOf(value);
}

Value NodeImporter::constantScalar(Type element, double value) {
  auto type = RankedTensorType::get({}, element);
  TypedAttr scalar = isa<FloatType>(element) ? TypedAttr(builder.getFloatAttr(element, value))
                                             : TypedAttr(IntegerAttr::get(element, int64_t(value)));
  return nest::ConstOp::create(builder, loc, DenseElementsAttr::get(type, Attribute(scalar)));
}

//===----------------------------------------------------------------------===//
// Maps and casts
//===----------------------------------------------------------------------===//

Value NodeImporter::map(ValueRange inputs, Type element, MapBody body) {
  SmallVector<int64_t> shape;
  for (Value input : inputs) {
    ArrayRef<int64_t> other = mlir::cast<RankedTensorType>(input.getType()).getShape();
    if (other.size() > shape.size())
      shape.insert(shape.begin(), other.size() - shape.size(), 1);
    // Extents that do not broadcast are found when the map is verified.
    for (size_t i = 0; i < other.size(); ++i) {
      int64_t &extent = shape[shape.size() - other.size() + i];
      extent = extent == 1 ? other[i] : extent;
    }
  }
  return mapTo(shape, inputs, element, body);
}

Value NodeImporter::mapTo(ArrayRef<int64_t> shape, ValueRange inputs, Type element, MapBody body) {
  auto op = nest::MapOp::create(builder, loc, RankedTensorType::get(shape, element), inputs);
  Block &block = op.getBody().emplaceBlock();
  for (Value input : inputs) {
    Type type = mlir::cast<RankedTensorType>(input.getType()).getElementType();
    if (auto integer = dyn_cast<IntegerType>(type))
      type = builder.getIntegerType(integer.getWidth());
    block.addArgument(type, loc);
  }
  OpBuilder inner = OpBuilder::atBlockEnd(&block);
  nest::YieldOp::create(inner, loc, body(inner, loc, block.getArguments()));
  return fold(op)[0];
}

namespace {

/// One scalar converted as ONNX Cast does: anything to bool compares with
/// zero, floats to integers truncate.
Value castScalar(OpBuilder &builder, Location loc, Value scalar, Type from, Type to) {
  Type signless = to;
  if (auto integer = dyn_cast<IntegerType>(to))
    signless = builder.getIntegerType(integer.getWidth());
  bool fromFloat = isa<FloatType>(from), toFloat = isa<FloatType>(to);
  // bool is unsigned: true becomes 1.
  bool fromUnsigned = from.isUnsignedInteger() || from.isInteger(1);
  if (to.isInteger(1)) {
    Value zero = arith::ConstantOp::create(builder, loc, builder.getZeroAttr(scalar.getType()));
    if (fromFloat)
      return arith::CmpFOp::create(builder, loc, arith::CmpFPredicate::UNE, scalar, zero);
    return arith::CmpIOp::create(builder, loc, arith::CmpIPredicate::ne, scalar, zero);
  }
  if (fromFloat && toFloat) {
    unsigned have = from.getIntOrFloatBitWidth(), want = to.getIntOrFloatBitWidth();
    if (have == want) { // f16 and bf16 meet in f32
      scalar = arith::ExtFOp::create(builder, loc, builder.getF32Type(), scalar);
      have = 32;
    }
    if (have > want)
      return arith::TruncFOp::create(builder, loc, to, scalar);
    return arith::ExtFOp::create(builder, loc, to, scalar);
  }
  if (fromFloat && to.isUnsignedInteger())
    return arith::FPToUIOp::create(builder, loc, signless, scalar);
  if (fromFloat)
    return arith::FPToSIOp::create(builder, loc, signless, scalar);
  if (toFloat && fromUnsigned)
    return arith::UIToFPOp::create(builder, loc, to, scalar);
  if (toFloat)
    return arith::SIToFPOp::create(builder, loc, to, scalar);
  unsigned have = from.getIntOrFloatBitWidth(), want = to.getIntOrFloatBitWidth();
  if (have == want)
    return scalar;
  if (have > want)
    return arith::TruncIOp::create(builder, loc, signless, scalar);
  if (fromUnsigned)
    return arith::ExtUIOp::create(builder, loc, signless, scalar);
  return arith::ExtSIOp::create(builder, loc, signless, scalar);
}

} // namespace

Value NodeImporter::cast(Value value, Type element) {
  Type from = mlir::cast<RankedTensorType>(value.getType()).getElementType();
  if (from == element)
    return value;
  return map(value, element, [&](OpBuilder &b, Location l, ValueRange arguments) {
    return castScalar(b, l, arguments[0], from, element);
  });
}

//===----------------------------------------------------------------------===//
// Shape changes
//===----------------------------------------------------------------------===//

Value NodeImporter::reshape(Value value, ArrayRef<int64_t> shape) {
  auto type = mlir::cast<RankedTensorType>(value.getType());
  if (type.getShape() == shape)
    return value;
  return create<nest::ReshapeOp>(RankedTensorType::get(shape, type.getElementType()), value);
}

Value NodeImporter::transpose(Value value, ArrayRef<int64_t> perm) {
  auto type = mlir::cast<RankedTensorType>(value.getType());
  bool identity = true;
  SmallVector<int64_t> shape;
  for (auto [i, p] : llvm::enumerate(perm)) {
    identity &= int64_t(i) == p;
    if (p < 0 || p >= type.getRank() || int64_t(perm.size()) != type.getRank()) {
      (void)unsupported("perm is not a permutation of the input's dimensions");
      return value;
    }
    shape.push_back(type.getDimSize(p));
  }
  if (identity)
    return value;
  return create<nest::TransposeOp>(RankedTensorType::get(shape, type.getElementType()), value,
                                   perm);
}

Value NodeImporter::toChannelsLast(Value value) {
  int64_t rank = mlir::cast<RankedTensorType>(value.getType()).getRank();
  assert(rank >= 2 && "needs [N, C, spatial..]");
  SmallVector<int64_t> perm{0};
  for (int64_t i = 2; i < rank; ++i)
    perm.push_back(i);
  perm.push_back(1);
  return transpose(value, perm);
}

Value NodeImporter::toChannelsFirst(Value value) {
  int64_t rank = mlir::cast<RankedTensorType>(value.getType()).getRank();
  assert(rank >= 2 && "needs [N, spatial.., C]");
  SmallVector<int64_t> perm{0, rank - 1};
  for (int64_t i = 1; i < rank - 1; ++i)
    perm.push_back(i);
  return transpose(value, perm);
}

} // namespace nestor::import
