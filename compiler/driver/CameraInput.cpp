//===- CameraInput.cpp - uint8 images as inputs ---------------------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "compiler/driver/CameraInput.h"

#include "compiler/ir/NestDialect.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;

namespace nestor::driver {
namespace {

/// The position of the channels in an image tensor: 1, 3, or nothing.
std::optional<unsigned> channelDimension(RankedTensorType type) {
  if (type.getRank() != 4 || !type.getElementType().isF32())
    return std::nullopt;
  auto isChannelCount = [](int64_t extent) { return extent == 1 || extent == 3 || extent == 4; };
  if (isChannelCount(type.getDimSize(1)))
    return 1;
  if (isChannelCount(type.getDimSize(3)))
    return 3;
  return std::nullopt;
}

FailureOr<BlockArgument> findInput(func::FuncOp main, StringRef name) {
  std::string names;
  for (BlockArgument argument : main.getArguments()) {
    auto given = main.getArgAttrOfType<StringAttr>(argument.getArgNumber(), "nest.name");
    if (given && given.getValue() == name)
      return argument;
    names += (names.empty() ? "" : ", ") + (given ? given.str() : "?");
  }
  return main.emitError("the model has no input '") << name << "'; its inputs are " << names;
}

/// (image * scale - mean) / std, by the formula so that the result is what
/// users compute themselves.
Value normalize(OpBuilder &builder, Location loc, Value image, const CameraInput &input) {
  auto imageType = cast<RankedTensorType>(image.getType());
  auto perChannel = [&](ArrayRef<float> values) -> Value {
    auto type = RankedTensorType::get({int64_t(values.size())}, builder.getF32Type());
    return nest::ConstOp::create(builder, loc, DenseElementsAttr::get(type, values));
  };
  SmallVector<Value> operands{image, perChannel(input.mean), perChannel(input.std)};
  auto map = nest::MapOp::create(builder, loc, imageType.clone(builder.getF32Type()), operands);
  Block &body = map.getBody().emplaceBlock();
  OpBuilder inner = OpBuilder::atBlockEnd(&body);
  Value byte = body.addArgument(builder.getI8Type(), loc);
  Value mean = body.addArgument(builder.getF32Type(), loc);
  Value std = body.addArgument(builder.getF32Type(), loc);
  Value scale = arith::ConstantOp::create(inner, loc, builder.getF32FloatAttr(input.scale));
  Value value = arith::UIToFPOp::create(inner, loc, builder.getF32Type(), byte);
  value = arith::MulFOp::create(inner, loc, value, scale);
  value = arith::SubFOp::create(inner, loc, value, mean);
  value = arith::DivFOp::create(inner, loc, value, std);
  nest::YieldOp::create(inner, loc, value);
  return map.getResult();
}

} // namespace

LogicalResult applyCameraInput(func::FuncOp main, const CameraInput &input) {
  FailureOr<BlockArgument> argument = findInput(main, input.name);
  if (failed(argument))
    return failure();
  auto type = cast<RankedTensorType>(argument->getType());
  std::optional<unsigned> channelDim = channelDimension(type);
  if (!channelDim)
    return main.emitError("input '") << input.name << "' is " << type
                                     << ", not a float image of 1, 3 or 4 channels";
  size_t channels = type.getDimSize(*channelDim);
  for (const std::vector<float> *values : {&input.mean, &input.std})
    if (values->size() != 1 && values->size() != channels)
      return main.emitError("input '") << input.name << "' has " << channels
                                       << " channels, but the mean or std has " << values->size();
  if (llvm::is_contained(input.std, 0.0f))
    return main.emitError("the std of input '") << input.name << "' is 0";

  OpBuilder builder = OpBuilder::atBlockBegin(&main.front());
  Location loc = argument->getLoc();
  SmallVector<int64_t> shape(type.getShape());
  if (*channelDim == 1)
    shape = {shape[0], shape[2], shape[3], shape[1]};
  argument->setType(RankedTensorType::get(shape, builder.getIntegerType(8, /*isSigned=*/false)));
  Value image = normalize(builder, loc, *argument, input);
  Operation *reader = image.getDefiningOp();
  if (*channelDim == 1)
    image = nest::TransposeOp::create(builder, loc, type, image,
                                      builder.getDenseI64ArrayAttr({0, 3, 1, 2}));
  argument->replaceAllUsesExcept(image, reader);

  main.setType(builder.getFunctionType(main.front().getArgumentTypes(), main.getResultTypes()));
  main.setArgAttr(argument->getArgNumber(), "nest.normalization",
                  builder.getDictionaryAttr(
                      {builder.getNamedAttr("scale", builder.getF32FloatAttr(input.scale)),
                       builder.getNamedAttr("mean", builder.getDenseF32ArrayAttr(input.mean)),
                       builder.getNamedAttr("std", builder.getDenseF32ArrayAttr(input.std))}));
  return success();
}

} // namespace nestor::driver
