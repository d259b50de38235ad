//===- ChannelFlow.cpp - What operations do to indices --------------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "passes/ChannelFlow.h"

#include "compiler/reference/Evaluator.h"
#include "passes/Layout.h"

#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace nestor::nest;

namespace nestor {

bool hasSharedFilter(ConvOp conv) {
  return isConstant(conv.getFilter()) && tensorType(conv.getFilter()).getElementType().isF32() &&
         !conv.getPacked();
}

bool isDepthwise(ConvOp conv) {
  int64_t groups = conv.getGroups();
  return groups > 1 && groups == shapeOf(conv.getInput()).back() &&
         groups == shapeOf(conv.getResult()).back();
}

/// The outermost named location in `loc` that comes first.
static NameLoc firstName(LocationAttr loc) {
  if (auto name = dyn_cast<NameLoc>(loc))
    return name;
  if (auto fused = dyn_cast<FusedLoc>(loc))
    for (Location part : fused.getLocations())
      if (NameLoc name = firstName(part))
        return name;
  return nullptr;
}

std::string nodeName(Operation *op) {
  NameLoc name = firstName(op->getLoc());
  return name ? name.getName().str() : op->getName().getStringRef().str();
}

//===----------------------------------------------------------------------===//
// Axes
//===----------------------------------------------------------------------===//

void *ChannelFlow::tensorOf(OpOperand &operand) {
  auto conv = dyn_cast<ConvOp>(operand.getOwner());
  bool isFilter = conv && conv.getFilterMutable().getOperandNumber() == operand.getOperandNumber();
  return isConstant(operand.get()) && !isFilter ? static_cast<void *>(&operand)
                                                : operand.get().getAsOpaquePointer();
}

static Axis rootOf(ArrayRef<Axis> parents, Axis axis) {
  while (parents[axis] != axis)
    axis = parents[axis];
  return axis;
}

Axis ChannelFlow::axisOf(OpOperand &operand, unsigned dim) const {
  return rootOf(parents, axes.at({tensorOf(operand), dim}));
}

Axis ChannelFlow::axisOf(Value value, unsigned dim) const {
  auto known = axes.find({value.getAsOpaquePointer(), dim});
  if (known == axes.end())
    known = axes.find({&*value.use_begin(), dim});
  return rootOf(parents, known->second);
}

/// Walks a function and writes down what each operation does.
class FlowBuilder {
public:
  explicit FlowBuilder(ChannelFlow &flow) : flow(flow) {}

  void build(func::FuncOp func) {
    for (BlockArgument argument : func.getArguments())
      for (unsigned dim = 0; dim < shapeOf(argument).size(); ++dim)
        fix(axis(argument, dim), func, "the model's input");
    for (Operation &op : func.getBody().front())
      if (!isa<ConstOp>(op))
        visit(&op);
    resolveProducts();
    finish();
  }

private:
  ChannelFlow &flow;
  llvm::DenseSet<Axis> carriers; ///< Factors that are preferred as carriers.

  //===--- axes -----------------------------------------------------------===//

  Axis find(Axis axis) {
    while (flow.parents[axis] != axis)
      axis = flow.parents[axis] = flow.parents[flow.parents[axis]];
    return axis;
  }
  Axis create(int64_t extent) {
    flow.parents.push_back(flow.parents.size());
    flow.extents.push_back(extent);
    return flow.parents.back();
  }
  Axis axis(void *tensor, unsigned dim, int64_t extent) {
    auto [known, isNew] = flow.axes.try_emplace({tensor, dim}, 0);
    if (isNew)
      known->second = create(extent);
    return known->second;
  }
  Axis axis(Value value, unsigned dim) {
    return axis(value.getAsOpaquePointer(), dim, shapeOf(value)[dim]);
  }
  Axis axis(OpOperand &operand, unsigned dim) {
    return axis(ChannelFlow::tensorOf(operand), dim, shapeOf(operand.get())[dim]);
  }

  bool unite(Axis a, Axis b) {
    a = find(a);
    b = find(b);
    if (a == b)
      return false;
    flow.parents[std::max(a, b)] = std::min(a, b);
    return true;
  }
  void fix(Axis axis, Operation *op, const Twine &reason) {
    flow.fixedList.push_back({axis, op, reason.str()});
  }
  void fixAll(OpOperand &operand, const Twine &reason) {
    for (unsigned dim = 0; dim < shapeOf(operand.get()).size(); ++dim)
      fix(axis(operand, dim), operand.getOwner(), reason);
  }
  void fixAll(Value result, const Twine &reason) {
    for (unsigned dim = 0; dim < shapeOf(result).size(); ++dim)
      fix(axis(result, dim), result.getDefiningOp(), reason);
  }
  void fixAll(Operation *op, const Twine &reason) {
    for (OpOperand &operand : op->getOpOperands())
      fixAll(operand, reason);
    for (Value result : op->getResults())
      fixAll(result, reason);
  }

  void multiply(Operation *op, Axis whole, ArrayRef<Axis> factors) {
    SmallVector<Axis> proper;
    llvm::copy_if(factors, std::back_inserter(proper),
                  [&](Axis factor) { return flow.extents[factor] != 1; });
    if (proper.size() == 1)
      unite(whole, proper.front());
    else if (!proper.empty())
      flow.productList.push_back({op, whole, std::move(proper), 0});
  }
  AxisSelection &select(Operation *op, unsigned dim) {
    Axis result = axis(op->getResult(0), dim);
    flow.selectionList.push_back({op, dim, result, {}});
    flow.selectionList.back().sources.assign(flow.extents[result], {-1, 0, 0});
    return flow.selectionList.back();
  }

  //===--- operations -----------------------------------------------------===//

  void visit(Operation *op);
  void visitConv(ConvOp op);
  void visitMap(MapOp op);
  void visitMatmul(MatmulOp op);
  void visitReshape(ReshapeOp op);
  void visitSlice(SliceOp op);
  void visitPad(PadOp op);
  void visitConcat(ConcatOp op);
  void visitGather(GatherOp op);
  void visitResize(ResizeOp op);

  /// Operations whose operands and result lie on the same axes, but that need
  /// the dimensions that `needs` names whole.
  template <typename Needs> void visitAligned(Operation *op, Needs needs, const Twine &reason) {
    Value result = op->getResult(0);
    for (unsigned dim = 0; dim < shapeOf(result).size(); ++dim) {
      if (needs(int64_t(dim))) {
        fix(axis(op->getOpOperand(0), dim), op, reason);
        fix(axis(result, dim), op, reason);
      } else {
        unite(axis(op->getOpOperand(0), dim), axis(result, dim));
      }
    }
  }
  /// `operand` broadcasts to `result`.
  void alignBroadcast(OpOperand &operand, Value result) {
    int64_t lead = shapeOf(result).size() - shapeOf(operand.get()).size();
    for (auto [dim, extent] : llvm::enumerate(shapeOf(operand.get()))) {
      if (extent == shapeOf(result)[lead + dim])
        unite(axis(operand, dim), axis(result, lead + dim));
      else
        fix(axis(operand, dim), operand.getOwner(), "repeats it");
    }
  }

  void resolveProducts();
  void chooseCarrier(AxisProduct &product);
  void finish();
};

ChannelFlow::ChannelFlow(func::FuncOp func) { FlowBuilder(*this).build(func); }

//===----------------------------------------------------------------------===//
// Operations
//===----------------------------------------------------------------------===//

void FlowBuilder::visit(Operation *op) {
  SmallVector<Axis> all;
  for (OpOperand &operand : op->getOpOperands())
    for (unsigned dim = 0; dim < shapeOf(operand.get()).size(); ++dim)
      all.push_back(axis(operand, dim));
  for (Value result : op->getResults())
    for (unsigned dim = 0; dim < shapeOf(result).size(); ++dim)
      all.push_back(axis(result, dim));
  if (!isa<SliceOp, PadOp, ConcatOp, GatherOp, ReshapeOp, TransposeOp>(op))
    flow.computedAxes.insert(all.begin(), all.end());
  TypeSwitch<Operation *>(op)
      .Case([&](ConvOp conv) { visitConv(conv); })
      .Case([&](MapOp map) { visitMap(map); })
      .Case([&](MatmulOp matmul) { visitMatmul(matmul); })
      .Case([&](ReshapeOp reshape) { visitReshape(reshape); })
      .Case([&](SliceOp slice) { visitSlice(slice); })
      .Case([&](PadOp pad) { visitPad(pad); })
      .Case([&](ConcatOp concat) { visitConcat(concat); })
      .Case([&](GatherOp gather) { visitGather(gather); })
      .Case([&](ResizeOp resize) { visitResize(resize); })
      .Case([&](TransposeOp transpose) {
        for (auto [to, from] : llvm::enumerate(transpose.getPerm()))
          unite(axis(op->getOpOperand(0), from), axis(transpose.getResult(), to));
      })
      .Case([&](PoolOp pool) {
        int64_t last = shapeOf(pool.getResult()).size() - 1;
        visitAligned(op, [&](int64_t dim) { return dim != 0 && dim != last; }, "pools over them");
      })
      .Case([&](ReduceOp reduce) {
        visitAligned(
            op, [&](int64_t dim) { return llvm::is_contained(reduce.getAxes(), dim); },
            "reduces over them");
      })
      .Case([&](SoftmaxOp softmax) {
        visitAligned(
            op, [&](int64_t dim) { return dim == int64_t(softmax.getAxis()); },
            "takes its softmax over them");
      })
      .Case([&](NormOp norm) {
        visitAligned(
            op, [&](int64_t dim) { return dim >= int64_t(norm.getAxis()); },
            "normalises over them");
        for (OpOperand &operand : op->getOpOperands().drop_front())
          alignBroadcast(operand, norm.getResult());
      })
      .Case([&](LrnOp lrn) {
        int64_t last = shapeOf(lrn.getResult()).size() - 1;
        visitAligned(
            op, [&](int64_t dim) { return dim == last; }, "normalises each by its neighbours");
      })
      .Case([&](CumsumOp cumsum) {
        visitAligned(
            op, [&](int64_t dim) { return dim == int64_t(cumsum.getAxis()); },
            "adds them up one after the other");
      })
      .Case([&](ArgReduceOp reduce) {
        visitAligned(
            op, [&](int64_t dim) { return dim == int64_t(reduce.getAxis()); },
            "yields their numbers");
      })
      .Case<LstmOp, GruOp, RnnOp>(
          [&](auto) { fixAll(op, "is recurrent: its kernels read whole weights"); })
      .Case([&](func::ReturnOp) { fixAll(op, "the model's output"); })
      .Default([&](Operation *) { fixAll(op, "needs all of its input"); });
}

void FlowBuilder::visitConv(ConvOp op) {
  OpOperand &input = op.getInputMutable(), &filter = op.getFilterMutable();
  unsigned last = shapeOf(op.getResult()).size() - 1;
  Axis inputs = axis(input, last), outputs = axis(op.getResult(), last);
  unite(axis(input, 0), axis(op.getResult(), 0));
  for (unsigned dim = 1; dim < last; ++dim) {
    // A product of matrices: pixels are rows.
    if (op.getKernel()[dim - 1] == 1 && op.getStrides()[dim - 1] == 1 &&
        op.getPadBegin()[dim - 1] == 0 && op.getPadEnd()[dim - 1] == 0) {
      unite(axis(input, dim), axis(op.getResult(), dim));
      continue;
    }
    for (Axis window : {axis(input, dim), axis(op.getResult(), dim), axis(filter, dim - 1)})
      fix(window, op, "slides its window over them");
  }
  unite(outputs, axis(filter, last));
  for (MutableOperandRange vector : {op.getScaleMutable(), op.getBiasMutable()})
    for (OpOperand &operand : vector)
      unite(outputs, axis(operand, 0));
  if (!tensorType(op.getFilter()).getElementType().isF32())
    fix(inputs, op, "is quantised"), fix(outputs, op, "is quantised");
  else if (hasSharedFilter(op))
    flow.producedAxes.insert(outputs);

  int64_t groups = op.getGroups();
  if (groups == 1) {
    unite(inputs, axis(filter, last - 1));
  } else {
    // Groups go as a whole: what is left are the first panels of the filter.
    Axis group = create(groups);
    carriers.insert(group);
    multiply(op, inputs, {group, axis(filter, last - 1)});
    multiply(op, outputs, {group, create(flow.extents[outputs] / groups)});
  }
}

void FlowBuilder::visitMap(MapOp op) {
  for (OpOperand &input : op->getOpOperands())
    alignBroadcast(input, op.getResult());
}

void FlowBuilder::visitMatmul(MatmulOp op) {
  unsigned rank = shapeOf(op.getResult()).size();
  OpOperand &lhs = op.getLhsMutable(), &rhs = op.getRhsMutable();
  unite(axis(lhs, rank - (op.getTransposeLhs() ? 1 : 2)), axis(op.getResult(), rank - 2));
  unite(axis(rhs, rank - (op.getTransposeRhs() ? 2 : 1)), axis(op.getResult(), rank - 1));
  unite(axis(lhs, rank - (op.getTransposeLhs() ? 2 : 1)),
        axis(rhs, rank - (op.getTransposeRhs() ? 1 : 2)));
  for (unsigned dim = 0; dim + 2 < rank; ++dim) {
    Axis batch = axis(op.getResult(), dim);
    carriers.insert(batch); // Attention leaves out whole heads.
    for (OpOperand *operand : {&lhs, &rhs}) {
      if (shapeOf(operand->get())[dim] == shapeOf(op.getResult())[dim])
        unite(axis(*operand, dim), batch);
      else
        fix(axis(*operand, dim), op, "repeats it");
    }
  }
  for (OpOperand *operand : {&lhs, &rhs})
    if (isConstant(operand->get()))
      fixAll(*operand, "reads a constant matrix whole");
}

void FlowBuilder::visitSlice(SliceOp op) {
  ArrayRef<int64_t> from = shapeOf(op.getInput()), to = shapeOf(op.getResult());
  for (unsigned dim = 0; dim < from.size(); ++dim) {
    int64_t start = op.getStarts()[dim], step = op.getSteps()[dim];
    Axis input = axis(op.getInputMutable(), dim);
    if (from[dim] == to[dim] && start == 0 && step == 1) {
      unite(input, axis(op.getResult(), dim));
      continue;
    }
    AxisSelection &selection = select(op, dim);
    for (int64_t i = 0; i < to[dim]; ++i)
      selection.sources[i] = {0, input, start + i * step};
  }
}

/// Whether what lies outside is zero.
static bool padsWithZeros(PadOp op) {
  if (op.getMode() != PadMode::constant)
    return false;
  if (!op.getValue())
    return true;
  auto constant = op.getValue().getDefiningOp<ConstOp>();
  auto value = constant ? dyn_cast<DenseFPElementsAttr>(constant.getValue()) : nullptr;
  return value && value.isSplat() && value.getSplatValue<APFloat>().isZero();
}

void FlowBuilder::visitPad(PadOp op) {
  bool zeros = padsWithZeros(op);
  for (auto [dim, extent] : llvm::enumerate(shapeOf(op.getInput()))) {
    int64_t low = op.getLow()[dim];
    Axis input = axis(op.getInputMutable(), dim);
    if (low == 0 && op.getHigh()[dim] == 0) {
      unite(input, axis(op.getResult(), dim));
    } else if (!zeros) {
      fix(input, op, "extends them by other than zeros");
      fix(axis(op.getResult(), dim), op, "extends them by other than zeros");
    } else {
      AxisSelection &selection = select(op, dim);
      for (int64_t i = std::max<int64_t>(0, -low); i < extent; ++i)
        if (size_t(low + i) < selection.sources.size())
          selection.sources[low + i] = {0, input, i};
    }
  }
}

void FlowBuilder::visitConcat(ConcatOp op) {
  unsigned along = op.getAxis();
  for (OpOperand &operand : op->getOpOperands())
    for (unsigned dim = 0; dim < shapeOf(op.getResult()).size(); ++dim)
      if (dim != along)
        unite(axis(operand, dim), axis(op.getResult(), dim));
  AxisSelection &selection = select(op, along);
  auto source = selection.sources.begin();
  for (OpOperand &operand : op->getOpOperands())
    for (int64_t i = 0; i < shapeOf(operand.get())[along]; ++i)
      *source++ = {int(operand.getOperandNumber()), axis(operand, along), i};
}

void FlowBuilder::visitGather(GatherOp op) {
  int64_t along = op.getAxis(), extent = shapeOf(op.getInput())[along];
  int64_t rank = shapeOf(op.getIndices()).size();
  OpOperand &input = op.getInputMutable();
  for (int64_t dim = 0; dim < int64_t(shapeOf(op.getInput()).size()); ++dim)
    if (dim != along)
      unite(axis(input, dim), axis(op.getResult(), dim < along ? dim : dim + rank - 1));
  auto constant = op.getIndices().getDefiningOp<ConstOp>();
  if (!constant || rank != 1) {
    fix(axis(input, along), op, "picks any of them");
    for (int64_t dim = along; dim < along + rank; ++dim)
      fix(axis(op.getResult(), dim), op, "picks them by number");
    return;
  }
  auto indices = reference::TensorValue::fromAttr(constant.getValue());
  AxisSelection &selection = select(op, along);
  for (auto [i, source] : llvm::enumerate(selection.sources)) {
    int64_t index = indices.getInt(i);
    source = {0, axis(input, along),
              std::clamp<int64_t>(index < 0 ? index + extent : index, 0, extent - 1)};
  }
}

void FlowBuilder::visitResize(ResizeOp op) {
  visitAligned(
      op,
      [&](int64_t dim) {
        return op.getRoi() || op.getScales()[dim] != 1.0 ||
               shapeOf(op.getInput())[dim] != shapeOf(op.getResult())[dim];
      },
      "resizes along them");
}

/// The factors of which each of `extents` and each of `others` is a product,
/// both of the same total; none if there are no such factors.
static std::optional<SmallVector<int64_t>> commonFactors(ArrayRef<int64_t> extents,
                                                         ArrayRef<int64_t> others) {
  SmallVector<int64_t> bounds, factors;
  for (ArrayRef<int64_t> shape : {extents, others}) {
    int64_t bound = 1;
    for (int64_t extent : shape)
      bounds.push_back(bound *= extent);
  }
  llvm::sort(bounds);
  bounds.erase(llvm::unique(bounds), bounds.end());
  int64_t last = 1;
  for (int64_t bound : bounds) {
    if (bound % last)
      return std::nullopt;
    factors.push_back(bound / last);
    last = bound;
  }
  return factors;
}

void FlowBuilder::visitReshape(ReshapeOp op) {
  ArrayRef<int64_t> from = shapeOf(op.getInput()), to = shapeOf(op.getResult());
  auto groups = groupDims(from, to);
  if (!groups)
    return fixAll(op.getOperation(), "has no elements");
  for (const ReshapeGroup &group : *groups) {
    SmallVector<std::pair<Axis, int64_t>> inputs, results;
    SmallVector<int64_t> fromExtents, toExtents;
    for (int64_t dim : group.from) {
      inputs.push_back({axis(op.getInputMutable(), dim), from[dim]});
      fromExtents.push_back(from[dim]);
    }
    for (int64_t dim : group.to) {
      results.push_back({axis(op.getResult(), dim), to[dim]});
      toExtents.push_back(to[dim]);
    }
    auto extents = commonFactors(fromExtents, toExtents);
    SmallVector<Axis> factors;
    for (int64_t extent : extents.value_or(SmallVector<int64_t>()))
      factors.push_back(create(extent));
    for (auto &side : {inputs, results}) {
      ArrayRef<Axis> left = factors;
      for (auto [whole, extent] : side) {
        if (!extents) {
          fix(whole, op, "reshapes them");
          continue;
        }
        size_t count = 0;
        for (int64_t product = 1; product < extent; ++count)
          product *= flow.extents[left[count]];
        multiply(op, whole, left.take_front(count));
        left = left.drop_front(count);
      }
    }
  }
}

//===----------------------------------------------------------------------===//
// Products
//===----------------------------------------------------------------------===//

/// Two products of one axis have the same factors, or the axis stays as it is.
void FlowBuilder::resolveProducts() {
  for (bool changed = true; changed;) {
    changed = false;
    llvm::DenseMap<Axis, AxisProduct *> first;
    for (AxisProduct &product : flow.productList) {
      auto [known, isNew] = first.try_emplace(find(product.whole), &product);
      auto extent = [&](Axis axis) { return flow.extents[axis]; };
      if (isNew || !llvm::equal(llvm::map_range(known->second->factors, extent),
                                llvm::map_range(product.factors, extent)))
        continue;
      for (auto [a, b] : llvm::zip(known->second->factors, product.factors))
        changed |= unite(a, b);
    }
  }
}

void FlowBuilder::chooseCarrier(AxisProduct &product) {
  product.carrier = product.factors.size();
  for (auto [index, factor] : llvm::enumerate(product.factors))
    if (carriers.contains(factor)) {
      product.carrier = index;
      break;
    }
  if (product.carrier == product.factors.size())
    product.carrier = product.factors.size() - 1;
  for (auto [index, factor] : llvm::enumerate(product.factors))
    if (index != product.carrier)
      fix(factor, product.op, "cuts them into pieces");
}

/// From now on, axes are named by their roots.
void FlowBuilder::finish() {
  auto rootSet = [&](const llvm::DenseSet<Axis> &set) {
    llvm::DenseSet<Axis> roots;
    for (Axis axis : set)
      roots.insert(find(axis));
    return roots;
  };
  carriers = rootSet(carriers);
  flow.producedAxes = rootSet(flow.producedAxes);
  flow.computedAxes = rootSet(flow.computedAxes);
  for (AxisSelection &selection : flow.selectionList) {
    selection.result = find(selection.result);
    for (AxisSelection::Source &source : selection.sources)
      source.axis = find(source.axis);
  }
  llvm::DenseMap<Axis, AxisProduct *> first;
  for (AxisProduct &product : flow.productList) {
    product.whole = find(product.whole);
    for (Axis &factor : product.factors)
      factor = find(factor);
    chooseCarrier(product);
    auto [known, isNew] = first.try_emplace(product.whole, &product);
    if (!isNew && known->second->factors != product.factors)
      for (AxisProduct *other : {known->second, &product}) {
        fix(product.whole, other->op, "cuts them otherwise than another node");
        for (Axis factor : other->factors)
          fix(factor, other->op, "cuts them otherwise than another node");
      }
    if (product.carrier != 0 && flow.producedAxes.contains(product.whole))
      fix(product.whole, product.op, "spreads them over several places");
  }
  for (FixedAxis &fixed : flow.fixedList)
    flow.fixedAxes.insert(fixed.axis = find(fixed.axis));
  for (Axis axis = 0; axis < flow.parents.size(); ++axis)
    if (flow.extents[flow.parents[axis] = find(axis)] == 1)
      flow.fixedAxes.insert(find(axis));
}

} // namespace nestor
