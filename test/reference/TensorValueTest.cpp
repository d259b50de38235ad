//===- TensorValueTest.cpp ------------------------------------------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "compiler/reference/Element.h"
#include "test/reference/EvaluatorTest.h"

#include <cstring>

using namespace mlir;

namespace nestor::reference {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

template <typename T> uint16_t bitsOf(double value) {
  T narrow(value);
  uint16_t bits;
  std::memcpy(&bits, &narrow, sizeof bits);
  return bits;
}

TEST(Element, RoundsToHalf) {
  EXPECT_EQ(bitsOf<Half>(1.0), 0x3c00);
  EXPECT_EQ(bitsOf<Half>(-2.0), 0xc000);
  EXPECT_EQ(bitsOf<Half>(65504), 0x7bff);
  EXPECT_EQ(bitsOf<Half>(65519.99), 0x7bff);
  EXPECT_EQ(bitsOf<Half>(65520), 0x7c00);
  EXPECT_EQ(bitsOf<Half>(kInfinity), 0x7c00);
  EXPECT_EQ(bitsOf<Half>(std::ldexp(1, -24)), 0x0001);
  EXPECT_EQ(bitsOf<Half>(std::ldexp(1, -25)), 0x0000) << "a tie goes to even";
  EXPECT_EQ(bitsOf<Half>(std::ldexp(1023.75, -24)), 0x0400) << "a subnormal rounds up to normal";
  EXPECT_EQ(bitsOf<Half>(1 + std::ldexp(1, -11)), 0x3c00) << "a tie goes to even";
  EXPECT_EQ(bitsOf<Half>(1 + std::ldexp(3, -11)), 0x3c02) << "a tie goes to even";
  EXPECT_EQ(bitsOf<Half>(-0.0), 0x8000);
  EXPECT_EQ(bitsOf<BFloat16>(1.0), 0x3f80);
  EXPECT_EQ(bitsOf<BFloat16>(3.14159265), 0x4049);
  EXPECT_EQ(bitsOf<BFloat16>(1 + std::ldexp(1, -8)), 0x3f80) << "a tie goes to even";
  EXPECT_EQ(bitsOf<BFloat16>(1 + std::ldexp(3, -8)), 0x3f82) << "a tie goes to even";
  EXPECT_EQ(bitsOf<BFloat16>(std::ldexp(1, -133)), 0x0001) << "the smallest subnormal";
  EXPECT_EQ(bitsOf<BFloat16>(0x1.fep127), 0x7f7f);
  EXPECT_EQ(bitsOf<BFloat16>(0x1.ffp127), 0x7f80);
}

TEST(Element, HalfToDoubleAndBack) {
  for (unsigned bits = 0; bits < 0x7c00; ++bits) {
    Half half;
    auto narrow = uint16_t(bits);
    std::memcpy(static_cast<void *>(&half), &narrow, sizeof half);
    ASSERT_EQ(bitsOf<Half>(double(half)), bits);
  }
}

TEST(Element, FloatsToIntegersStayInRange) {
  EXPECT_EQ((convertElement<int8_t>(-200.0)), -128);
  EXPECT_EQ((convertElement<uint8_t>(-1.5)), 0);
  EXPECT_EQ((convertElement<uint8_t>(300.0)), 255);
  EXPECT_EQ((convertElement<int32_t>(-2.9)), -2);
  EXPECT_EQ((convertElement<int64_t>(1e30)), std::numeric_limits<int64_t>::max());
  EXPECT_EQ((convertElement<int64_t>(std::nan(""))), 0);
  EXPECT_EQ((convertElement<uint64_t>(1e19)), 10000000000000000000u);
}

using TensorValueTest = EvaluatorTest;

TEST_F(TensorValueTest, SurvivesAttributes) {
  auto f32 = Float32Type::get(&context);
  for (int64_t size : {0, 1, 3, 1000}) {
    TensorValue tensor = TensorValue::zeros(RankedTensorType::get({size}, f32));
    for (int64_t i = 0; i < size; ++i)
      tensor.as<float>()[i] = float(i);
    EXPECT_EQ(TensorValue::fromAttr(tensor.toAttr()).bytes, tensor.bytes) << size << " elements";
  }
  TensorValue splat = TensorValue::zeros(RankedTensorType::get({1000}, f32));
  EXPECT_TRUE(cast<DenseElementsAttr>(splat.toAttr()).isSplat());
  EXPECT_EQ(TensorValue::fromAttr(splat.toAttr()).bytes, splat.bytes);
}

TEST_F(TensorValueTest, BooleansTakeOneByte) {
  auto i1 = IntegerType::get(&context, 1);
  for (int64_t size : {1, 9, 5000}) {
    TensorValue tensor = TensorValue::zeros(RankedTensorType::get({size}, i1));
    for (int64_t i = 0; i < size; i += 2)
      tensor.bytes[i] = 1;
    ASSERT_EQ(int64_t(tensor.bytes.size()), size);
    EXPECT_EQ(TensorValue::fromAttr(tensor.toAttr()).bytes, tensor.bytes) << size << " elements";
  }
}

TEST_F(TensorValueTest, Converts) {
  auto type = RankedTensorType::get({3}, Float32Type::get(&context));
  TensorValue tensor = fromVector<double>(type, std::vector<double>{-1.5, 2.5, 300});
  TensorValue bytes = convert(tensor, IntegerType::get(&context, 8, IntegerType::Unsigned));
  expectElements(bytes, {0, 2, 255});
}

} // namespace
} // namespace nestor::reference
