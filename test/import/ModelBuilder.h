//===- ModelBuilder.h - Small ONNX models for tests -------------*- C++ -*-===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
#ifndef NESTOR_TEST_IMPORT_MODELBUILDER_H
#define NESTOR_TEST_IMPORT_MODELBUILDER_H

#include "compiler/import/Import.h"

#include <string>
#include <vector>

namespace nestor::test {

/// Writes an ONNX model node by node.
class ModelBuilder {
public:
  explicit ModelBuilder(int64_t opset);

  /// A float input; extents below 0 are left free, with the name "d<index>".
  ModelBuilder &input(const std::string &name, const std::vector<int64_t> &shape,
                      int type = onnx::TensorProto::FLOAT);
  ModelBuilder &output(const std::string &name, int type = onnx::TensorProto::FLOAT);
  onnx::TensorProto &floats(const std::string &name, const std::vector<int64_t> &shape,
                            const std::vector<float> &values);
  onnx::TensorProto &ints(const std::string &name, const std::vector<int64_t> &values);
  onnx::NodeProto &node(const std::string &op, const std::vector<std::string> &inputs,
                        const std::vector<std::string> &outputs);

  onnx::ModelProto model;
  std::string bytes() const { return model.SerializeAsString(); }
};

void setAttr(onnx::NodeProto &node, const std::string &name, int64_t value);
void setAttr(onnx::NodeProto &node, const std::string &name, const std::vector<int64_t> &values);
void setAttr(onnx::NodeProto &node, const std::string &name, const std::string &value);
/// A graph attribute to be filled in.
onnx::GraphProto &graphAttr(onnx::NodeProto &node, const std::string &name);

/// An import with the context that its module lives in.
struct Imported {
  mlir::MLIRContext context{mlir::MLIRContext::Threading::DISABLED};
  import::ImportResult result;

  explicit Imported(const std::string &bytes, const import::ImportOptions &options = {},
                    const std::string &directory = "");
  bool ok() const { return result.status == import::ImportStatus::Ok; }
  mlir::func::FuncOp main() { return result.module->lookupSymbol<mlir::func::FuncOp>("main"); }
  /// Evaluates on float inputs; the first output. Empty where that fails.
  std::vector<float> run(const std::vector<std::vector<float>> &inputs);
  /// How many `OpTy` the module has.
  template <typename OpTy> int count() {
    int count = 0;
    result.module->walk([&](OpTy) { ++count; });
    return count;
  }
};

} // namespace nestor::test

#endif // NESTOR_TEST_IMPORT_MODELBUILDER_H
