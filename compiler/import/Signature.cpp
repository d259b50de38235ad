//===- Signature.cpp - The model's inputs and outputs ---------------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
//
// The part of `GraphImporter` that resolves the shapes of the graph's inputs,
// binds those whose values are given, and closes the function.
//
//===----------------------------------------------------------------------===//

#include "compiler/import/GraphImporter.h"
#include "compiler/import/TensorDecoder.h"

using namespace mlir;

namespace nestor::import {

namespace {

const onnx::ValueInfoProto *findInput(const onnx::GraphProto &graph, StringRef name) {
  for (const onnx::ValueInfoProto &input : graph.input())
    if (input.name() == name)
      return &input;
  return nullptr;
}

/// The fixed extent of a dimension. Some exporters write -1 for a free one.
std::optional<int64_t> fixedExtent(const onnx::TensorShapeProto::Dimension &dimension) {
  if (dimension.has_dim_value() && dimension.dim_value() >= 0)
    return dimension.dim_value();
  return std::nullopt;
}

std::string inputNames(const onnx::GraphProto &graph) {
  std::string text;
  for (const onnx::ValueInfoProto &input : graph.input())
    text += (text.empty() ? "" : ", ") + input.name();
  return text;
}

} // namespace

LogicalResult GraphImporter::checkShapeOptions() {
  for (const auto &[input, shape] : options.shapes) {
    const onnx::ValueInfoProto *info = findInput(model.graph(), input);
    if (!info)
      return fail(ImportStatus::Usage, "--shape names '" + input +
                                           "', which is not an input; the inputs are " +
                                           inputNames(model.graph()));
    const onnx::TypeProto::Tensor &type = info->type().tensor_type();
    if (!type.has_shape())
      continue;
    if (size_t(type.shape().dim_size()) != shape.size())
      return fail(ImportStatus::Usage, "--shape gives " + Twine(shape.size()) +
                                           " dimensions for input '" + input + "', which has " +
                                           Twine(type.shape().dim_size()));
    for (auto [i, extent] : llvm::enumerate(shape)) {
      const onnx::TensorShapeProto::Dimension &dimension = type.shape().dim(i);
      std::optional<int64_t> fixed = fixedExtent(dimension);
      if (extent < 0 || (fixed && *fixed != extent))
        return fail(ImportStatus::Usage, "--shape gives " + Twine(extent) + " for dimension " +
                                             Twine(i) + " of input '" + input + "', which " +
                                             (fixed ? "the model fixes at " + std::to_string(*fixed)
                                                    : "cannot be negative"));
      if (!fixed && dimension.has_dim_param())
        symbols.try_emplace(dimension.dim_param(), extent);
    }
  }
  for (const auto &[input, value] : options.bindings)
    if (!findInput(model.graph(), input))
      return fail(ImportStatus::Usage, "--bind names '" + input +
                                           "', which is not an input; the inputs are " +
                                           inputNames(model.graph()));
  return success();
}

LogicalResult GraphImporter::importInputs() {
  for (const onnx::ValueInfoProto &input : model.graph().input()) {
    // Before IR version 4 every initializer is listed as an input too.
    if (root.initializers.count(input.name()) || root.values.contains(input.name()))
      continue;
    auto binding = options.bindings.find(input.name());
    if (failed(binding == options.bindings.end() ? importInput(input)
                                                 : bindInput(input, binding->second)))
      return failure();
  }
  return success();
}

LogicalResult GraphImporter::importInput(const onnx::ValueInfoProto &input) {
  if (!input.has_type())
    return fail(ImportStatus::Corrupt, "input '" + input.name() + "': field 'type' is missing");
  int dataType = input.type().tensor_type().elem_type();
  Type element = input.type().has_tensor_type() ? elementTypeOf(dataType, context) : Type();
  if (!element) {
    std::string reason = input.type().has_tensor_type()
                             ? "tensors of " + dataTypeName(dataType) + " are not supported"
                             : "sequences, maps and optionals are not supported";
    result.unsupported.push_back(
        {"input", result.opset, input.name(), reason, "export the model with tensor inputs"});
    root.values[input.name()] = Value();
    return success();
  }
  FailureOr<SmallVector<int64_t>> shape = inputShape(input);
  if (failed(shape))
    return failure();
  Location loc = NameLoc::get(StringAttr::get(&context, input.name()));
  Value argument = func.getBody().addArgument(RankedTensorType::get(*shape, element), loc);
  argumentNames.push_back(nameAttribute(input.name()));
  root.values[input.name()] = widen(argument);
  return success();
}

FailureOr<SmallVector<int64_t>> GraphImporter::inputShape(const onnx::ValueInfoProto &input) {
  const onnx::TypeProto::Tensor &type = input.type().tensor_type();
  SmallVector<int64_t> shape;
  auto given = options.shapes.find(input.name());
  if (given != options.shapes.end()) {
    shape.assign(given->second.begin(), given->second.end());
  } else if (!type.has_shape()) {
    return fail(ImportStatus::Usage, "input '" + input.name() +
                                         "' has no shape; give it with --shape " + input.name() +
                                         "=...");
  }
  for (int i = 0; given == options.shapes.end() && i < type.shape().dim_size(); ++i) {
    const onnx::TensorShapeProto::Dimension &dimension = type.shape().dim(i);
    std::optional<int64_t> extent = fixedExtent(dimension);
    auto symbol = symbols.find(dimension.dim_param());
    if (!extent && symbol != symbols.end())
      extent = symbol->second;
    if (!extent && i == 0) {
      extent = 1;
      result.notes.push_back("batch dimension of " + input.name() + " set to 1");
    }
    if (!extent) {
      std::string name = dimension.dim_param().empty() ? "" : " ('" + dimension.dim_param() + "')";
      return fail(ImportStatus::Usage, "dimension " + Twine(i) + name + " of input '" +
                                           input.name() + "' is not fixed; fix it with --shape " +
                                           input.name() + "=...");
    }
    shape.push_back(*extent);
  }
  std::optional<int64_t> count = checkedElementCount(shape);
  if (!count || *count > (int64_t(1) << 36))
    return fail(ImportStatus::Corrupt, "input '" + input.name() + "': field 'shape' is too large");
  return shape;
}

LogicalResult GraphImporter::bindInput(const onnx::ValueInfoProto &input,
                                       const reference::TensorValue &value) {
  const onnx::TypeProto::Tensor &type = input.type().tensor_type();
  Type element = elementTypeOf(type.elem_type(), context);
  bool fits = element && element == value.type.getElementType();
  if (fits && type.has_shape()) {
    fits = type.shape().dim_size() == value.type.getRank();
    for (int i = 0; fits && i < type.shape().dim_size(); ++i)
      fits = fixedExtent(type.shape().dim(i)).value_or(value.type.getDimSize(i)) ==
             value.type.getDimSize(i);
  }
  if (!fits) {
    std::string have;
    llvm::raw_string_ostream(have) << value.type;
    return fail(ImportStatus::Usage, "--bind gives " + have + " for input '" + input.name() +
                                         "', which does not fit its type");
  }
  Location loc = NameLoc::get(StringAttr::get(&context, input.name()));
  root.values[input.name()] = widen(nest::ConstOp::create(builder, loc, value.toAttr()));
  return success();
}

//===----------------------------------------------------------------------===//
// Outputs
//===----------------------------------------------------------------------===//

DictionaryAttr GraphImporter::nameAttribute(StringRef name) {
  return builder.getDictionaryAttr(builder.getNamedAttr("nest.name", builder.getStringAttr(name)));
}

Value GraphImporter::convertOutput(const onnx::ValueInfoProto &output, Value value) {
  Type declared = elementTypeOf(output.type().tensor_type().elem_type(), context);
  bool narrow = declared && (declared.isF16() || declared.isBF16());
  if (!narrow)
    return value;
  onnx::NodeProto none;
  return NodeImporter(none, 0, builder, value.getLoc()).cast(value, declared);
}

LogicalResult GraphImporter::importOutputs() {
  SmallVector<Value> values;
  SmallVector<DictionaryAttr> names;
  if (model.graph().output().empty())
    return fail(ImportStatus::Corrupt, "field 'graph.output' is empty");
  for (const onnx::ValueInfoProto &output : model.graph().output()) {
    FailureOr<Value> value = lookup(root, output.name());
    if (failedHard())
      return failure();
    if (failed(value) || !*value)
      return fail(ImportStatus::Corrupt, "output '" + output.name() + "' is defined nowhere");
    values.push_back(convertOutput(output, *value));
    names.push_back(nameAttribute(output.name()));
  }
  func::ReturnOp::create(builder, func.getLoc(), values);
  // Originals of folded constants, and what only they used.
  for (Operation &op : llvm::make_early_inc_range(llvm::reverse(func.getBody().front())))
    if (isOpTriviallyDead(&op))
      op.erase();
  func.setFunctionType(
      builder.getFunctionType(func.getBody().getArgumentTypes(), ValueRange(values).getTypes()));
  func.setAllArgAttrs(argumentNames);
  func.setAllResultAttrs(names);
  return success();
}

} // namespace nestor::import
