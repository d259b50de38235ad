//===- ScaleInput.cpp - The same network on a smaller input ---------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "passes/ScaleInput.h"

#include "passes/ChannelFlow.h"
#include "passes/Layout.h"
#include "passes/Passes.h"
#include "passes/Utils.h"

#include "mlir/IR/Diagnostics.h"
#include "mlir/IR/Verifier.h"
#include "llvm/ADT/TypeSwitch.h"

#include <cmath>
#include <optional>

using namespace mlir;
using namespace nestor::nest;

namespace nestor {

#define GEN_PASS_DEF_SCALEINPUTPASS
#include "passes/Passes.h.inc"

SmallVector<unsigned> spatialDims(func::FuncOp func) {
  if (func.getNumArguments() != 1)
    return {};
  Value value = func.getArgument(0);
  if (!tensorType(value).getElementType().isF32())
    return {};
  auto dims = llvm::to_vector(llvm::seq<unsigned>(0, shapeOf(value).size()));
  while (value.hasOneUse()) {
    Operation *reader = *value.user_begin();
    if (isa<ConvOp, PoolOp>(reader) && reader->getOperand(0) == value)
      return llvm::to_vector(ArrayRef(dims).drop_front().drop_back());
    if (auto transpose = dyn_cast<TransposeOp>(reader)) {
      SmallVector<unsigned> moved;
      for (int64_t from : transpose.getPerm())
        moved.push_back(dims[from]);
      dims = std::move(moved);
    } else if (!isa<MapOp, PadOp>(reader) || shapeOf(reader->getResult(0)).size() != dims.size()) {
      return {};
    }
    value = reader->getResult(0);
  }
  return {};
}

namespace {

using Shape = SmallVector<int64_t>;

class InputScaler {
public:
  explicit InputScaler(func::FuncOp func) : func(func) {}
  std::string run(ArrayRef<int64_t> extents);

private:
  void insertResize(ArrayRef<int64_t> extents);
  std::string rewrite(Operation &op);
  std::optional<Shape> shapeAfter(Operation &op);
  std::optional<Shape> broadcast(MapOp op) const;
  std::optional<Shape> slide(ConvOp op) const;
  std::optional<Shape> slide(PoolOp op) const;
  std::optional<Shape> reduce(ReduceOp op) const;
  std::optional<Shape> slice(SliceOp op) const;
  std::optional<Shape> concat(ConcatOp op) const;
  std::optional<Shape> reshape(ReshapeOp op) const;
  std::optional<Shape> multiply(MatmulOp op) const;
  std::optional<Shape> resize(ResizeOp op) const;
  std::string verified();

  ArrayRef<int64_t> shapeBefore(Value value) const {
    auto found = before.find(value);
    return found == before.end() ? shapeOf(value) : ArrayRef(found->second);
  }
  bool differs(Value value, int64_t dim) const {
    return shapeOf(value)[dim] != shapeBefore(value)[dim];
  }

  func::FuncOp func;
  DenseMap<Value, Shape> before; ///< Of values whose extents have changed.
};

void InputScaler::insertResize(ArrayRef<int64_t> extents) {
  BlockArgument input = func.getArgument(0);
  Shape shape(shapeOf(input));
  SmallVector<double> scales(shape.size(), 1);
  for (auto [dim, extent] : llvm::zip_equal(spatialDims(func), extents)) {
    scales[dim] = double(extent) / double(shape[dim]);
    shape[dim] = extent;
  }
  OpBuilder builder = OpBuilder::atBlockBegin(&func.front());
  Location loc = input.getLoc();
  if (auto name = func.getArgAttrOfType<StringAttr>(0, "nest.name"))
    loc = NameLoc::get(name);
  // Two taps per dimension: networks like the sharper of two images better, and
  // one of half the extents still sees every pixel.
  auto resize = ResizeOp::create(
      builder, loc, tensorType(input).clone(shape), input,
      builder.getDenseF64ArrayAttr(scales), /*roi=*/DenseF64ArrayAttr(), ResizeMode::linear,
      CoordinateMode::half_pixel, NearestMode::round_prefer_floor, APFloat(-0.75), false, false,
      APFloat(0.0));
  input.replaceAllUsesExcept(resize.getResult(), resize);
  before[resize.getResult()] = Shape(shapeOf(input));
}

/// Operands of a map are aligned at their last dimensions.
std::optional<Shape> InputScaler::broadcast(MapOp op) const {
  Shape shape(shapeOf(op.getResult()).size(), 1);
  for (Value operand : op.getInputs())
    for (auto [extent, own] : llvm::zip(llvm::reverse(shape), llvm::reverse(shapeOf(operand)))) {
      if (own != 1 && extent != 1 && own != extent)
        return std::nullopt;
      extent = std::max(extent, own);
    }
  return shape;
}

/// Positions of a window that takes `taps` of `extent`; not positive: none.
int64_t positions(int64_t extent, int64_t taps, int64_t stride, bool roundUp) {
  int64_t room = extent - taps;
  return room < 0 ? 0 : (roundUp ? llvm::divideCeil(room, stride) : room / stride) + 1;
}

std::optional<Shape> InputScaler::slide(ConvOp op) const {
  Value input = op.getInput();
  Shape shape(shapeOf(op.getResult()));
  if (op.getPlanar() || differs(input, 0) || differs(input, shape.size() - 1))
    return std::nullopt;
  for (auto [i, taps] : llvm::enumerate(op.getKernel())) {
    int64_t extent = shapeOf(input)[1 + i] + op.getPadBegin()[i] + op.getPadEnd()[i];
    shape[1 + i] = positions(extent, op.getDilations()[i] * (taps - 1) + 1, op.getStrides()[i],
                             /*roundUp=*/false);
  }
  return shape;
}

/// A window over all of the input goes on being one.
std::optional<Shape> InputScaler::slide(PoolOp op) const {
  Value input = op.getInput();
  Shape shape(shapeOf(op.getResult())), kernel(op.getKernel());
  if (differs(input, 0) || differs(input, shape.size() - 1))
    return std::nullopt;
  for (size_t i = 0; i < kernel.size(); ++i) {
    int64_t pads = op.getPadBegin()[i] + op.getPadEnd()[i], stride = op.getStrides()[i];
    int64_t was = shapeBefore(input)[1 + i], is = shapeOf(input)[1 + i];
    if (kernel[i] == was && pads == 0 && op.getDilations()[i] == 1) {
      kernel[i] = is;
      continue;
    }
    int64_t taps = op.getDilations()[i] * (kernel[i] - 1) + 1;
    bool roundsUp = shape[1 + i] != positions(was + pads, taps, stride, /*roundUp=*/false);
    shape[1 + i] = positions(is + pads, taps, stride, roundsUp);
  }
  op.setKernel(kernel);
  return shape;
}

std::optional<Shape> InputScaler::reduce(ReduceOp op) const {
  Shape shape(shapeOf(op.getInput()));
  for (int64_t axis : op.getAxes()) {
    // Sums would shrink with what they are of.
    bool isOfCount = op.getKind() == ReduceKind::sum || op.getKind() == ReduceKind::prod;
    if (isOfCount && differs(op.getInput(), axis))
      return std::nullopt;
    shape[axis] = 1;
  }
  return shape;
}

/// Every so-manieth index goes on being taken; a part does not scale.
std::optional<Shape> InputScaler::slice(SliceOp op) const {
  Shape shape(shapeOf(op.getResult()));
  for (size_t dim = 0; dim < shape.size(); ++dim) {
    if (!differs(op.getInput(), dim))
      continue;
    int64_t step = op.getSteps()[dim], was = shapeBefore(op.getInput())[dim];
    if (step < 1 || op.getStarts()[dim] != 0 || shape[dim] != int64_t(llvm::divideCeil(was, step)))
      return std::nullopt;
    shape[dim] = llvm::divideCeil(shapeOf(op.getInput())[dim], step);
  }
  return shape;
}

std::optional<Shape> InputScaler::concat(ConcatOp op) const {
  Shape shape(shapeOf(op.getInputs().front()));
  for (Value input : op.getInputs().drop_front())
    shape[op.getAxis()] += shapeOf(input)[op.getAxis()];
  return shape;
}

/// Dimensions that changed must come out as they are.
std::optional<Shape> InputScaler::reshape(ReshapeOp op) const {
  Shape shape(shapeOf(op.getResult()));
  Value input = op.getInput();
  std::optional<SmallVector<ReshapeGroup>> groups = groupDims(shapeBefore(input), shape);
  if (!groups)
    return std::nullopt;
  for (const ReshapeGroup &group : *groups)
    for (int64_t dim : group.from)
      if (differs(input, dim)) {
        if (group.from.size() != 1 || group.to.size() != 1)
          return std::nullopt;
        shape[group.to.front()] = shapeOf(input)[dim];
      }
  return shape;
}

std::optional<Shape> InputScaler::multiply(MatmulOp op) const {
  Shape shape(shapeOf(op.getResult()));
  ArrayRef<int64_t> lhs = shapeOf(op.getLhs()), rhs = shapeOf(op.getRhs());
  size_t rank = shape.size();
  if (lhs.size() != rank || rhs.size() != rank || op.getTransposeLhs())
    return std::nullopt;
  for (size_t dim = 0; dim + 2 < rank; ++dim)
    shape[dim] = std::max(lhs[dim], rhs[dim]);
  shape[rank - 2] = lhs[rank - 2];
  return differs(op.getRhs(), rank - 1) || differs(op.getRhs(), rank - 2) ||
                 differs(op.getLhs(), rank - 1)
             ? std::nullopt
             : std::optional(shape);
}

/// Scales are kept where extents follow from them.
std::optional<Shape> InputScaler::resize(ResizeOp op) const {
  Shape shape(shapeOf(op.getResult()));
  for (size_t dim = 0; dim < shape.size(); ++dim) {
    if (!differs(op.getInput(), dim))
      continue;
    auto scaled = [&](int64_t extent) { return int64_t(std::floor(double(extent) * op.getScales()[dim])); };
    if (op.getRoi() || shape[dim] != scaled(shapeBefore(op.getInput())[dim]))
      return std::nullopt;
    shape[dim] = scaled(shapeOf(op.getInput())[dim]);
  }
  return shape;
}

/// Of the operation's result, now that operands have other extents. None where
/// it does not work with them.
std::optional<Shape> InputScaler::shapeAfter(Operation &op) {
  using Result = std::optional<Shape>;
  return llvm::TypeSwitch<Operation *, Result>(&op)
      .Case([&](MapOp map) { return broadcast(map); })
      .Case<ConvOp, PoolOp>([&](auto window) { return slide(window); })
      .Case([&](ReduceOp reduction) { return reduce(reduction); })
      .Case([&](SliceOp part) { return slice(part); })
      .Case([&](ConcatOp joined) { return concat(joined); })
      .Case([&](ReshapeOp reshaped) { return reshape(reshaped); })
      .Case([&](MatmulOp product) { return multiply(product); })
      .Case([&](ResizeOp resized) { return resize(resized); })
      .Case([&](PadOp pad) {
        Shape shape(shapeOf(pad.getInput()));
        for (size_t dim = 0; dim < shape.size(); ++dim)
          shape[dim] += pad.getLow()[dim] + pad.getHigh()[dim];
        return Result(shape);
      })
      .Case([&](TransposeOp transpose) {
        Shape shape;
        for (int64_t from : transpose.getPerm())
          shape.push_back(shapeOf(transpose.getInput())[from]);
        return Result(shape);
      })
      .Case<SoftmaxOp, LrnOp, CumsumOp>([&](auto) { return Result(Shape(shapeOf(op.getOperand(0)))); })
      .Case([&](NormOp norm) {
        for (int64_t dim = norm.getAxis(); dim < int64_t(shapeOf(norm.getInput()).size()); ++dim)
          if (differs(norm.getInput(), dim))
            return Result();
        return Result(Shape(shapeOf(norm.getInput())));
      })
      .Default([](Operation *) { return Result(); });
}

std::string InputScaler::rewrite(Operation &op) {
  if (llvm::none_of(op.getOperands(), [&](Value operand) { return before.contains(operand); }))
    return "";
  std::optional<Shape> shape = shapeAfter(op);
  if (!shape || llvm::any_of(*shape, [](int64_t extent) { return extent < 1; }))
    return "node '" + nodeName(&op) + "' (" + op.getName().getStringRef().str() +
           ") works with one size of the input only";
  Value result = op.getResult(0);
  if (shapeOf(result) == ArrayRef(*shape))
    return "";
  before[result] = Shape(shapeOf(result));
  result.setType(tensorType(result).clone(*shape));
  return "";
}

/// Whatever else an operation wants of its operands.
std::string InputScaler::verified() {
  std::string problem;
  ScopedDiagnosticHandler handler(func.getContext(), [&](Diagnostic &diagnostic) {
    if (problem.empty())
      problem = diagnostic.str();
    return success();
  });
  return succeeded(verify(func)) ? "" : problem;
}

std::string InputScaler::run(ArrayRef<int64_t> extents) {
  if (extents.empty() || spatialDims(func).size() != extents.size())
    return "it has no single input that windows slide over";
  insertResize(extents);
  for (Operation &op : llvm::drop_begin(func.front().without_terminator()))
    if (std::string reason = rewrite(op); !reason.empty())
      return reason;
  for (Value result : func.front().getTerminator()->getOperands())
    if (before.contains(result))
      return "the model's outputs have the extents of its input";
  return verified();
}

struct ScaleInputPass final : impl::ScaleInputPassBase<ScaleInputPass> {
  using Base::Base;
  void runOnOperation() override {
    SmallVector<int64_t> wanted(extents.begin(), extents.end());
    if (std::string reason = scaleInput(getOperation(), wanted); !reason.empty()) {
      getOperation().emitError("its input cannot be scaled: ") << reason;
      signalPassFailure();
    }
  }
};

} // namespace

std::string scaleInput(func::FuncOp func, ArrayRef<int64_t> extents) {
  return InputScaler(func).run(extents);
}

} // namespace nestor
