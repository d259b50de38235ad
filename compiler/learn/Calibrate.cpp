//===- Calibrate.cpp - The ranges of what is to be bytes ------------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "compiler/learn/Calibrate.h"

#include "compiler/ir/Nested.h"
#include "compiler/learn/Ranges.h"
#include "passes/Quantize.h"

#include "llvm/ADT/SetVector.h"
#include "llvm/Support/DebugLog.h"

#define DEBUG_TYPE "nest-calibrate"

using namespace mlir;

namespace nestor::learn {

/// More samples tell no more about ranges.
static constexpr size_t kSamples = 128;

using Convolutions = llvm::SetVector<nest::ConvOp>;

static Convolutions findConvolutions(func::FuncOp func) {
  Convolutions found;
  func.walk([&](nest::ConvOp conv) {
    if (StringRef reason = whyNotBytes(conv); reason.empty())
      found.insert(conv);
    else
      LDBG() << conv.getLoc() << " stays f32: " << reason;
  });
  return found;
}

/// Whether some convolution of bytes reads `value`, or what is moved from it.
static bool wantsBytes(Value value, const Convolutions &convolutions) {
  return llvm::any_of(value.getUsers(), [&](Operation *user) {
    auto conv = dyn_cast<nest::ConvOp>(user);
    return (conv && convolutions.contains(conv)) ||
           (movedBy(user) && wantsBytes(user->getResult(0), convolutions));
  });
}

/// The number of convolutions that have ranges now.
static llvm::Expected<size_t> calibrate(func::FuncOp func, const Dataset &samples,
                                        unsigned threads) {
  Convolutions convolutions = findConvolutions(func);
  if (convolutions.empty())
    return 0;
  llvm::SetVector<Value> wanted;
  for (nest::ConvOp conv : convolutions) {
    if (wantsBytes(conv.getResult(), convolutions))
      wanted.insert(conv.getResult());
    wanted.insert(conv.getInput());
  }
  auto ranges = measureRanges(func, wanted.getArrayRef(), samples, threads);
  if (!ranges)
    return ranges.takeError();
  for (nest::ConvOp conv : convolutions) {
    setByteRange(conv, kInputRangeAttr, ranges->lookup(conv.getInput()));
    if (wantsBytes(conv.getResult(), convolutions))
      setByteRange(conv, kResultRangeAttr, ranges->lookup(conv.getResult()));
  }
  return convolutions.size();
}

/// The first samples; of more there is nothing to learn.
static Dataset firstOf(const Dataset &data) {
  std::vector<size_t> numbers(std::min(data.size(), kSamples));
  for (size_t i = 0; i < numbers.size(); ++i)
    numbers[i] = i;
  return data.subset(std::move(numbers));
}

llvm::Error calibrate(ModuleOp module, const CalibrateOptions &options) {
  Dataset samples = firstOf(*options.data);
  size_t count = 0;
  for (func::FuncOp function : nest::capacityFunctions(module)) {
    auto calibrated = calibrate(function, samples, options.threads);
    if (!calibrated)
      return calibrated.takeError();
    count += *calibrated;
  }
  if (count == 0)
    return llvm::createStringError("no convolution and no fully connected layer of this model can "
                                   "compute on bytes: leave int8 out of --precision");
  return llvm::Error::success();
}

} // namespace nestor::learn
