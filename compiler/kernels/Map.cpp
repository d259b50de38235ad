//===- Map.cpp - Element-wise kernels -------------------------------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
//
// Dimensions of extent 1 are dropped and neighbours that every operand either
// has or broadcasts are merged, until a map is a short nest of loops over
// dimensions of which each operand has some and repeats along the others. Most
// maps become one loop over a flat range; a bias per channel becomes two.
//
// The extents are parameters: a kernel's identity is the body, the element
// types and which operand has which dimension, so that activations of every
// shape and capacity share one kernel.
//
//===----------------------------------------------------------------------===//

#include "compiler/kernels/Families.h"
#include "compiler/kernels/KernelBuilder.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "llvm/Support/raw_ostream.h"

using namespace mlir;
using namespace nestor;
using namespace nestor::kernels;

namespace {

/// The collapsed iteration space, outermost dimension first.
struct Space {
  SmallVector<int64_t> extents;
  /// has[operand][dimension]; an operand repeats along what it does not have.
  SmallVector<SmallVector<bool>> has;
};

Space collapse(nest::MapOp op) {
  ArrayRef<int64_t> shape = op.getType().getShape();
  Space space;
  space.has.resize(op.getInputs().size());
  for (auto [dim, extent] : llvm::enumerate(shape)) {
    if (extent == 1)
      continue;
    SmallVector<bool> column;
    for (Value input : op.getInputs()) {
      ArrayRef<int64_t> in = cast<RankedTensorType>(input.getType()).getShape();
      size_t missing = shape.size() - in.size();
      column.push_back(dim >= missing && in[dim - missing] == extent);
    }
    bool merges = !space.extents.empty();
    for (auto [operand, present] : llvm::enumerate(column))
      merges = merges && space.has[operand].back() == present;
    if (merges) {
      space.extents.back() *= extent;
      continue;
    }
    space.extents.push_back(extent);
    for (auto [operand, present] : llvm::enumerate(column))
      space.has[operand].push_back(present);
  }
  if (space.extents.empty()) { // One element.
    space.extents.push_back(1);
    for (auto &row : space.has)
      row.push_back(true);
  }
  return space;
}

/// Bytes of a tensor that has the dimensions `has`, as a polynomial over the
/// extents.
Polynomial bytesOf(Type element, ArrayRef<bool> has) {
  Term term{storageBytes(element), {}};
  for (auto [dim, present] : llvm::enumerate(has))
    if (present)
      term.factors.push_back(dim);
  return {term};
}

/// Lanes at which every value of the body fits a register.
int64_t lanesOf(KernelBuilder &b, nest::MapOp op) {
  int64_t lanes = b.lanesFor(op.getType().getElementType());
  for (Value input : op.getInputs())
    lanes = std::min(lanes, b.lanesFor(cast<RankedTensorType>(input.getType()).getElementType()));
  for (Operation &inner : op.getBody().front())
    for (Type type : inner.getResultTypes())
      lanes = std::min(lanes, b.lanesFor(type));
  return lanes;
}

/// Emits the loops of one map.
class MapEmitter {
public:
  MapEmitter(KernelBuilder &b, nest::MapOp op, const Space &space)
      : b(b), op(op), space(space), lanes(lanesOf(b, op)) {
    for (size_t i = 0; i <= op.getInputs().size(); ++i)
      pointers.push_back(b.arg(i));
    for (size_t dim = 0; dim < space.extents.size(); ++dim)
      extents.push_back(b.param(dim));
    for (const SmallVector<bool> &has : space.has)
      strides.push_back(stridesOf(has));
  }

  void emit() {
    size_t rank = extents.size();
    if (rank == 1)
      return emitRun(b.begin(), b.end(), SmallVector<Value>(pointers.size() - 1, b.i64(0)),
                     b.i64(0));
    // A grain is one run along the innermost dimension.
    b.loop(b.begin(), b.end(), 1, [&](Value row) {
      SmallVector<Value> at = coordinatesOf(row);
      SmallVector<Value> offsets;
      for (const SmallVector<Value> &stride : strides) {
        Value offset = b.i64(0);
        for (size_t dim = 0; dim + 1 < rank; ++dim)
          offset = b.add(offset, b.mul(at[dim], stride[dim]));
        offsets.push_back(offset);
      }
      emitRun(b.i64(0), extents.back(), offsets, b.mul(row, extents.back()));
    });
  }

private:
  /// Elements from one index to the next along each dimension; 0 where the
  /// operand repeats.
  SmallVector<Value> stridesOf(ArrayRef<bool> has) {
    SmallVector<Value> result(has.size());
    Value step = b.i64(1);
    for (size_t dim = has.size(); dim-- > 0;) {
      result[dim] = has[dim] ? step : b.i64(0);
      if (has[dim])
        step = b.mul(step, extents[dim]);
    }
    return result;
  }

  /// Coordinates of a run in all dimensions but the innermost.
  SmallVector<Value> coordinatesOf(Value row) {
    size_t outer = extents.size() - 1;
    SmallVector<Value> at(outer);
    for (size_t dim = outer; dim-- > 0;) {
      at[dim] = dim == 0 ? row : b.rem(row, extents[dim]);
      if (dim != 0)
        row = b.div(row, extents[dim]);
    }
    return at;
  }

  /// Elements [lower, upper) of a run that begins at the given offsets.
  void emitRun(Value lower, Value upper, ArrayRef<Value> offsets, Value target) {
    SmallVector<Value> repeated(offsets.size());
    for (size_t i = 0; i < offsets.size(); ++i)
      if (!space.has[i].back())
        repeated[i] = b.load(elementOf(i), pointers[i], offsets[i]);
    b.vectorLoop(lower, upper, lanes, [&](Value index, Lanes part) {
      SmallVector<Value> arguments;
      for (size_t i = 0; i < offsets.size(); ++i)
        arguments.push_back(
            repeated[i] ? b.broadcast(repeated[i], part.count)
                        : b.load(elementOf(i), pointers[i], b.add(offsets[i], index), part));
      Value result = b.inlineScalarRegion(op.getBody(), arguments, part.count);
      // A body without arguments yields one constant for all lanes.
      if (part.count > 1 && !isa<VectorType>(result.getType()))
        result = b.broadcast(result, part.count);
      b.store(result, pointers.back(), b.add(target, index), part);
    });
  }

  Type elementOf(size_t input) {
    return cast<RankedTensorType>(op.getInputs()[input].getType()).getElementType();
  }

  KernelBuilder &b;
  nest::MapOp op;
  const Space &space;
  int64_t lanes;
  SmallVector<Value> pointers, extents;
  SmallVector<SmallVector<Value>> strides;
};

/// `map mulf+maxf 2d f32[01],f32[1] -> f32`: operations, then each operand's
/// type and dimensions.
std::string signatureOf(nest::MapOp op, const Space &space) {
  std::string text;
  llvm::raw_string_ostream os(text);
  os << "map ";
  SmallVector<StringRef> names;
  for (Operation &inner : op.getBody().front().without_terminator())
    if (!isa<arith::ConstantOp>(inner))
      names.push_back(inner.getName().stripDialect());
  os << (names.empty() ? std::string("copy") : llvm::join(names, "+"));
  for (auto [input, has] : llvm::zip(op.getInputs(), space.has)) {
    os << ' ' << cast<RankedTensorType>(input.getType()).getElementType() << '[';
    for (auto [dim, present] : llvm::enumerate(has))
      os << (present ? static_cast<char>('0' + dim) : '-');
    os << ']';
  }
  os << " -> " << op.getType().getElementType();
  return text;
}

} // namespace

FailureOr<Calls> nestor::kernels::describeMap(nest::MapOp op) {
  Space space = collapse(op);
  size_t rank = space.extents.size();
  KernelCall call;
  KernelSpec &spec = call.spec;
  spec.signature = signatureOf(op, space);
  spec.name = kernelName("map", spec.signature + " rank " + std::to_string(rank) +
                                    fingerprint(op.getBody()));
  for (auto [index, input] : llvm::enumerate(op.getInputs())) {
    Type element = cast<RankedTensorType>(input.getType()).getElementType();
    spec.args.push_back({bytesOf(element, space.has[index])});
    call.args.push_back({CallArg::Operand, unsigned(index)});
  }
  SmallVector<bool> all(rank, true);
  spec.args.push_back({bytesOf(op.getType().getElementType(), all), /*written=*/true});
  call.args.push_back({CallArg::Result, 0});
  spec.params.assign(rank, {0, int64_t(1) << 40});
  call.params.assign(space.extents.begin(), space.extents.end());
  Term grains{1, {}};
  for (size_t dim = 0; dim < std::max<size_t>(rank - 1, 1); ++dim)
    grains.factors.push_back(dim);
  spec.grains = {grains};
  spec.emit = [op, space](func::FuncOp func, const TargetInfo &target) {
    KernelBuilder builder(func, target);
    MapEmitter(builder, op, space).emit();
    return success();
  };
  return Calls{call};
}

bool nestor::kernels::mapRunsInPlace(nest::MapOp op, unsigned index) {
  auto input = cast<RankedTensorType>(op.getInputs()[index].getType());
  return input.getShape() == op.getType().getShape() &&
         storageBytes(input.getElementType()) == storageBytes(op.getType().getElementType());
}
