//===- Cast.cpp - Cast, CastLike ------------------------------------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
// Half-precision floats exist at the model's boundary only, where the importer
// rounds; a cast to one of them inside the graph computes on in f32.
//
//===----------------------------------------------------------------------===//

#include "compiler/import/Utils.h"

using namespace mlir;

namespace nestor::import {
namespace {

LogicalResult importCast(NodeImporter &n) {
  const onnx::AttributeProto *to = n.attr("to");
  if (!to)
    return n.unsupported("attribute to is missing");
  auto type = onnx::TensorProto::DataType(to->i());
  if (n.opset < 6 && !onnx::TensorProto::DataType_Parse(to->s(), &type))
    return n.unsupported("unknown type " + Twine(to->s()));
  Type element = computeTypeOf(n.builder.getContext(), type);
  if (!element)
    return n.unsupported("cannot cast to " + Twine(onnx::TensorProto::DataType_Name(type)));
  n.setOutput(0, n.cast(n.input(0), element));
  return success();
}

LogicalResult importCastLike(NodeImporter &n) {
  n.setOutput(0, n.cast(n.input(0), n.type(1).getElementType()));
  return success();
}

} // namespace

void registerCastRules(ImportRegistry &registry) {
  registry.add({"", "Cast", 1, kNewestOpset, importCast, "no strings, no 8-bit floats"});
  registry.add(
      {"", "CastLike", 15, kNewestOpset, importCastLike, "no strings, no 8-bit floats", 2});
}

} // namespace nestor::import
