//===- Samples.cpp - Samples that fit an imported model -------------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "compiler/driver/Samples.h"

#include "passes/Utils.h"

#include <cmath>
#include <cstring>

using namespace mlir;

namespace nestor::driver {

SmallVector<learn::SampleShape> sampleShapes(func::FuncOp main) {
  SmallVector<learn::SampleShape> shapes;
  for (BlockArgument argument : main.getArguments()) {
    auto name = main.getArgAttrOfType<StringAttr>(argument.getArgNumber(), "nest.name");
    ArrayRef<int64_t> shape = shapeOf(argument);
    bool isBatch = !shape.empty() && shape.front() == 1;
    shapes.push_back({name ? name.str() : "", SmallVector<int64_t>(shape.drop_front(isBatch))});
  }
  return shapes;
}

int64_t classCount(func::FuncOp main) {
  if (main.getNumResults() == 0)
    return 0;
  ArrayRef<int64_t> shape = cast<RankedTensorType>(main.getResultTypes().front()).getShape();
  int64_t classes = 1;
  for (int64_t extent : shape.drop_front(!shape.empty())) {
    if (extent != 1 && classes != 1)
      return 0;
    classes *= extent;
  }
  return classes > 1 ? classes : 0;
}

/// Element `index` of an array of integers.
static double integerAt(const support::NpyArray &array, size_t index) {
  const uint8_t *from = array.data.data() + index * array.itemSize();
  auto read = [from](auto value) {
    std::memcpy(&value, from, sizeof value);
    return double(value);
  };
  bool isSigned = array.dtype[0] == 'i';
  switch (array.itemSize()) {
  case 1:
    return isSigned ? read(int8_t()) : read(uint8_t());
  case 2:
    return isSigned ? read(int16_t()) : read(uint16_t());
  case 4:
    return isSigned ? read(int32_t()) : read(uint32_t());
  default:
    return isSigned ? read(int64_t()) : read(uint64_t());
  }
}

/// Networks take floats where capacities are made (learn/Executor.h): integers
/// are given as such.
static llvm::Error turnIntoFloats(support::NpyArray &array, StringRef name) {
  constexpr double most = 1 << 24; // Beyond, floats are no longer exact.
  if (!StringRef("iub").contains(array.dtype[0]))
    return llvm::createStringError("'%s' takes integers, and the samples are %s",
                                   name.str().c_str(), array.dtype.c_str());
  support::NpyArray floats{"f4", array.shape, {}};
  floats.data.resize(array.elements() * sizeof(float));
  for (int64_t i = 0, count = array.elements(); i < count; ++i) {
    double value = integerAt(array, i);
    if (std::abs(value) > most)
      return llvm::createStringError("'%s' holds %.0f; samples of integers go up to %.0f",
                                     name.str().c_str(), value, most);
    float exact = float(value);
    std::memcpy(floats.data.data() + i * sizeof exact, &exact, sizeof exact);
  }
  array = std::move(floats);
  return llvm::Error::success();
}

/// Recovery computes one sample at a time.
static llvm::Error checkBatch(func::FuncOp main) {
  auto isSeveral = [](Value argument) {
    return !shapeOf(argument).empty() && shapeOf(argument).front() != 1;
  };
  if (llvm::all_of(main.getArguments(), isSeveral))
    return llvm::createStringError(
        "the model takes %lld samples at once, and recovery gives it one: fix the first dimension "
        "to 1 (--shape), or leave the samples out",
        (long long)shapeOf(main.getArgument(0)).front());
  return llvm::Error::success();
}

static bool takesIntegers(Value argument) { return isa<IntegerType>(scalarTypeOf(argument.getType())); }

/// The arrays for inputs of integers, as floats.
static llvm::Error adaptTypes(func::FuncOp main, support::NpzArchive &archive) {
  for (auto [argument, sample] : llvm::zip(main.getArguments(), sampleShapes(main))) {
    if (!takesIntegers(argument))
      continue;
    for (auto &[name, array] : archive)
      if (name == sample.name || (name == "x" && main.getNumArguments() == 1))
        if (llvm::Error error = turnIntoFloats(array, sample.name))
          return error;
  }
  return llvm::Error::success();
}

llvm::Expected<learn::Dataset>
samplesFor(func::FuncOp main, const support::NpzArchive &archive,
           const std::optional<learn::Normalization> &normalization) {
  int64_t classes = classCount(main);
  if (classes == 0 && support::findArray(archive, "y"))
    return llvm::createStringError(
        "there are labels y, but the model's first output is no list of scores for classes; "
        "leave y out");
  if (llvm::Error error = checkBatch(main))
    return error;
  if (llvm::none_of(main.getArguments(), takesIntegers))
    return learn::Dataset::fromNpz(archive, sampleShapes(main), classes, normalization);
  support::NpzArchive adapted = archive;
  if (llvm::Error error = adaptTypes(main, adapted))
    return error;
  return learn::Dataset::fromNpz(adapted, sampleShapes(main), classes, normalization);
}

} // namespace nestor::driver
