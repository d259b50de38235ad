//===- Batch.cpp - The same function for more samples ---------------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
//
// Every value that depends on an argument has one dimension, its batch
// dimension, along which samples lie; it starts as the first one and moves with
// transposes and reshapes. Types are rewritten along it. What looks across
// samples cannot be rewritten and says so.
//
//===----------------------------------------------------------------------===//

#include "compiler/learn/Executor.h"

#include "compiler/ir/NestDialect.h"
#include "compiler/package/Plan.h"
#include "compiler/reference/Evaluator.h"
#include "compiler/reference/Indices.h"

#include "mlir/IR/Verifier.h"
#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using nestor::reference::product;

namespace nestor::learn {
namespace {

ArrayRef<int64_t> shapeOf(Value value) {
  return cast<RankedTensorType>(value.getType()).getShape();
}

class Batcher {
public:
  /// Changes `func` in place; its batch so far is `from`.
  Batcher(func::FuncOp func, int64_t from, int64_t to) : func(func), from(from), to(to) {}

  /// Empty on success, otherwise why not.
  std::string run();

private:
  std::string rewrite(Operation &op);
  std::optional<int64_t> resultDim(Operation &op, OpResult result);
  std::optional<int64_t> reshapedDim(ArrayRef<int64_t> in, int64_t dim,
                                     ArrayRef<int64_t> out) const;
  bool moveUnit(nest::ReshapeOp reshape);
  bool operandsAgree(Operation &op);
  void widen(Value value, int64_t dim);

  func::FuncOp func;
  int64_t from, to;
  DenseMap<Value, int64_t> dims;                ///< The batch dimension of values that have one.
  DenseMap<Value, SmallVector<int64_t>> before; ///< Shapes before they were widened.
  DenseMap<Operation *, int64_t> unitDims;      ///< Where `moveUnit` moved the batch.
};

void Batcher::widen(Value value, int64_t dim) {
  auto type = cast<RankedTensorType>(value.getType());
  SmallVector<int64_t> shape(type.getShape());
  before[value] = shape;
  dims[value] = dim;
  shape[dim] = shape[dim] / from * to;
  value.setType(type.clone(shape));
}

/// Where samples lie after a reshape: the dimension that begins where the
/// batch dimension began.
std::optional<int64_t> Batcher::reshapedDim(ArrayRef<int64_t> in, int64_t dim,
                                            ArrayRef<int64_t> out) const {
  int64_t outer = product(in.take_front(dim)), seen = 1;
  for (auto [i, extent] : llvm::enumerate(out)) {
    if (seen == outer && extent % from == 0 && (from == 1 || extent > 1))
      return i;
    seen *= extent;
  }
  return std::nullopt;
}

/// Of one sample, a transpose that moves the batch dimension may have become a
/// reshape: makes it one again. Recurrent layers have their batch second, others
/// where it fits first. False if there is no such place.
bool Batcher::moveUnit(nest::ReshapeOp reshape) {
  Value input = reshape.getInput();
  SmallVector<int64_t> rest = before.lookup(input);
  int64_t dim = dims.lookup(input);
  ArrayRef<int64_t> out = reshape.getType().getShape();
  bool isForRecurrent = llvm::any_of(reshape->getUsers(), [](Operation *user) {
    return isa<nest::LstmOp, nest::GruOp, nest::RnnOp>(user);
  });
  std::optional<int64_t> found = reshapedDim(rest, dim, out);
  bool isSound = found && (*found == 0 || out[*found] == 1);
  if (from != 1 || (isSound && !isForRecurrent))
    return true;
  rest.erase(rest.begin() + dim);
  for (int64_t to = isForRecurrent && out.size() > 1; to < int64_t(out.size()); ++to)
    for (int64_t place = 0; out[to] == 1 && place <= int64_t(rest.size()); ++place) {
      if (product(ArrayRef(rest).take_front(place)) != product(out.take_front(to)))
        continue;
      auto type = cast<RankedTensorType>(input.getType());
      SmallVector<int64_t> perm, shape(rest), wide;
      for (int64_t i = 0; i < type.getRank(); ++i)
        if (i != dim)
          perm.push_back(i);
      perm.insert(perm.begin() + place, dim);
      shape.insert(shape.begin() + place, 1);
      for (int64_t i : perm)
        wide.push_back(type.getShape()[i]);
      OpBuilder builder(reshape);
      Value moved =
          nest::TransposeOp::create(builder, reshape.getLoc(), type.clone(wide), input, perm);
      before[moved] = shape;
      dims[moved] = place;
      reshape.getInputMutable().assign(moved);
      unitDims[reshape] = to;
      return true;
    }
  return found.has_value();
}

/// The batch dimension of `result`; none if the operation mixes samples.
std::optional<int64_t> Batcher::resultDim(Operation &op, OpResult result) {
  using Dim = std::optional<int64_t>;
  auto dimOf = [&](Value value) { return dims.lookup(value); };
  auto unless = [](bool mixes, int64_t dim) { return mixes ? Dim() : Dim(dim); };
  return llvm::TypeSwitch<Operation *, Dim>(&op)
      .Case([&](nest::MapOp map) -> Dim {
        // Aligned at the last dimension.
        for (Value input : map.getInputs())
          if (auto found = dims.find(input); found != dims.end())
            return found->second + map.getType().getRank() - int64_t(shapeOf(input).size());
        return Dim();
      })
      .Case<nest::ConvOp, nest::ConvTransposeOp, nest::PoolOp, nest::LrnOp, nest::ResizeOp>(
          [&](Operation *) { return unless(dimOf(op.getOperand(0)) != 0, 0); })
      .Case([&](nest::MatmulOp matmul) -> Dim {
        int64_t rank = matmul.getType().getRank();
        for (Value side : {matmul.getLhs(), matmul.getRhs()})
          if (auto found = dims.find(side); found != dims.end()) {
            bool isRows =
                side == matmul.getLhs() && !matmul.getTransposeLhs() && found->second == rank - 2;
            return unless(found->second >= rank - 2 && !isRows, found->second);
          }
        return Dim();
      })
      .Case([&](nest::ReduceOp reduce) {
        int64_t dim = dimOf(reduce.getInput());
        return unless(llvm::is_contained(reduce.getAxes(), dim), dim);
      })
      .Case<nest::ArgReduceOp, nest::SoftmaxOp, nest::CumsumOp, nest::TopKOp>([&](auto along) {
        int64_t dim = dimOf(along.getInput());
        return unless(int64_t(along.getAxis()) == dim, dim);
      })
      .Case([&](nest::NormOp norm) {
        int64_t dim = dimOf(norm.getInput());
        return unless(int64_t(norm.getAxis()) <= dim, dim);
      })
      .Case([&](nest::TransposeOp transpose) -> Dim {
        return llvm::find(transpose.getPerm(), dimOf(transpose.getInput())) -
               transpose.getPerm().begin();
      })
      .Case([&](nest::ReshapeOp reshape) -> Dim {
        if (!moveUnit(reshape))
          return Dim();
        if (auto found = unitDims.find(reshape); found != unitDims.end())
          return found->second;
        return reshapedDim(before.lookup(reshape.getInput()), dimOf(reshape.getInput()),
                           reshape.getType().getShape());
      })
      .Case([&](nest::SliceOp slice) {
        int64_t dim = dimOf(slice.getInput());
        bool whole = slice.getStarts()[dim] == 0 && slice.getSteps()[dim] == 1 &&
                     slice.getType().getShape()[dim] == before.lookup(slice.getInput())[dim];
        return unless(!whole, dim);
      })
      .Case([&](nest::PadOp pad) {
        int64_t dim = dimOf(pad.getInput());
        return unless(pad.getLow()[dim] || pad.getHigh()[dim], dim);
      })
      .Case([&](nest::ConcatOp concat) -> Dim {
        for (Value input : concat.getInputs())
          if (auto found = dims.find(input); found != dims.end())
            return unless(found->second == int64_t(concat.getAxis()), found->second);
        return Dim();
      })
      .Case([&](nest::GatherOp gather) -> Dim {
        int64_t axis = gather.getAxis();
        if (dims.contains(gather.getIndices()))
          return unless(dims.contains(gather.getInput()), axis + dimOf(gather.getIndices()));
        int64_t dim = dimOf(gather.getInput()), rank = shapeOf(gather.getIndices()).size();
        return unless(dim == axis, dim < axis ? dim : dim + rank - 1);
      })
      .Case<nest::LstmOp, nest::GruOp, nest::RnnOp>([&](auto recurrent) {
        // [T,B,I] gives [T,D,B,H] and last states [D,B,H].
        return unless(dimOf(recurrent.getInput()) != 1, result.getResultNumber() == 0 ? 2 : 1);
      })
      .Default([](Operation *) { return Dim(); });
}

/// Whether all operands still fit beside the widened ones.
bool Batcher::operandsAgree(Operation &op) {
  if (isa<nest::MapOp>(op)) {
    auto result = cast<RankedTensorType>(op.getResult(0).getType());
    for (Value operand : op.getOperands()) {
      int64_t dim =
          dims.lookup(op.getResult(0)) - result.getRank() + int64_t(shapeOf(operand).size());
      bool repeats = dim < 0 || shapeOf(operand)[dim] == 1;
      auto found = dims.find(operand);
      if (found == dims.end() ? !repeats : found->second != dim)
        return false;
    }
  }
  if (isa<nest::ConcatOp>(op))
    return llvm::all_of(op.getOperands(), [&](Value operand) { return dims.contains(operand); });
  if (auto matmul = dyn_cast<nest::MatmulOp>(op))
    for (Value side : {matmul.getLhs(), matmul.getRhs()}) {
      int64_t dim = dims.lookup(op.getResult(0)), rank = shapeOf(side).size();
      auto found = dims.find(side);
      if (found != dims.end() ? found->second != dim : dim < rank - 2 && shapeOf(side)[dim] != 1)
        return false;
    }
  if (isa<nest::LstmOp, nest::GruOp, nest::RnnOp>(op))
    for (Value operand : op.getOperands().drop_front())
      // States, one for each sample, would have to be repeated.
      if (!dims.contains(operand) && shapeOf(operand).size() == 3 && shapeOf(operand)[1] == from &&
          operand.getType() == op.getResult(1).getType())
        return false;
  return true;
}

std::string Batcher::rewrite(Operation &op) {
  if (llvm::none_of(op.getOperands(), [&](Value operand) { return dims.contains(operand); }))
    return "";
  std::string reason = "node '" + package::layerName(op.getLoc()) + "' (" +
                       op.getName().getStringRef().str() +
                       ") does not treat the samples of a batch separately";
  SmallVector<int64_t> resultDims;
  for (OpResult result : op.getResults()) {
    std::optional<int64_t> dim = resultDim(op, result);
    if (!dim || *dim < 0 || shapeOf(result)[*dim] % from != 0)
      return reason;
    resultDims.push_back(*dim);
  }
  // States are compared by their types before.
  bool isRecurrent = isa<nest::LstmOp, nest::GruOp, nest::RnnOp>(op);
  if (isRecurrent && !operandsAgree(op))
    return reason;
  for (auto [result, dim] : llvm::zip(op.getResults(), resultDims))
    widen(result, dim);
  return isRecurrent || operandsAgree(op) ? "" : reason;
}

std::string Batcher::run() {
  for (BlockArgument argument : func.getArguments())
    widen(argument, 0);
  for (Operation &op : func.front().without_terminator())
    if (std::string reason = rewrite(op); !reason.empty())
      return reason;
  for (auto [index, result] : llvm::enumerate(func.front().getTerminator()->getOperands()))
    if (auto found = dims.find(result); found == dims.end() || found->second != 0)
      return "result " + std::to_string(index) + " has no batch dimension";
  func.setType(FunctionType::get(func.getContext(), func.front().getArgumentTypes(),
                                 func.front().getTerminator()->getOperandTypes()));
  // A reshape may have put the samples where the next operation looks across.
  std::string problem;
  ScopedDiagnosticHandler handler(func.getContext(), [&](Diagnostic &diagnostic) {
    problem = diagnostic.str();
    return success();
  });
  return succeeded(verify(func)) ? "" : problem;
}

} // namespace

OwningOpRef<func::FuncOp> withBatch(func::FuncOp func, int64_t batch, std::string &reason) {
  OwningOpRef<func::FuncOp> copy = func.clone();
  int64_t from = 0;
  for (BlockArgument argument : func.getArguments()) {
    auto type = cast<RankedTensorType>(argument.getType());
    int64_t extent = type.getRank() ? type.getShape()[0] : 0;
    if (extent == 0 || (from && extent != from)) {
      reason = "the inputs have no common batch dimension";
      return {};
    }
    from = extent;
  }
  if (from == batch)
    return copy;
  reason = Batcher(*copy, from, batch).run();
  return reason.empty() ? std::move(copy) : OwningOpRef<func::FuncOp>();
}

int64_t samplesAtOnce(func::FuncOp func, int64_t batch) {
  constexpr int64_t nearBytes = 2 << 20, least = 8;
  int64_t samples = shapeOf(func.getArgument(0)).front(), largest = 1;
  for (Operation &op : func.front().without_terminator())
    if (!isa<nest::ConstOp, nest::WeightOp>(op))
      for (Value result : op.getResults())
        largest = std::max(largest, product(shapeOf(result)) * int64_t(sizeof(float)) / samples);
  int64_t most = std::clamp(nearBytes / largest, std::min(least, batch), batch);
  while (batch % most != 0)
    --most;
  return most;
}

} // namespace nestor::learn
