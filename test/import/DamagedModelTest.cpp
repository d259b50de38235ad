//===- DamagedModelTest.cpp - Files that are not quite models -------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "test/import/ModelBuilder.h"

#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/raw_ostream.h"

#include <gtest/gtest.h>

#include <random>

using namespace nestor;
using namespace nestor::test;
using import::ImportStatus;

namespace {

/// conv -> relu -> reshape: weights, attributes, an integer initializer.
ModelBuilder smallModel() {
  ModelBuilder builder(13);
  builder.input("x", {1, 1, 4, 4}).output("y");
  builder.floats("w", {2, 1, 3, 3}, std::vector<float>(18, 0.5f));
  builder.ints("shape", {1, -1});
  setAttr(builder.node("Conv", {"x", "w"}, {"c"}), "pads", std::vector<int64_t>{1, 1, 1, 1});
  builder.node("Relu", {"c"}, {"r"});
  builder.node("Reshape", {"r", "shape"}, {"y"});
  return builder;
}

void expectCorrupt(const std::string &bytes, const std::string &word,
                   const std::string &directory = "") {
  Imported imported(bytes, {}, directory);
  EXPECT_EQ(imported.result.status, ImportStatus::Corrupt) << imported.result.message;
  EXPECT_NE(imported.result.message.find(word), std::string::npos) << imported.result.message;
  EXPECT_FALSE(imported.result.module);
}

TEST(DamagedModel, SmallModelIsSound) {
  Imported imported(smallModel().bytes());
  ASSERT_TRUE(imported.ok()) << imported.result.message;
  EXPECT_EQ(imported.run({std::vector<float>(16, 1)}).size(), 32u);
}

TEST(DamagedModel, Empty) { expectCorrupt("", "empty"); }
TEST(DamagedModel, Text) { expectCorrupt("This is not a model.\n", "model"); }

TEST(DamagedModel, NoGraph) {
  onnx::ModelProto model;
  model.set_ir_version(8);
  expectCorrupt(model.SerializeAsString(), "'graph'");
}

TEST(DamagedModel, EveryTruncationIsRefusedOrHarmless) {
  std::string bytes = smallModel().bytes();
  for (size_t length = 0; length < bytes.size(); ++length) {
    Imported imported(bytes.substr(0, length));
    EXPECT_FALSE(imported.result.message.empty() && !imported.ok()) << length;
  }
}

TEST(DamagedModel, BitFlipsNeverCrash) {
  std::string bytes = smallModel().bytes();
  for (size_t bit = 0; bit < bytes.size() * 8; ++bit) {
    std::string damaged = bytes;
    damaged[bit / 8] = char(damaged[bit / 8] ^ (1 << bit % 8));
    Imported imported(damaged);
    EXPECT_EQ(imported.ok(), imported.result.message.empty()) << "bit " << bit;
  }
}

TEST(DamagedModel, RandomBytesNeverCrash) {
  constexpr unsigned kSeed = 20;
  std::mt19937 random(kSeed);
  std::string bytes = smallModel().bytes();
  for (int round = 0; round < 500; ++round) {
    std::string damaged = bytes;
    for (int i = 0; i < 6; ++i)
      damaged[random() % damaged.size()] = char(random());
    Imported imported(damaged);
    EXPECT_EQ(imported.ok(), imported.result.message.empty())
        << "seed " << kSeed << " round " << round;
  }
}

TEST(DamagedModel, HugeDimensions) {
  ModelBuilder builder = smallModel();
  auto *weight = builder.model.mutable_graph()->mutable_initializer(0);
  weight->set_dims(0, int64_t(1) << 62);
  expectCorrupt(builder.bytes(), "'dims'");
  weight->set_dims(0, int64_t(1) << 40); // Fits an integer, but no data are there.
  expectCorrupt(builder.bytes(), "float_data");
  weight->set_dims(0, -2);
  expectCorrupt(builder.bytes(), "'dims'");
}

TEST(DamagedModel, HugeConstantIsNotMade) {
  ModelBuilder builder(13);
  builder.input("x", {1}).output("y");
  builder.ints("shape", {int64_t(1) << 35});
  builder.node("ConstantOfShape", {"shape"}, {"c"});
  builder.node("Add", {"x", "c"}, {"y"});
  Imported imported(builder.bytes());
  EXPECT_EQ(imported.result.status, ImportStatus::Unsupported) << imported.result.message;
}

TEST(DamagedModel, RawDataOfWrongSize) {
  ModelBuilder builder = smallModel();
  auto *weight = builder.model.mutable_graph()->mutable_initializer(0);
  weight->clear_float_data();
  weight->set_raw_data(std::string(70, 'x'));
  expectCorrupt(builder.bytes(), "raw_data");
}

TEST(DamagedModel, WrongElementType) {
  ModelBuilder builder = smallModel();
  auto *weight = builder.model.mutable_graph()->mutable_initializer(0);
  weight->set_data_type(onnx::TensorProto::STRING);
  Imported imported(builder.bytes());
  EXPECT_EQ(imported.result.status, ImportStatus::Unsupported);
  weight->set_data_type(onnx::TensorProto::INT64);
  expectCorrupt(builder.bytes(), "int64_data");
}

TEST(DamagedModel, UndefinedName) {
  ModelBuilder builder = smallModel();
  builder.model.mutable_graph()->mutable_node(1)->set_input(0, "nowhere");
  expectCorrupt(builder.bytes(), "'nowhere'");
}

TEST(DamagedModel, Cycle) {
  ModelBuilder builder(13);
  builder.input("x", {2}).output("y");
  builder.node("Add", {"x", "b"}, {"a"});
  builder.node("Add", {"a", "a"}, {"b"});
  builder.node("Relu", {"b"}, {"y"});
  expectCorrupt(builder.bytes(), "depends on its own output");
}

TEST(DamagedModel, FunctionThatCallsItself) {
  ModelBuilder builder(15);
  builder.input("x", {2}).output("y");
  builder.node("F", {"x"}, {"y"}).set_domain("local");
  onnx::FunctionProto *function = builder.model.add_functions();
  function->set_name("F");
  function->set_domain("local");
  function->add_input("a");
  function->add_output("b");
  onnx::NodeProto *call = function->add_node();
  call->set_op_type("F");
  call->set_domain("local");
  call->add_input("a");
  call->add_output("b");
  expectCorrupt(builder.bytes(), "calls itself");
}

//===----------------------------------------------------------------------===//
// External data
//===----------------------------------------------------------------------===//

class ExternalData : public testing::Test {
protected:
  void SetUp() override {
    ASSERT_FALSE(llvm::sys::fs::createUniqueDirectory("nestor-import", directory));
    llvm::sys::path::append(file = directory, "w.bin");
    std::error_code error;
    llvm::raw_fd_ostream stream(file, error);
    stream << std::string(4, '\0');
    for (int i = 0; i < 18; ++i)
      stream.write("\0\0\0\x3f", 4); // 0.5
  }
  void TearDown() override { llvm::sys::fs::remove_directories(directory); }

  std::string model(const std::string &location, const std::string &offset,
                    const std::string &length) {
    ModelBuilder builder = smallModel();
    auto *weight = builder.model.mutable_graph()->mutable_initializer(0);
    weight->clear_float_data();
    weight->set_data_location(onnx::TensorProto::EXTERNAL);
    for (auto [key, value] :
         {std::pair("location", location), {"offset", offset}, {"length", length}}) {
      if (value.empty())
        continue;
      auto *entry = weight->add_external_data();
      entry->set_key(key);
      entry->set_value(value);
    }
    return builder.bytes();
  }

  std::string path() const { return std::string(directory); }

  llvm::SmallString<128> directory, file;
};

TEST_F(ExternalData, IsRead) {
  Imported imported(model("w.bin", "4", "72"), {}, path());
  ASSERT_TRUE(imported.ok()) << imported.result.message;
  Imported inlined(smallModel().bytes());
  std::vector<float> x{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
  EXPECT_EQ(imported.run({x}), inlined.run({x}));
}

TEST_F(ExternalData, StaysInsideTheDirectory) {
  expectCorrupt(model("../w.bin", "", ""), "leaves the model's directory", path() + "/sub");
  expectCorrupt(model(std::string(file), "4", "72"), "leaves the model's directory", path());
  llvm::SmallString<128> sub = directory;
  llvm::sys::path::append(sub, "sub");
  ASSERT_FALSE(llvm::sys::fs::create_directory(sub));
  ASSERT_FALSE(llvm::sys::fs::create_link(file, sub + "/link.bin"));
  expectCorrupt(model("link.bin", "4", "72"), "leaves the model's directory", std::string(sub));
}

TEST_F(ExternalData, ChecksOffsetAndLength) {
  expectCorrupt(model("w.bin", "8", "72"), "beyond the end", path());
  expectCorrupt(model("w.bin", "18446744073709551615", "72"), "beyond the end", path());
  expectCorrupt(model("w.bin", "4", "71"), "length", path());
  expectCorrupt(model("w.bin", "-4", "72"), "not a number", path());
  expectCorrupt(model("missing.bin", "", ""), "missing.bin", path());
  expectCorrupt(model("", "", ""), "location is missing", path());
}

} // namespace
