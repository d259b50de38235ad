//===- ModelBuilder.cpp - Small ONNX models for tests ---------------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "test/import/ModelBuilder.h"

#include <cstring>

namespace nestor::test {

ModelBuilder::ModelBuilder(int64_t opset) {
  model.set_ir_version(8);
  model.add_opset_import()->set_version(opset);
  model.mutable_graph()->set_name("test");
}

ModelBuilder &ModelBuilder::input(const std::string &name, const std::vector<int64_t> &shape,
                                  int type) {
  onnx::ValueInfoProto *info = model.mutable_graph()->add_input();
  info->set_name(name);
  info->mutable_type()->mutable_tensor_type()->set_elem_type(type);
  auto *dims = info->mutable_type()->mutable_tensor_type()->mutable_shape();
  for (size_t i = 0; i < shape.size(); ++i) {
    auto *dim = dims->add_dim();
    if (shape[i] < 0)
      dim->set_dim_param("d" + std::to_string(i));
    else
      dim->set_dim_value(shape[i]);
  }
  return *this;
}

ModelBuilder &ModelBuilder::output(const std::string &name, int type) {
  onnx::ValueInfoProto *info = model.mutable_graph()->add_output();
  info->set_name(name);
  info->mutable_type()->mutable_tensor_type()->set_elem_type(type);
  return *this;
}

onnx::TensorProto &ModelBuilder::floats(const std::string &name, const std::vector<int64_t> &shape,
                                        const std::vector<float> &values) {
  onnx::TensorProto *tensor = model.mutable_graph()->add_initializer();
  tensor->set_name(name);
  tensor->set_data_type(onnx::TensorProto::FLOAT);
  for (int64_t extent : shape)
    tensor->add_dims(extent);
  for (float value : values)
    tensor->add_float_data(value);
  return *tensor;
}

onnx::TensorProto &ModelBuilder::ints(const std::string &name, const std::vector<int64_t> &values) {
  onnx::TensorProto *tensor = model.mutable_graph()->add_initializer();
  tensor->set_name(name);
  tensor->set_data_type(onnx::TensorProto::INT64);
  tensor->add_dims(values.size());
  for (int64_t value : values)
    tensor->add_int64_data(value);
  return *tensor;
}

onnx::NodeProto &ModelBuilder::node(const std::string &op, const std::vector<std::string> &inputs,
                                    const std::vector<std::string> &outputs) {
  onnx::NodeProto *node = model.mutable_graph()->add_node();
  node->set_op_type(op);
  for (const std::string &input : inputs)
    node->add_input(input);
  for (const std::string &output : outputs)
    node->add_output(output);
  return *node;
}

static onnx::AttributeProto &addAttr(onnx::NodeProto &node, const std::string &name,
                                     onnx::AttributeProto::AttributeType type) {
  onnx::AttributeProto *attribute = node.add_attribute();
  attribute->set_name(name);
  attribute->set_type(type);
  return *attribute;
}

void setAttr(onnx::NodeProto &node, const std::string &name, int64_t value) {
  addAttr(node, name, onnx::AttributeProto::INT).set_i(value);
}

void setAttr(onnx::NodeProto &node, const std::string &name, const std::vector<int64_t> &values) {
  onnx::AttributeProto &attribute = addAttr(node, name, onnx::AttributeProto::INTS);
  for (int64_t value : values)
    attribute.add_ints(value);
}

void setAttr(onnx::NodeProto &node, const std::string &name, const std::string &value) {
  addAttr(node, name, onnx::AttributeProto::STRING).set_s(value);
}

onnx::GraphProto &graphAttr(onnx::NodeProto &node, const std::string &name) {
  return *addAttr(node, name, onnx::AttributeProto::GRAPH).mutable_g();
}

Imported::Imported(const std::string &bytes, const import::ImportOptions &options,
                   const std::string &directory)
    : result(import::importBytes(bytes, directory, options, context)) {}

std::vector<float> Imported::run(const std::vector<std::vector<float>> &inputs) {
  llvm::SmallVector<reference::TensorValue> arguments, results;
  for (auto [type, values] : llvm::zip_equal(main().getArgumentTypes(), inputs)) {
    arguments.push_back(reference::TensorValue::zeros(mlir::cast<mlir::RankedTensorType>(type)));
    assert(arguments.back().bytes.size() == values.size() * sizeof(float));
    std::memcpy(arguments.back().bytes.data(), values.data(), values.size() * sizeof(float));
  }
  if (failed(reference::evaluate(main(), arguments, results)))
    return {};
  llvm::ArrayRef<float> first = results[0].as<float>();
  return {first.begin(), first.end()};
}

} // namespace nestor::test
