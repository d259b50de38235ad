//===- Case.cpp - One case of the ONNX conformance data -------------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "test/conformance/Case.h"

#include "compiler/import/TensorDecoder.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"

#include <cmath>
#include <fstream>

namespace nestor::conformance {
namespace {

/// Operators and the operands of theirs that say where or how much, not what.
const std::map<std::string, std::set<int>> kPositionOperands = {
    {"BlackmanWindow", {0}},
    {"Compress", {1}},
    {"ConstantOfShape", {0}},
    {"CumSum", {1}},
    {"DFT", {1}},
    {"Expand", {1}},
    {"HammingWindow", {0}},
    {"HannWindow", {0}},
    {"Loop", {0, 1}},
    {"MaxUnpool", {2}},
    {"MelWeightMatrix", {0, 1, 2, 3, 4}},
    {"OneHot", {1}},
    {"Pad", {1}},
    {"Range", {0, 1, 2}},
    {"ReduceSum", {1}},
    {"Reshape", {1}},
    {"Resize", {1, 2, 3}},
    {"STFT", {1, 3}},
    {"Slice", {1, 2, 3, 4}},
    {"Split", {1}},
    {"SplitToSequence", {1}},
    {"Squeeze", {1}},
    {"Tile", {1, 2}},
    {"TopK", {1}},
    {"Unsqueeze", {1}},
    {"Upsample", {1}},
};

template <typename Message> bool parse(const std::string &path, Message &message) {
  std::ifstream file(path, std::ios::binary);
  return file && message.ParseFromIstream(&file);
}

std::vector<std::string> entriesOf(llvm::StringRef directory) {
  std::vector<std::string> entries;
  std::error_code code;
  for (llvm::sys::fs::directory_iterator it(directory, code), end; it != end && !code;
       it.increment(code))
    entries.push_back(it->path());
  llvm::sort(entries);
  return entries;
}

/// Reads `prefix`0.pb, `prefix`1.pb, .. as the values of `names`.
std::string readTensors(const std::string &prefix,
                        const std::vector<const onnx::ValueInfoProto *> &infos,
                        mlir::MLIRContext &context, Tensors &tensors) {
  for (auto [i, info] : llvm::enumerate(infos)) {
    std::string path = prefix + std::to_string(i) + ".pb";
    if (!llvm::sys::fs::exists(path))
      continue;
    if (!info->type().has_tensor_type())
      return "'" + info->name() + "' is not a tensor";
    onnx::TensorProto proto;
    if (!parse(path, proto))
      return "cannot read " + path;
    import::DecodedTensor decoded = import::decodeTensor(proto, "", context);
    if (decoded.outcome != import::DecodedTensor::Ok)
      return "'" + info->name() + "': " + decoded.message;
    tensors[info->name()] = std::move(decoded.value);
  }
  return "";
}

/// Names that nodes read as positions, here or in subgraphs, and nowhere else.
std::set<std::string> positionInputs(const onnx::GraphProto &graph) {
  std::set<std::string> positions, data;
  for (const onnx::NodeProto &node : graph.node()) {
    auto operands = kPositionOperands.find(node.op_type());
    for (auto [i, input] : llvm::enumerate(node.input())) {
      bool isPosition = operands != kPositionOperands.end() && operands->second.count(i);
      (isPosition ? positions : data).insert(input);
    }
  }
  for (const std::string &name : data)
    positions.erase(name);
  return positions;
}

} // namespace

std::vector<Case> findCases(llvm::StringRef root) {
  std::vector<Case> cases;
  for (const std::string &group : entriesOf(root))
    for (const std::string &path : entriesOf(group))
      if (llvm::sys::fs::exists(path + "/model.onnx"))
        cases.push_back(
            {(llvm::sys::path::filename(group) + "/" + llvm::sys::path::filename(path)).str(),
             path});
  return cases;
}

LoadedCase load(const Case &which, mlir::MLIRContext &context) {
  LoadedCase loaded;
  onnx::ModelProto model;
  if (!parse(which.path + "/model.onnx", model)) {
    loaded.error = "cannot read the model";
    return loaded;
  }
  const onnx::GraphProto &graph = model.graph();
  std::set<std::string> initializers;
  for (const onnx::TensorProto &tensor : graph.initializer())
    initializers.insert(tensor.name());
  std::vector<const onnx::ValueInfoProto *> inputs, outputs;
  for (const onnx::ValueInfoProto &input : graph.input())
    if (!initializers.count(input.name()))
      inputs.push_back(&input);
  for (const onnx::ValueInfoProto &output : graph.output())
    outputs.push_back(&output);

  for (const std::string &directory : entriesOf(which.path)) {
    if (!llvm::sys::path::filename(directory).starts_with("test_data_set_"))
      continue;
    DataSet &set = loaded.sets.emplace_back();
    loaded.error = readTensors(directory + "/input_", inputs, context, set.inputs);
    if (loaded.error.empty())
      loaded.error = readTensors(directory + "/output_", outputs, context, set.outputs);
    if (!loaded.error.empty())
      return loaded;
  }
  if (loaded.sets.empty())
    loaded.error = "there is no test_data_set_0";
  loaded.bindable = positionInputs(graph);
  return loaded;
}

std::string compare(const reference::TensorValue &actual, const reference::TensorValue &expected) {
  std::string difference;
  llvm::raw_string_ostream stream(difference);
  if (actual.type != expected.type) {
    stream << "is " << actual.type << " instead of " << expected.type;
    return difference;
  }
  // The tolerances of onnx.backend.test, for every element type.
  constexpr double relative = 1e-3, absolute = 1e-7;
  for (int64_t i = 0; i < expected.size(); ++i) {
    double have = actual.getDouble(i), want = expected.getDouble(i);
    bool equal = have == want || (std::isnan(have) && std::isnan(want)) ||
                 std::abs(have - want) <= absolute + relative * std::abs(want);
    if (!equal) {
      stream << "element " << i << " is " << have << " instead of " << want;
      return difference;
    }
  }
  return "";
}

} // namespace nestor::conformance
