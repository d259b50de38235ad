//===- OrderingTest.cpp - The order of hidden units -----------------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "LearnTest.h"

#include "compiler/learn/Ordering.h"

#include "llvm/ADT/StringExtras.h"

#include <cstring>

using namespace mlir;
using namespace nestor;
using namespace nestor::learn;

namespace {

constexpr int64_t kSteps = 4, kInputs = 2, kHidden = 5, kSamples = 32;
/// This hidden unit of the first layer is always zero.
constexpr int64_t kSilent = 1;

class OrderingTest : public test::LearnTest {
protected:
  std::string dense(std::vector<float> values) {
    auto bytes = reinterpret_cast<const char *>(values.data());
    return "dense<\"0x" + llvm::toHex({bytes, values.size() * sizeof(float)}) + "\">";
  }

  /// Rows of three gates; those of kSilent are zero where `isSilent`.
  std::string rows(int64_t length, bool isSilent) {
    std::vector<float> values = draw(3 * kHidden * length);
    for (size_t i = 0; isSilent && i < values.size(); ++i)
      if (int64_t(i) / length % kHidden == kSilent)
        values[i] = 0;
    return dense(values);
  }

  std::string gru(const std::string &name, const std::string &input, int64_t inputs,
                  bool isSilent) {
    std::string type = "tensor<4x1x" + std::to_string(inputs) + "xf32>";
    std::string w = "tensor<1x15x" + std::to_string(inputs) + "xf32>", r = "tensor<1x15x5xf32>";
    return "  %w" + name + " = nest.const " + rows(inputs, isSilent) + " : " + w + "\n  %r" + name +
           " = nest.const " + rows(kHidden, isSilent) + " : " + r + "\n  %y" + name + ", %h" +
           name + " = \"nest.gru\"(" + input + ", %w" + name + ", %r" + name +
           ") {direction = #nest.direction<forward>, activations = [\"Sigmoid\", \"Tanh\"], "
           "activationAlpha = array<f64: 1.0, 1.0>, activationBeta = array<f64: 1.0, 1.0>, "
           "operandSegmentSizes = array<i32: 1, 1, 1, 0, 0, 0>} : (" +
           type + ", " + w + ", " + r + ") -> (tensor<4x1x1x5xf32>, tensor<1x1x5xf32>)\n  %" +
           name + " = nest.reshape %y" + name + " : (tensor<4x1x1x5xf32>) -> tensor<4x1x5xf32>\n";
  }

  OwningOpRef<ModuleOp> network() {
    return parse("func.func @main(%x: tensor<1x4x2xf32>) -> tensor<1x1x3xf32> {\n"
                 "  %t = nest.transpose %x {perm = array<i64: 1, 0, 2>} : "
                 "(tensor<1x4x2xf32>) -> tensor<4x1x2xf32>\n" +
                 gru("first", "%t", kInputs, true) + gru("second", "%first", kHidden, false) +
                 "  %f = nest.const " + dense(draw(15)) +
                 " : tensor<1x5x3xf32>\n"
                 "  %o = nest.conv %hsecond, %f {dilations = array<i64: 1>, groups = 1, "
                 "kernel = array<i64: 1>, padBegin = array<i64: 0>, padEnd = array<i64: 0>, "
                 "strides = array<i64: 1>} : (tensor<1x1x5xf32>, tensor<1x5x3xf32>) -> "
                 "tensor<1x1x3xf32>\n  return %o : tensor<1x1x3xf32>\n}");
  }

  Dataset data() {
    support::NpyArray array;
    array.dtype = "f4";
    array.shape = {kSamples, kSteps, kInputs};
    std::vector<float> values = draw(kSamples * kSteps * kInputs);
    array.data.resize(values.size() * sizeof(float));
    std::memcpy(array.data.data(), values.data(), array.data.size());
    SampleShape shape{"x", {kSteps, kInputs}};
    return llvm::cantFail(Dataset::fromNpz({{"x", array}}, shape, 0, std::nullopt));
  }
};

TEST_F(OrderingTest, SilentHiddenUnitsComeLastAndCostNothing) {
  OwningOpRef<ModuleOp> module = network();
  auto main = module->lookupSymbol<func::FuncOp>("main");
  ChannelGroups groups(main);
  ASSERT_EQ(groups.groups().size(), 2u);
  Dataset samples = data();
  for (OrderMethod method : {OrderMethod::Obs, OrderMethod::Activation, OrderMethod::L1}) {
    NestOptions options;
    options.order = method;
    options.data = &samples;
    std::string notes;
    options.log = [&](const std::string &line) { notes += line; };
    Importance importance = llvm::cantFail(orderChannels(main, groups, options));
    EXPECT_EQ(importance.order[0].back(), kSilent);
    // Curves are measured: nothing is lost without the silent unit, more and
    // more without others.
    for (ArrayRef<double> curve : importance.curve) {
      EXPECT_GT(curve[kHidden - 2], 1e-6);
      EXPECT_GE(curve[1], curve[kHidden - 2]);
    }
    EXPECT_LT(importance.curve[0][kHidden - 1], 1e-5);
    EXPECT_GT(importance.curve[1][kHidden - 1], 1e-6);
    EXPECT_EQ(notes.find("only recurrent layers read them") != std::string::npos,
              method == OrderMethod::Obs);
  }
}

} // namespace
