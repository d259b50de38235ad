//===- Samples.cpp - Samples that fit an imported model -------------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "compiler/driver/Samples.h"

using namespace mlir;

namespace nestor::driver {

/// The dimensions of `type` but the first.
static ArrayRef<int64_t> sampleShape(Type type) {
  return cast<RankedTensorType>(type).getShape().drop_front(
      cast<RankedTensorType>(type).getRank() != 0);
}

llvm::Expected<learn::Dataset>
samplesFor(func::FuncOp main, const support::NpzArchive &archive,
           const std::optional<learn::Normalization> &normalization) {
  std::vector<learn::SampleShape> inputs;
  for (BlockArgument argument : main.getArguments()) {
    learn::SampleShape input;
    if (auto name = main.getArgAttrOfType<StringAttr>(argument.getArgNumber(), "nest.name"))
      input.name = name.str();
    input.shape.append(sampleShape(argument.getType()).begin(),
                       sampleShape(argument.getType()).end());
    inputs.push_back(std::move(input));
  }
  int64_t classes = main.getNumResults() == 0
                        ? 0
                        : ShapedType::getNumElements(sampleShape(main.getResultTypes()[0]));
  return learn::Dataset::fromNpz(archive, inputs, classes, normalization);
}

} // namespace nestor::driver
