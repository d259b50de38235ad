//===- ByteEpilogue.cpp - Epilogues of convolutions of bytes --------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "passes/ByteEpilogue.h"

#include "compiler/ir/NestDialect.h"
#include "compiler/reference/Evaluator.h"
#include "passes/Utils.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/IR/IRMapping.h"

#include <limits>

using namespace mlir;
using nestor::reference::TensorValue;

namespace nestor {

//===----------------------------------------------------------------------===//
// Scalars
//===----------------------------------------------------------------------===//

static Value constant(OpBuilder &builder, Location loc, float value) {
  return arith::ConstantOp::create(builder, loc, builder.getF32FloatAttr(value));
}

/// The byte, as an i8, of a value that counts in bytes.
static Value toByte(OpBuilder &builder, Location loc, Value value) {
  value = arith::MaxNumFOp::create(builder, loc, value, constant(builder, loc, 0));
  value = arith::MinNumFOp::create(builder, loc, value, constant(builder, loc, 255));
  value = math::RoundEvenOp::create(builder, loc, value);
  return arith::FPToUIOp::create(builder, loc, builder.getI8Type(), value);
}

static Value toByte(OpBuilder &builder, Location loc, Value value, const ByteRange &range) {
  value = arith::MulFOp::create(builder, loc, value, constant(builder, loc, 1 / range.scale));
  value = arith::AddFOp::create(builder, loc, value, constant(builder, loc, float(range.zero)));
  return toByte(builder, loc, value);
}

static Value byteToFloat(OpBuilder &builder, Location loc, Value byte) {
  return arith::UIToFPOp::create(builder, loc, builder.getF32Type(), byte);
}

static Value fromByte(OpBuilder &builder, Location loc, Value byte, const ByteRange &range) {
  Value value = byteToFloat(builder, loc, byte);
  value = arith::SubFOp::create(builder, loc, value, constant(builder, loc, float(range.zero)));
  return arith::MulFOp::create(builder, loc, value, constant(builder, loc, range.scale));
}

//===----------------------------------------------------------------------===//
// Tensors
//===----------------------------------------------------------------------===//

RankedTensorType asBytes(RankedTensorType type) {
  return type.clone(IntegerType::get(type.getContext(), 8, IntegerType::Unsigned));
}

/// A map of one value, whose body `body` makes.
static Value createMap(OpBuilder &builder, Value input, RankedTensorType type, Type scalar,
                       llvm::function_ref<Value(OpBuilder &, Value)> body) {
  auto map = nest::MapOp::create(builder, input.getLoc(), type, input);
  Block &block = map.getBody().emplaceBlock();
  OpBuilder inner = OpBuilder::atBlockEnd(&block);
  Value result = body(inner, block.addArgument(scalar, input.getLoc()));
  nest::YieldOp::create(inner, input.getLoc(), result);
  return map.getResult();
}

Value quantizeTensor(OpBuilder &builder, Value value, const ByteRange &range) {
  auto body = [&](OpBuilder &inner, Value scalar) {
    return toByte(inner, value.getLoc(), scalar, range);
  };
  return createMap(builder, value, asBytes(tensorType(value)), builder.getF32Type(), body);
}

Value dequantizeTensor(OpBuilder &builder, Value bytes, const ByteRange &range) {
  auto body = [&](OpBuilder &inner, Value scalar) {
    return fromByte(inner, bytes.getLoc(), scalar, range);
  };
  RankedTensorType floats = tensorType(bytes).clone(builder.getF32Type());
  return createMap(builder, bytes, floats, builder.getI8Type(), body);
}

Value createVector(OpBuilder &builder, Location loc, ArrayRef<float> values) {
  auto type = RankedTensorType::get(int64_t(values.size()), builder.getF32Type());
  TensorValue tensor = TensorValue::zeros(type);
  llvm::copy(values, tensor.as<float>().begin());
  return nest::ConstOp::create(builder, loc, tensor.toAttr());
}

//===----------------------------------------------------------------------===//
// Epilogues
//===----------------------------------------------------------------------===//

static float numberOf(Value value) {
  auto constant = value.getDefiningOp<arith::ConstantOp>();
  auto number = constant ? dyn_cast<FloatAttr>(constant.getValue()) : FloatAttr();
  return number ? number.getValueAsDouble() : std::numeric_limits<double>::quiet_NaN();
}

bool onlyAdds(Region &epilogue, const ByteRange &range) {
  if (epilogue.empty())
    return true;
  Block &block = epilogue.front();
  Value current = block.getArgument(0);
  unsigned added = 0;
  bool clamped = false;
  for (Operation &op : block.without_terminator()) {
    if (isa<arith::ConstantOp>(op))
      continue;
    if (op.getNumOperands() != 2 || !llvm::is_contained(op.getOperands(), current))
      return false;
    Value other = op.getOperand(op.getOperand(0) == current ? 1 : 0);
    float slack = range.scale / 2;
    if (isa<arith::AddFOp>(op)) {
      if (clamped || !isa<BlockArgument>(other) || other == current)
        return false;
      ++added;
    } else if (isa<arith::MaximumFOp, arith::MaxNumFOp>(op)) {
      if (!(numberOf(other) <= range.lowest() + slack))
        return false;
      clamped = true;
    } else if (isa<arith::MinimumFOp, arith::MinNumFOp>(op)) {
      if (!(numberOf(other) >= range.highest() - slack))
        return false;
      clamped = true;
    } else {
      return false;
    }
    current = op.getResult(0);
  }
  return block.getTerminator()->getOperand(0) == current &&
         added == block.getNumArguments() - 1;
}

SmallVector<Value> addInBytes(OpBuilder &builder, Location loc, ArrayRef<Extra> extras,
                              const ByteRange &range, Affine &affine, Region &epilogue) {
  for (size_t o = 0; o < affine.scale.size(); ++o) {
    affine.scale[o] /= range.scale;
    affine.bias[o] = affine.bias[o] / range.scale + float(range.zero);
  }
  Block &block = epilogue.emplaceBlock();
  OpBuilder inner(loc.getContext()); // The block is in no operation yet.
  inner.setInsertionPointToEnd(&block);
  Value sum = block.addArgument(inner.getF32Type(), loc);
  SmallVector<Value> operands;
  for (const Extra &extra : extras) {
    float factor = (extra.range ? extra.range->scale : 1) / range.scale;
    operands.append({extra.value, createVector(builder, loc, factor)});
    Type scalar = extra.range ? Type(inner.getI8Type()) : inner.getF32Type();
    Value value = block.addArgument(scalar, loc), times = block.addArgument(inner.getF32Type(), loc);
    if (extra.range) {
      value = byteToFloat(inner, loc, value);
      for (float &bias : affine.bias)
        bias -= factor * float(extra.range->zero);
    }
    value = arith::MulFOp::create(inner, loc, value, times);
    sum = arith::AddFOp::create(inner, loc, sum, value);
  }
  nest::YieldOp::create(inner, loc, toByte(inner, loc, sum));
  return operands;
}

SmallVector<Value> computeInFloats(Location loc, Region &old, ArrayRef<Extra> extras,
                                   const std::optional<ByteRange> &range, Region &epilogue) {
  Block &block = epilogue.emplaceBlock();
  OpBuilder inner(loc.getContext()); // The block is in no operation yet.
  inner.setInsertionPointToEnd(&block);
  SmallVector<Value> arguments{block.addArgument(inner.getF32Type(), loc)}, operands;
  for (const Extra &extra : extras) {
    operands.push_back(extra.value);
    Type scalar = extra.range ? Type(inner.getI8Type()) : inner.getF32Type();
    Value value = block.addArgument(scalar, loc);
    arguments.push_back(extra.range ? fromByte(inner, loc, value, *extra.range) : value);
  }
  Value result = arguments.front();
  if (!old.empty()) {
    IRMapping map;
    map.map(old.front().getArguments(), arguments);
    for (Operation &op : old.front().without_terminator())
      inner.clone(op, map);
    result = map.lookupOrDefault(old.front().getTerminator()->getOperand(0));
  }
  nest::YieldOp::create(inner, loc, range ? toByte(inner, loc, result, *range) : result);
  return operands;
}

} // namespace nestor
