//===- PlainConv.cpp - Convolutions of every type, as plain loops ---------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
//
// Doubles, integers and transposed convolutions that no pass has rewritten:
// vectors of output channels, one pixel at a time, the filter in its original
// layout.
//
//===----------------------------------------------------------------------===//

#include "compiler/kernels/PlainConv.h"
#include "compiler/kernels/ConvSpec.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

#include "llvm/Support/raw_ostream.h"

using namespace mlir;
using namespace nestor;
using namespace nestor::kernels;

static constexpr int64_t maxExtent = int64_t(1) << 31;

static Type elementType(Value value) { return cast<RankedTensorType>(value.getType()).getElementType(); }

Value nestor::kernels::widen(KernelBuilder &b, Value value, Type from, Type to) {
  Type target = registerType(to);
  if (auto vector = dyn_cast<VectorType>(value.getType()))
    target = VectorType::get(vector.getShape(), target);
  if (value.getType() == target)
    return value;
  if (isa<FloatType>(from))
    return arith::ExtFOp::create(b, target, value);
  if (from.isUnsignedInteger())
    return arith::ExtUIOp::create(b, target, value);
  return arith::ExtSIOp::create(b, target, value);
}

Value nestor::kernels::multiplyAdd(KernelBuilder &b, Value x, Value y, Value sum) {
  if (isa<FloatType>(getElementTypeOrSelf(sum.getType())))
    return b.fma(x, y, sum);
  return arith::AddIOp::create(b, arith::MulIOp::create(b, x, y), sum);
}

namespace {

struct PlainSpec {
  ConvGeometry geometry;
  EpilogueSpec epilogue;
  Type input, filter, result;
  bool transposed = false;

  std::string identity() const {
    std::string text;
    llvm::raw_string_ostream os(text);
    os << geometry.identity() << ';' << input << filter << result << transposed << epilogue.identity();
    return text;
  }
};

class PlainConv {
public:
  PlainConv(func::FuncOp func, const TargetInfo &target, const PlainSpec &spec)
      : b(func, target), spec(spec), g(spec.geometry), inputs(b.param(0)), outputs(b.param(1)), groups(b.param(2)),
        epilogue(b, this->spec.epilogue, spec.result, 2) {}

  void emit() {
    b.loop(b.begin(), b.end(), 1, [&](Value row) {
      Value image = b.div(row, g.outRows()), inImage = b.rem(row, g.outRows());
      std::array<Value, 3> position = {b.div(inImage, g.out[1]), b.rem(inImage, g.out[1]), nullptr};
      b.loop(b.i64(0), b.i64(g.out[2]), 1, [&](Value column) {
        position[2] = column;
        Value pixel = b.add(b.mul(row, g.out[2]), column);
        b.loop(b.i64(0), groups, 1, [&](Value group) {
          b.vectorLoop(b.i64(0), outputs, b.lanesFor(spec.result),
                       [&](Value output, Lanes lanes) { emitVector(image, position, pixel, group, output, lanes); });
        });
      });
    });
  }

private:
  void emitVector(Value image, const std::array<Value, 3> &position, Value pixel, Value group, Value output, Lanes lanes);
  SmallVector<Value> emitTaps(int dim, const std::array<Value, 3> &position, Value inputPixel, Value tap,
                              ValueRange sums, llvm::function_ref<Value(Value, Value, Value)> channels);
  SmallVector<Value> emitTransposedTaps(int dim, const std::array<Value, 3> &position, Value inputPixel, Value tap,
                                        Value exists, ValueRange sums,
                                        llvm::function_ref<Value(Value, Value, Value, Value)> channels);

  KernelBuilder b;
  PlainSpec spec;
  const ConvGeometry &g = spec.geometry;
  Value inputs, outputs, groups;
  DirectEpilogue epilogue;
};

/// All taps from dimension `dim` on that lie inside the input.
SmallVector<Value> PlainConv::emitTaps(int dim, const std::array<Value, 3> &position, Value inputPixel, Value tap,
                                       ValueRange sums, llvm::function_ref<Value(Value, Value, Value)> channels) {
  if (dim == 3)
    return {channels(inputPixel, tap, sums[0])};
  return forEachTap(b, g, dim, position[dim], sums, [&](Value k, Value x, ValueRange carried) {
    return emitTaps(dim + 1, position, b.add(b.mul(inputPixel, g.in[dim]), x), b.add(b.mul(tap, g.kernel[dim]), k),
                    carried, channels);
  });
}

/// The same for a transposed convolution: output e sees input d through tap k
/// where e + pad = d * stride + k * dilation.
SmallVector<Value> PlainConv::emitTransposedTaps(int dim, const std::array<Value, 3> &position, Value inputPixel,
                                                 Value tap, Value exists, ValueRange sums,
                                                 llvm::function_ref<Value(Value, Value, Value, Value)> channels) {
  if (dim == 3)
    return {channels(inputPixel, tap, exists, sums[0])};
  Value padded = b.add(position[dim], g.pad[dim]);
  return b.loop(b.i64(0), b.i64(g.kernel[dim]), 1, sums, [&](Value k, ValueRange carried) {
    Value distance = b.sub(padded, b.mul(k, g.dilation[dim]));
    Value forward = b.max(distance, b.i64(0)), x = b.div(forward, g.stride[dim]);
    Value meets = b.equal(b.mul(x, g.stride[dim]), distance);
    Value here = arith::AndIOp::create(b, meets, b.less(x, b.i64(g.in[dim])));
    return emitTransposedTaps(dim + 1, position, b.add(b.mul(inputPixel, g.in[dim]), x),
                              b.add(b.mul(tap, g.kernel[dim]), k),
                              arith::AndIOp::create(b, exists, here), carried, channels);
  });
}

void PlainConv::emitVector(Value image, const std::array<Value, 3> &position, Value pixel, Value group, Value output,
                           Lanes lanes) {
  Type sumType = registerType(spec.result);
  Value groupInput = b.mul(group, inputs), allInputs = b.mul(inputs, groups), allOutputs = b.mul(outputs, groups);
  Value input = b.arg(0), filter = b.arg(1), channel = b.add(b.mul(group, outputs), output);
  // Filter [tap][input][output]: the transposed one has all inputs and one
  // group's outputs, the other the other way round.
  Value firstInput = spec.transposed ? groupInput : b.i64(0), tapInputs = spec.transposed ? allInputs : inputs;
  Value width = spec.transposed ? outputs : allOutputs, column = spec.transposed ? output : channel;
  auto overChannels = [&](Value inputPixel, Value tap, Value count, Value sum) -> Value {
    Value from = b.add(b.mul(inputPixel, allInputs), groupInput), row = b.add(b.mul(tap, tapInputs), firstInput);
    return b.loop(b.i64(0), count, 1, sum, [&](Value i, ValueRange carried) {
      Value x = widen(b, b.load(spec.input, input, b.add(from, i)), spec.input, spec.result);
      Value w = b.load(spec.filter, filter, b.add(b.mul(b.add(row, i), width), column), lanes);
      Value product = multiplyAdd(b, b.broadcast(x, lanes.count), widen(b, w, spec.filter, spec.result), carried[0]);
      return SmallVector<Value>{product};
    })[0];
  };
  SmallVector<Value> sum{b.constant(withLanes(sumType, lanes.count), 0)};
  if (spec.transposed)
    sum = emitTransposedTaps(0, position, image, b.i64(0), b.equal(b.i64(0), b.i64(0)), sum,
                             [&](Value inputPixel, Value tap, Value exists, Value carried) {
                               return overChannels(inputPixel, tap, b.select(exists, inputs, b.i64(0)), carried);
                             });
  else
    sum = emitTaps(0, position, image, b.i64(0), sum, [&](Value inputPixel, Value tap, Value carried) {
      return overChannels(inputPixel, tap, inputs, carried);
    });
  epilogue.finish(sum[0], channel, b.add(b.mul(pixel, allOutputs), channel), lanes);
}

} // namespace

/// Parameters: inputs per group, outputs per group, groups.
static KernelCall describe(const PlainSpec &spec, ArrayRef<int64_t> params, unsigned firstEpilogueOperand) {
  const ConvGeometry &g = spec.geometry;
  KernelCall call;
  int64_t inBytes = storageBytes(spec.input), filterBytes = storageBytes(spec.filter), outBytes = storageBytes(spec.result);
  Polynomial filter = {{filterBytes * g.taps(), {0, 1, 2}}};
  call.spec.args = {{{{inBytes * g.inPixels(), {0, 2}}}, /*written=*/false, uint32_t(inBytes)},
                    {filter, /*written=*/false, uint32_t(filterBytes)}};
  call.args = {{CallArg::Operand, 0}, {CallArg::Operand, 1}};
  addEpilogueArgs(call, spec.epilogue, {{outBytes, {1, 2}}}, {{outBytes * g.outPixels(), {1, 2}}}, outBytes,
                  firstEpilogueOperand);
  call.params.assign(params.begin(), params.end());
  call.spec.params.assign(3, {1, maxExtent});
  call.spec.grains = {{g.batch * g.outRows(), {}}};
  call.spec.name = kernelName(spec.transposed ? "conv_transpose" : "plain_conv", spec.identity());
  call.spec.signature = (spec.transposed ? "conv_transpose " : "conv ") + g.describe() + epilogueSuffix(spec.epilogue);
  call.macs = uint64_t(spec.transposed ? g.inPixels() : g.outPixels()) * g.taps() * params[0] * params[1] * params[2];
  call.spec.emit = [spec](func::FuncOp func, const TargetInfo &target) {
    PlainConv(func, target, spec).emit();
    return success();
  };
  return call;
}

FailureOr<Calls> nestor::kernels::describePlainConv(nest::ConvOp op, const EpilogueSpec &epilogue) {
  if (op.getPacked())
    return op.emitError("only f32 filters are packed");
  PlainSpec spec{ConvGeometry::get(op), epilogue, elementType(op.getInput()), elementType(op.getFilter()),
                 op.getType().getElementType()};
  int64_t groups = op.getGroups();
  int64_t inputs = cast<RankedTensorType>(op.getInput().getType()).getShape().back() / groups;
  return Calls{describe(spec, {inputs, op.getType().getShape().back() / groups, groups}, 2)};
}

FailureOr<Calls> nestor::kernels::describeConvTranspose(nest::ConvTransposeOp op) {
  PlainSpec spec{{}, {}, elementType(op.getInput()), elementType(op.getFilter()), op.getType().getElementType(),
                 /*transposed=*/true};
  ArrayRef<int64_t> in = cast<RankedTensorType>(op.getInput().getType()).getShape(), out = op.getType().getShape();
  ArrayRef<int64_t> filter = cast<RankedTensorType>(op.getFilter().getType()).getShape();
  ConvGeometry &g = spec.geometry;
  g.batch = in[0];
  g.in = g.out = g.kernel = g.stride = g.dilation = {1, 1, 1};
  g.pad = {0, 0, 0};
  int missing = 3 - int(op.getStrides().size());
  for (auto [i, stride] : llvm::enumerate(op.getStrides())) {
    int dim = int(i) + missing;
    g.in[dim] = in[i + 1], g.out[dim] = out[i + 1], g.kernel[dim] = filter[i];
    g.stride[dim] = stride, g.dilation[dim] = op.getDilations()[i], g.pad[dim] = op.getPadBegin()[i];
  }
  spec.epilogue.bias = bool(op.getBias());
  int64_t groups = op.getGroups();
  return Calls{describe(spec, {in.back() / groups, out.back() / groups, groups}, 2)};
}
