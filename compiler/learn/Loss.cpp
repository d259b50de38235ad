//===- Loss.cpp - What training makes small -------------------------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "compiler/learn/Loss.h"

#include "compiler/ir/NestDialect.h"
#include "compiler/learn/Hints.h"
#include "passes/Utils.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;

namespace nestor::learn {

static func::ReturnOp returnOf(func::FuncOp func) {
  return cast<func::ReturnOp>(func.front().back());
}

static void setResults(func::FuncOp func, ArrayRef<Value> results) {
  returnOf(func)->setOperands(results);
  func.setType(FunctionType::get(func.getContext(), func.getArgumentTypes(),
                                 ValueRange(results).getTypes()));
}

//===----------------------------------------------------------------------===//
// Classifiers
//===----------------------------------------------------------------------===//

/// Whether all elements of a sample lie in one dimension, so that reshapes and
/// transposes that keep the first dimension move nothing.
static bool isMatrixOfScores(RankedTensorType type) {
  return type.getRank() >= 2 &&
         llvm::count_if(type.getShape().drop_front(), [](int64_t n) { return n != 1; }) <= 1;
}

std::optional<int64_t> classesOf(func::FuncOp func, unsigned hints) {
  if (func.getNumResults() != 1 + hints)
    return std::nullopt;
  auto type = cast<RankedTensorType>(func.getResultTypes().front());
  int64_t batch = type.getRank() ? type.getDimSize(0) : 0;
  if (!type.getElementType().isF32() || batch == 0 || !isMatrixOfScores(type) ||
      type.getNumElements() / batch < 2)
    return std::nullopt;
  return type.getNumElements() / batch;
}

/// The softmax over classes that makes `value`, possibly under another shape.
static nest::SoftmaxOp softmaxOf(Value value) {
  int64_t batch = shapeOf(value).front();
  while (Operation *op = value.getDefiningOp()) {
    if (auto softmax = dyn_cast<nest::SoftmaxOp>(op)) {
      ArrayRef<int64_t> shape = shapeOf(softmax.getResult());
      int64_t classes = shape[softmax.getAxis()];
      return classes * batch == softmax.getType().getNumElements() ? softmax : nullptr;
    }
    if (!isa<nest::ReshapeOp, nest::TransposeOp>(op))
      return {};
    value = op->getOperand(0);
    RankedTensorType type = tensorType(value);
    if (type.getRank() == 0 || type.getDimSize(0) != batch || !isMatrixOfScores(type))
      return {};
  }
  return {};
}

void returnLogits(func::FuncOp func) {
  SmallVector<Value> results(returnOf(func).getOperands());
  Value scores = results.front();
  int64_t classes = *classesOf(func, results.size() - 1), batch = shapeOf(scores).front();
  if (nest::SoftmaxOp softmax = softmaxOf(scores))
    scores = softmax.getInput();
  OpBuilder builder(returnOf(func));
  results.front() = reshapeTo(builder, scores.getLoc(), scores, {batch, classes});
  setResults(func, results);
}

//===----------------------------------------------------------------------===//
// Losses
//===----------------------------------------------------------------------===//

namespace {

/// Builds at the end of a function.
class LossBuilder {
public:
  explicit LossBuilder(func::FuncOp func)
      : func(func), loc(func.getLoc()), builder(returnOf(func)) {}

  Value addArgument(Type type) {
    unsigned number = func.getNumArguments();
    (void)func.insertArgument(number, type, {}, loc);
    return func.getArgument(number);
  }

  using Body = llvm::function_ref<Value(OpBuilder &, ValueRange)>;
  /// Element-wise, on tensors of one type.
  Value map(ValueRange inputs, Body body) {
    auto op = nest::MapOp::create(builder, loc, inputs.front().getType(), inputs);
    Block &block = op.getBody().emplaceBlock();
    for (Value input : inputs)
      block.addArgument(scalarTypeOf(input.getType()), loc);
    OpBuilder inner = OpBuilder::atBlockEnd(&block);
    nest::YieldOp::create(inner, loc, body(inner, block.getArguments()));
    return op.getResult();
  }

  Value scale(Value value, double factor) {
    return factor == 1 ? value : map(value, [&](OpBuilder &inner, ValueRange in) {
      return times(inner, in[0], factor);
    });
  }
  Value times(OpBuilder &inner, Value value, double factor) {
    Value number = arith::ConstantOp::create(inner, loc, inner.getF32FloatAttr(float(factor)));
    return arith::MulFOp::create(inner, loc, value, number);
  }

  /// factor * sum of `target` * log softmax(`logits`), element by element.
  Value crossEntropy(Value logits, Value target, double factor) {
    Value log = nest::SoftmaxOp::create(builder, loc, logits.getType(), logits, 1, /*log=*/true);
    return map({target, log}, [&](OpBuilder &inner, ValueRange in) {
      return times(inner, arith::MulFOp::create(inner, loc, in[0], in[1]), factor);
    });
  }

  Value squaredError(Value value, Value target, double factor) {
    return map({value, target}, [&](OpBuilder &inner, ValueRange in) {
      Value difference = arith::SubFOp::create(inner, loc, in[0], in[1]);
      return times(inner, arith::MulFOp::create(inner, loc, difference, difference), factor);
    });
  }

  /// The slices of `value` along its last dimension that hold `channels`, which
  /// ascend.
  Value select(Value value, ArrayRef<int64_t> channels) {
    SmallVector<Value> runs;
    RankedTensorType type = tensorType(value);
    SmallVector<int64_t> starts(type.getRank(), 0), steps(type.getRank(), 1);
    SmallVector<int64_t> shape(type.getShape());
    for (size_t first = 0, end = 0; first < channels.size(); first = end) {
      while (end < channels.size() && channels[end] - channels[first] == int64_t(end - first))
        ++end;
      starts.back() = channels[first];
      shape.back() = int64_t(end - first);
      runs.push_back(
          nest::SliceOp::create(builder, loc, type.clone(shape), value, starts, steps));
    }
    shape.back() = int64_t(channels.size());
    return runs.size() == 1 ? runs.front()
                            : nest::ConcatOp::create(builder, loc, type.clone(shape), runs,
                                                     type.getRank() - 1)
                                  .getResult();
  }

  Value add(Value a, Value b) {
    return map({a, b}, [&](OpBuilder &inner, ValueRange in) {
      return arith::AddFOp::create(inner, loc, in[0], in[1]).getResult();
    });
  }

  /// One element.
  Value sum(Value value) {
    RankedTensorType type = tensorType(value);
    auto axes = llvm::to_vector(llvm::seq<int64_t>(0, type.getRank()));
    SmallVector<int64_t> ones(type.getRank(), 1);
    Value total =
        nest::ReduceOp::create(builder, loc, type.clone(ones), value, nest::ReduceKind::sum, axes);
    return reshapeTo(builder, loc, total, {1});
  }

private:
  func::FuncOp func;
  Location loc;
  OpBuilder builder;
};

} // namespace

static Value classifierLoss(LossBuilder &build, Value logits, const LossOptions &options) {
  double batch = shapeOf(logits).front(), temperature = options.temperature;
  Value soft = build.addArgument(logits.getType());
  Value loss = build.crossEntropy(build.scale(logits, 1 / temperature), soft,
                                  -temperature * temperature / batch);
  if (options.labels) {
    Value hard = build.addArgument(logits.getType());
    loss = build.add(loss, build.crossEntropy(logits, hard, -1 / batch));
  }
  return build.sum(loss);
}

/// factor * the mean of the squared error.
static Value meanError(LossBuilder &build, Value result, Value target, double factor) {
  factor /= double(tensorType(result).getNumElements());
  return build.sum(build.squaredError(result, target, factor));
}

static Value regressionLoss(LossBuilder &build, ValueRange results, ArrayRef<double> weights) {
  Value total;
  for (auto [result, weight] : llvm::zip_equal(results, weights)) {
    Value loss = meanError(build, result, build.addArgument(result.getType()), weight);
    total = total ? build.add(total, loss) : loss;
  }
  return total;
}

void appendLoss(func::FuncOp func, bool classifier, const LossOptions &options,
                ArrayRef<Type> hintTypes) {
  LossBuilder build(func);
  SmallVector<Value> results(returnOf(func).getOperands());
  size_t own = results.size() - hintTypes.size();
  ArrayRef<double> weights(options.weights);
  auto ownResults = ArrayRef(results).take_front(own);
  Value loss = classifier ? classifierLoss(build, results.front(), options)
                          : regressionLoss(build, ownResults, weights.take_front(own));
  for (auto [hint, type] : llvm::enumerate(hintTypes)) {
    Value target = build.select(build.addArgument(type), options.hintChannels[hint]);
    if (target.getType() != results[own + hint].getType())
      target = meanOverPlaces(target);
    double factor = options.hintWeight * weights[own + hint] / double(hintTypes.size());
    loss = build.add(loss, meanError(build, results[own + hint], target, factor));
  }
  setResults(func, loss);
}

} // namespace nestor::learn
