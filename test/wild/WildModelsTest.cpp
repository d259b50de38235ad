//===- WildModelsTest.cpp - Real models against recorded outputs ----------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
//
// Each directory of models/wild/golden has the inputs that a model was given
// and the outputs that ONNX Runtime computed. Compiled here and run, the model
// must give the same.
//
//===----------------------------------------------------------------------===//

#include "test/support/CompiledModel.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/Path.h"

#include <gtest/gtest.h>

#include <algorithm>

using namespace nestor;

namespace {

constexpr double kTolerance = 1e-4;
/// ONNX Runtime's sigmoid is a clamped approximation that is off by about 1e-7
/// and exactly zero where it should be tiny. In an output that consists of tiny
/// values only (the objectness of YuNet without a face in sight, PP-OCR's map
/// without text) that is more than the tolerance relative to the range.
constexpr double kAbsoluteTolerance = 3e-7;

std::string wildDirectory() { return test::sharedDirectory() + "/models/wild"; }

std::vector<std::string> goldenModels() {
  std::vector<std::string> names;
  std::error_code code;
  for (llvm::sys::fs::directory_iterator entry(wildDirectory() + "/golden", code), end;
       entry != end && !code; entry.increment(code))
    names.push_back(llvm::sys::path::filename(entry->path()).str());
  llvm::sort(names);
  return names;
}

std::string readFile(const std::string &path) {
  auto file = llvm::MemoryBuffer::getFile(path);
  EXPECT_TRUE(file) << "cannot read " << path;
  return file ? (*file)->getBuffer().str() : "";
}

llvm::json::Value readJson(const std::string &path) {
  auto value = llvm::json::parse(readFile(path));
  if (value)
    return std::move(*value);
  ADD_FAILURE() << path << ": " << llvm::toString(value.takeError());
  return nullptr;
}

/// The shapes that the recording was made with, as --shape gives them.
std::map<std::string, std::vector<int64_t>> recordedShapes(const llvm::json::Object &meta) {
  std::map<std::string, std::vector<int64_t>> shapes;
  for (const llvm::json::Value &input : *meta.getArray("inputs")) {
    std::vector<int64_t> &shape = shapes[input.getAsObject()->getString("name")->str()];
    for (const llvm::json::Value &extent : *input.getAsObject()->getArray("shape"))
      shape.push_back(*extent.getAsInteger());
  }
  return shapes;
}

void compare(const TensorInfo &info, const std::string &actual, const std::string &expected) {
  ASSERT_EQ(actual.size(), expected.size()) << info.name;
  if (info.dtype != DType::float32) {
    EXPECT_EQ(actual, expected) << info.name;
    return;
  }
  auto floats = [](const std::string &bytes) {
    return llvm::ArrayRef(reinterpret_cast<const float *>(bytes.data()),
                          bytes.size() / sizeof(float));
  };
  llvm::ArrayRef<float> recorded = floats(expected);
  double error = test::relativeError(floats(actual), recorded);
  auto [low, high] = std::minmax_element(recorded.begin(), recorded.end());
  double range = double(*high) - *low;
  double tolerance = range > 0 ? std::max(kTolerance, kAbsoluteTolerance / range) : kTolerance;
  EXPECT_LE(error, tolerance) << info.name;
  testing::Test::RecordProperty("error of " + info.name, std::to_string(error));
}

class WildModel : public testing::TestWithParam<std::string> {};

TEST_P(WildModel, EqualsRecordedOutputs) {
  std::string golden = wildDirectory() + "/golden/" + GetParam();
  llvm::json::Value meta = readJson(golden + "/meta.json");
  ASSERT_TRUE(meta.getAsObject());
  auto context = driver::createContext();
  driver::CompileOptions options;
  options.import.shapes = recordedShapes(*meta.getAsObject());
  test::CompiledModel model(driver::compileFile(
      wildDirectory() + "/" + meta.getAsObject()->getString("model")->str(), options, *context));
  ASSERT_TRUE(model.ok()) << model.error();

  std::vector<std::string> inputs;
  for (size_t i = 0; i < model.artifact().inputs().size(); ++i)
    inputs.push_back(readFile(golden + "/input_" + std::to_string(i) + ".bin"));
  std::vector<std::string> outputs = model.run(inputs);
  ASSERT_TRUE(model.ok()) << model.error();
  for (size_t i = 0; i < outputs.size(); ++i)
    compare(model.artifact().outputs()[i], outputs[i],
            readFile(golden + "/output_" + std::to_string(i) + ".bin"));
}

GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(WildModel);
INSTANTIATE_TEST_SUITE_P(Golden, WildModel, testing::ValuesIn(goldenModels()),
                         [](const auto &info) {
                           std::string name = info.param; // Letters and digits only.
                           for (char &c : name)
                             c = llvm::isAlnum(c) ? c : '_';
                           return name;
                         });

TEST(WildModels, ArePresent) {
  if (goldenModels().empty())
    GTEST_SKIP() << "skipped: needs ../shared";
}

} // namespace
