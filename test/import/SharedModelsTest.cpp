//===- SharedModelsTest.cpp - Real models through the importer ------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
//
// Imports every shared model, and evaluates those with recorded outputs with
// the reference evaluator: an error here is the importer's (or the
// evaluator's), whatever kernels do.
//
//===----------------------------------------------------------------------===//

#include "compiler/import/Import.h"

#include "llvm/Support/FileSystem.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"

#include <gtest/gtest.h>

using namespace nestor;

namespace {

constexpr double kTolerance = 1e-4;
/// ONNX Runtime's sigmoid is a clamped approximation, off by about 1e-7; in an
/// output whose values are all tiny that is more than the relative bound.
constexpr double kAbsoluteTolerance = 3e-7;

std::string sharedDirectory() {
  if (const char *given = std::getenv("NESTOR_SHARED"))
    return given;
  for (const char *relative : {"/../shared", "/../../shared"})
    if (llvm::sys::fs::is_directory(std::string(NESTOR_SOURCE_DIR) + relative))
      return std::string(NESTOR_SOURCE_DIR) + relative;
  return "";
}

std::vector<std::string> modelPaths() {
  std::vector<std::string> paths;
  for (const char *directory : {"/models", "/models/wild"}) {
    std::error_code error;
    for (llvm::sys::fs::directory_iterator entry(sharedDirectory() + directory, error), end;
         entry != end && !error; entry.increment(error))
      if (llvm::StringRef(entry->path()).ends_with(".onnx"))
        paths.push_back(entry->path());
  }
  llvm::sort(paths);
  return paths;
}

std::string readFile(const std::string &path) {
  auto file = llvm::MemoryBuffer::getFile(path);
  return file ? (*file)->getBuffer().str() : "";
}

/// The recording of a model; empty where there is none.
struct Golden {
  import::ImportOptions options;
  std::vector<std::string> inputs, outputs;
};

std::optional<Golden> readGolden(const std::string &model) {
  std::string directory =
      (llvm::sys::path::parent_path(model) + "/golden/" + llvm::sys::path::stem(model)).str();
  llvm::Expected<llvm::json::Value> meta = llvm::json::parse(readFile(directory + "/meta.json"));
  if (!meta) {
    llvm::consumeError(meta.takeError());
    return std::nullopt;
  }
  Golden golden;
  for (const llvm::json::Value &input : *meta->getAsObject()->getArray("inputs")) {
    std::vector<int64_t> &shape =
        golden.options.shapes[input.getAsObject()->getString("name")->str()];
    for (const llvm::json::Value &extent : *input.getAsObject()->getArray("shape"))
      shape.push_back(*extent.getAsInteger());
    golden.inputs.push_back(
        readFile(directory + "/input_" + std::to_string(golden.inputs.size()) + ".bin"));
  }
  for (size_t i = 0; i < meta->getAsObject()->getArray("outputs")->size(); ++i)
    golden.outputs.push_back(readFile(directory + "/output_" + std::to_string(i) + ".bin"));
  return golden;
}

void compare(const reference::TensorValue &actual, const std::string &expected, size_t index) {
  ASSERT_EQ(actual.bytes.size(), expected.size()) << "output " << index;
  if (!actual.type.getElementType().isF32()) {
    EXPECT_EQ(std::string(actual.bytes.begin(), actual.bytes.end()), expected)
        << "output " << index;
    return;
  }
  auto *want = reinterpret_cast<const float *>(expected.data());
  double low = want[0], high = want[0], difference = 0;
  for (int64_t i = 0; i < actual.size(); ++i) {
    low = std::min<double>(low, want[i]);
    high = std::max<double>(high, want[i]);
    difference = std::max<double>(difference, std::abs(actual.as<float>()[i] - want[i]));
  }
  double error = high > low ? difference / (high - low) : difference;
  EXPECT_TRUE(error <= kTolerance || difference <= kAbsoluteTolerance)
      << "output " << index << ": error " << error << ", difference " << difference;
  testing::Test::RecordProperty("error", std::to_string(error));
}

void evaluateAndCompare(mlir::ModuleOp module, const Golden &golden) {
  auto main = module.lookupSymbol<mlir::func::FuncOp>("main");
  ASSERT_EQ(main.getNumArguments(), golden.inputs.size());
  llvm::SmallVector<reference::TensorValue> arguments, results;
  for (auto [type, bytes] : llvm::zip(main.getArgumentTypes(), golden.inputs)) {
    arguments.push_back(reference::TensorValue::zeros(mlir::cast<mlir::RankedTensorType>(type)));
    ASSERT_EQ(arguments.back().bytes.size(), bytes.size());
    arguments.back().bytes.assign(bytes.begin(), bytes.end());
  }
  ASSERT_TRUE(mlir::succeeded(reference::evaluate(main, arguments, results)));
  ASSERT_EQ(results.size(), golden.outputs.size());
  for (auto [i, result] : llvm::enumerate(results))
    compare(result, golden.outputs[i], i);
}

class SharedModel : public testing::TestWithParam<std::string> {};

TEST_P(SharedModel, Imports) {
  mlir::MLIRContext context(mlir::MLIRContext::Threading::DISABLED);
  std::optional<Golden> golden = readGolden(GetParam());
  import::ImportResult result =
      import::importFile(GetParam(), golden ? golden->options : import::ImportOptions(), context);
  if (llvm::StringRef(GetParam()).contains("sklearn_randomforest")) {
    EXPECT_EQ(result.status, import::ImportStatus::Unsupported);
    ASSERT_FALSE(result.unsupported.empty());
    EXPECT_EQ(result.unsupported.front().op, "ai.onnx.ml.TreeEnsembleClassifier");
    return;
  }
  ASSERT_EQ(result.status, import::ImportStatus::Ok) << result.message;
  if (golden)
    evaluateAndCompare(*result.module, *golden);
}

INSTANTIATE_TEST_SUITE_P(Shared, SharedModel, testing::ValuesIn(modelPaths()),
                         [](const auto &info) {
                           std::string name = llvm::sys::path::stem(info.param).str();
                           for (char &c : name)
                             c = std::isalnum(static_cast<unsigned char>(c)) ? c : '_';
                           return name;
                         });
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(SharedModel);

TEST(SharedModels, ArePresent) {
  if (sharedDirectory().empty())
    GTEST_SKIP() << "skipped: needs ../shared";
  EXPECT_FALSE(modelPaths().empty());
}

} // namespace
