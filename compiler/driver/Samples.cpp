//===- Samples.cpp - Samples that fit an imported model -------------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "compiler/driver/Samples.h"

using namespace mlir;

namespace nestor::driver {

SmallVector<learn::SampleShape> sampleShapes(func::FuncOp main) {
  SmallVector<learn::SampleShape> shapes;
  for (BlockArgument argument : main.getArguments()) {
    auto name = main.getArgAttrOfType<StringAttr>(argument.getArgNumber(), "nest.name");
    ArrayRef<int64_t> shape = cast<RankedTensorType>(argument.getType()).getShape();
    shapes.push_back(
        {name ? name.str() : "", SmallVector<int64_t>(shape.drop_front(!shape.empty()))});
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

llvm::Expected<learn::Dataset>
samplesFor(func::FuncOp main, const support::NpzArchive &archive,
           const std::optional<learn::Normalization> &normalization) {
  int64_t classes = classCount(main);
  if (classes == 0 && support::findArray(archive, "y"))
    return llvm::createStringError(
        "there are labels y, but the model's first output is no list of scores for classes; "
        "leave y out");
  return learn::Dataset::fromNpz(archive, sampleShapes(main), classes, normalization);
}

} // namespace nestor::driver
