//===- RoundFilters.cpp - Filters of two bytes a weight -------------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "passes/Passes.h"
#include "passes/Utils.h"

#include "compiler/ir/HalfFilter.h"
#include "compiler/ir/Nested.h"
#include "compiler/reference/Element.h"

#include "llvm/ADT/MapVector.h"

#include <cmath>

using namespace mlir;
using namespace nestor::nest;
using nestor::reference::TensorValue;

namespace nestor {

#define GEN_PASS_DEF_ROUNDFILTERSPASS
#include "passes/Passes.h.inc"

namespace {

/// What no weight is beyond. Transforms for tiles of 2 make weights larger by
/// 1.5 in each dimension, and must stay finite too.
float largestWeight(Type element) {
  constexpr float largestHalf = 65504, growth = 1.5f * 1.5f;
  return element.isF16() ? largestHalf / growth : 0x1.fep127f;
}

/// Filters of groups stay as they are: there is little of them, and each weight is
/// loaded for a few products only.
bool isFilter(OpOperand &use) {
  auto conv = dyn_cast<ConvOp>(use.getOwner());
  return conv && use.getOperandNumber() == conv.getFilterMutable().getOperandNumber() &&
         !conv.getPacked() && conv.getGroups() == 1 && computesInF32(conv) &&
         tensorType(conv.getFilter()).getElementType().isF32();
}

bool isOnlyFilter(Value value) { return llvm::all_of(value.getUses(), isFilter); }

struct RoundFiltersPass final : impl::RoundFiltersPassBase<RoundFiltersPass> {
  using Base::Base;
  void runOnOperation() override;

private:
  FailureOr<ElementsAttr> round(Operation *reader, ElementsAttr value);
  LogicalResult roundGlobal(GlobalOp global, ArrayRef<WeightOp> weights);
  LogicalResult roundConstant(ConstOp constant);

  Type type;
  DenseMap<Attribute, ElementsAttr> rounded; ///< Capacities may have equal ones.
};

/// `reader` is what an error names.
FailureOr<ElementsAttr> RoundFiltersPass::round(Operation *reader, ElementsAttr value) {
  ElementsAttr &result = rounded[value];
  if (result)
    return result;
  TensorValue weights = TensorValue::fromAttr(value);
  const float largest = largestWeight(type);
  for (float weight : weights.as<float>()) {
    if (std::fabs(weight) <= largest)
      continue;
    bool fitsWider = type.isF16() && std::isfinite(weight);
    return reader->emitError("a weight is ")
           << double(weight) << ", which " << type << " has no room for: use --weights "
           << (fitsWider ? "bf16" : "f32");
  }
  result = reference::fromVector<float>(weights.type.clone(type), weights.as<float>()).toAttr();
  return result;
}

LogicalResult RoundFiltersPass::roundGlobal(GlobalOp global, ArrayRef<WeightOp> weights) {
  auto isOnlyRead = [](WeightOp weight) { return isOnlyFilter(weight.getResult()); };
  auto used = llvm::find_if(weights, [](WeightOp weight) { return !weight->use_empty(); });
  if (used == weights.end() || !llvm::all_of(weights, isOnlyRead))
    return success();
  FailureOr<ElementsAttr> value = round(*WeightOp(*used)->user_begin(), global.getValue());
  if (failed(value))
    return failure();
  global.setValueAttr(*value);
  for (WeightOp weight : weights)
    weight.getResult().setType(weight.getType().clone(type));
  return success();
}

LogicalResult RoundFiltersPass::roundConstant(ConstOp constant) {
  if (constant->use_empty() || !isOnlyFilter(constant.getResult()))
    return success();
  FailureOr<ElementsAttr> value = round(*constant->user_begin(), constant.getValue());
  if (failed(value))
    return failure();
  constant.setValueAttr(*value);
  constant.getResult().setType(constant.getType().clone(type));
  return success();
}

void RoundFiltersPass::runOnOperation() {
  StringRef name(element);
  if (name != "f16" && name != "bf16") {
    getOperation().emitError("filters are rounded to f16 or bf16, not to ") << name;
    return signalPassFailure();
  }
  type = name == "f16" ? Type(Float16Type::get(&getContext())) : BFloat16Type::get(&getContext());
  rounded.clear();
  llvm::MapVector<Operation *, SmallVector<WeightOp>> readers;
  getOperation().walk([&](WeightOp weight) { readers[globalOf(weight)].push_back(weight); });
  for (auto &[global, weights] : readers)
    if (failed(roundGlobal(cast<GlobalOp>(global), weights)))
      return signalPassFailure();
  WalkResult walk = getOperation().walk([&](ConstOp constant) {
    return failed(roundConstant(constant)) ? WalkResult::interrupt() : WalkResult::advance();
  });
  if (walk.wasInterrupted())
    signalPassFailure();
}

} // namespace
} // namespace nestor
