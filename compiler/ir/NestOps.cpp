//===- NestOps.cpp - Verifiers and folders of the nest operations ---------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "compiler/ir/Convolutions.h"
#include "compiler/ir/FilterForm.h"
#include "compiler/ir/HalfFilter.h"
#include "compiler/ir/Quantized.h"
#include "compiler/ir/Verify.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/OpImplementation.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace nestor::nest;

#define GET_OP_CLASSES
#include "compiler/ir/NestOps.cpp.inc"

namespace {

/// The type that an element of `tensor` has inside a region.
Type scalarTypeOf(Type tensor) {
  Type element = cast<RankedTensorType>(tensor).getElementType();
  if (auto integer = dyn_cast<IntegerType>(element))
    return IntegerType::get(element.getContext(), integer.getWidth());
  return element;
}

/// Checks an epilogue or map body: argument types, the yielded type, and that
/// only scalar arithmetic is inside.
LogicalResult verifyScalarRegion(Operation *op, Region &region, TypeRange arguments, Type result) {
  Block &block = region.front();
  if (block.getArgumentTypes() != arguments)
    return op->emitOpError("region arguments are ")
           << block.getArgumentTypes() << " but must be " << arguments;
  auto yield = dyn_cast_or_null<YieldOp>(block.empty() ? nullptr : &block.back());
  if (!yield || yield.getValue().getType() != result)
    return op->emitOpError("region must yield ") << result;
  for (Operation &inner : block.without_terminator())
    if (!isa<arith::ArithDialect, math::MathDialect>(inner.getDialect()))
      return inner.emitOpError("is not allowed in a region of '") << op->getName() << "'";
  return success();
}

/// `sum`: the type of what the epilogue is given, where it is not the result's.
LogicalResult verifyEpilogue(Operation *op, Region &region, ValueRange extras, Type resultType,
                             Type sum = {}) {
  Type element = scalarTypeOf(resultType);
  if (region.empty())
    return extras.empty() ? success() : op->emitOpError("has extras but no epilogue");
  SmallVector<Type> arguments{sum ? sum : element};
  for (Value extra : extras) {
    if (failed(verifyBroadcast(op, extra, cast<RankedTensorType>(resultType).getShape())))
      return failure();
    arguments.push_back(scalarTypeOf(extra.getType()));
  }
  return verifyScalarRegion(op, region, arguments, element);
}

} // namespace

//===----------------------------------------------------------------------===//
// ConstOp, MapOp
//===----------------------------------------------------------------------===//

OpFoldResult ConstOp::fold(FoldAdaptor) { return getValue(); }

ParseResult MapOp::parse(OpAsmParser &parser, OperationState &state) {
  SmallVector<OpAsmParser::UnresolvedOperand> inputs;
  SmallVector<Type> types;
  Type result;
  SMLoc loc = parser.getCurrentLocation();
  if (parser.parseOperandList(inputs) || parser.parseColon())
    return failure();
  if (!inputs.empty() && parser.parseTypeList(types))
    return failure();
  if (parser.parseArrow() || parser.parseType(result) ||
      parser.parseOptionalAttrDictWithKeyword(state.attributes) ||
      parser.resolveOperands(inputs, types, loc, state.operands) ||
      parser.parseRegion(*state.addRegion()))
    return failure();
  state.addTypes(result);
  return success();
}

void MapOp::print(OpAsmPrinter &printer) {
  printer << ' ' << getInputs() << " : ";
  llvm::interleaveComma(getInputs().getTypes(), printer);
  printer << (getInputs().empty() ? "-> " : " -> ") << getType();
  printer.printOptionalAttrDictWithKeyword((*this)->getAttrs());
  printer << ' ';
  printer.printRegion(getBody());
}

LogicalResult MapOp::verify() {
  SmallVector<Type> arguments;
  for (Value input : getInputs()) {
    if (failed(verifyBroadcast(*this, input, getType().getShape())))
      return failure();
    arguments.push_back(scalarTypeOf(input.getType()));
  }
  return verifyScalarRegion(*this, getBody(), arguments, scalarTypeOf(getType()));
}

//===----------------------------------------------------------------------===//
// Convolution, matrix product, pooling
//===----------------------------------------------------------------------===//

LogicalResult nestor::nest::verifyWindow(Operation *op, ArrayRef<int64_t> in, Value result,
                                         ArrayRef<int64_t> kernel, ArrayRef<int64_t> strides,
                                         ArrayRef<int64_t> dilations, ArrayRef<int64_t> padBegin,
                                         ArrayRef<int64_t> padEnd, bool exact) {
  ArrayRef<int64_t> out = shapeOf(result);
  size_t n = kernel.size();
  if (n < 1 || n > 3)
    return op->emitOpError("windows have 1, 2 or 3 spatial dimensions, not ") << n;
  if (in.size() != n + 2 || out.size() != n + 2)
    return op->emitOpError("needs tensors of rank ") << n + 2 << " for a window of rank " << n;
  if (strides.size() != n || dilations.size() != n || padBegin.size() != n || padEnd.size() != n)
    return op->emitOpError("strides, dilations and pads need one entry per spatial dimension");
  if (in[0] != out[0])
    return op->emitOpError("input and result differ in batch size");
  for (size_t i = 0; i < n; ++i) {
    if (strides[i] < 1 || dilations[i] < 1 || kernel[i] < 1)
      return op->emitOpError("kernel, strides and dilations must be positive");
    int64_t span = in[i + 1] + padBegin[i] + padEnd[i] - dilations[i] * (kernel[i] - 1) - 1;
    int64_t extent = span < 0 ? 0 : span / strides[i] + 1;
    if (exact && extent != out[i + 1])
      return op->emitOpError("spatial dimension ")
             << i << " of the result must be " << extent << ", not " << out[i + 1];
  }
  return success();
}

static LogicalResult verifyStrassen(Operation *op, FilterForm form, ArrayRef<int64_t> kernel, int64_t groups,
                                    Type element) {
  if (!form.strassen)
    return success();
  if (!areOnes(kernel) || groups != 1 || !element.isF32() || form.winograd)
    return op->emitOpError("strassen is for filters of f32, one tap and one group");
  return success();
}

/// Checks the types of a convolution of bytes that becomes f32.
static LogicalResult verifyBytes(ConvOp op) {
  Type filter = elementOf(op.getFilter()), result = op.getType().getElementType();
  bool depthwise = op.getGroups() > 1;
  if (!op.getBias() || !elementOf(op.getScale()).isF32() || !elementOf(op.getBias()).isF32())
    return op.emitOpError("of bytes needs a scale and a bias of f32");
  if (depthwise ? !filter.isF32() : !filter.isSignlessInteger(32))
    return op.emitOpError("of bytes needs a filter of i32, or of f32 if it is depthwise, not of ")
           << filter;
  if (!result.isF32() && !result.isUnsignedInteger(8))
    return op.emitOpError("of bytes results in ui8 or f32, not in ") << result;
  if (result.isUnsignedInteger(8) && op.getEpilogue().empty())
    return op.emitOpError("needs an epilogue that makes bytes of its sums");
  if (shapeOf(op.getInput()).back() % kInputsPerWord && !depthwise)
    return op.emitOpError("of bytes needs a multiple of 4 inputs");
  return success();
}

SmallVector<int64_t> ConvOp::getInputShape() {
  SmallVector<int64_t> shape(shapeOf(getInput()));
  if (getPlanar() && shape.size() > 1)
    std::rotate(shape.begin() + 1, shape.begin() + 2, shape.end());
  return shape;
}

LogicalResult ConvOp::verify() {
  SmallVector<int64_t> input = getInputShape();
  if (failed(verifyWindow(*this, input, getResult(), getKernel(), getStrides(), getDilations(),
                          getPadBegin(), getPadEnd(), /*exact=*/true)))
    return failure();
  int64_t channels = input.back(), outputs = shapeOf(getResult()).back();
  int64_t groups = getGroups();
  if (groups < 1 || channels % groups || outputs % groups)
    return emitOpError("groups ") << groups << " must divide " << channels << " inputs and "
                                  << outputs << " outputs";
  Type element = elementOf(getFilter());
  if (failed(verifyWinograd(*this, winogradTile(*this), getKernel(), groups, element)) ||
      failed(verifyStrassen(*this, filterForm(*this), getKernel(), groups, element)))
    return failure();
  if (winogradTile(*this) && !(llvm::all_equal(getStrides()) && areOnes(getDilations())))
    return emitOpError("winograd has one stride for both dimensions and no dilations");
  auto pack = getFilter().getDefiningOp<PackOp>();
  if (winogradTile(*this) && pack && winogradTile(pack) != winogradTile(*this))
    return emitOpError("needs its filter packed for winograd of the same outputs and stride");
  bool samePixels = ArrayRef(input).drop_back() == shapeOf(getResult()).drop_back();
  bool strassen = filterForm(*this).strassen;
  if (strassen && !(areOnes(getStrides()) && samePixels && !getPlanar()))
    return emitOpError("strassen has strides of 1, no pads, and channels last");
  if (getPacked() && pack && filterForm(pack).strassen != strassen)
    return emitOpError("needs its filter packed for strassen where it is computed so");
  if (getPlanar() && (groups != 1 || !getPacked() || winogradTile(*this) || isOfBytes(*this)))
    return emitOpError("planar needs one group and a packed filter of floats, not Winograd's");
  bool ofBytes = isOfBytes(*this), depthwise = isDepthwise(*this);
  if (ofBytes && failed(verifyBytes(*this)))
    return failure();
  if (ofBytes && groups > 1 && !depthwise)
    return emitOpError("of bytes has one group or is depthwise");
  int64_t inputs = channels / groups / (ofBytes && !depthwise ? kInputsPerWord : 1);
  SmallVector<int64_t> filter(getKernel());
  filter.append({inputs, outputs});
  if (getPacked())
    filter = packedShape(getKernel(), inputs, outputs, groups, depthwise, filterForm(*this));
  if (failed(verifyShape(*this, "filter", getFilter(), filter)))
    return failure();
  for (Value vector : {getScale(), getBias()})
    if (vector && shapeOf(vector) != ArrayRef<int64_t>{outputs})
      return emitOpError("scale and bias need one value per output channel");
  return verifyEpilogue(*this, getEpilogue(), getExtras(), getType(),
                        ofBytes ? Float32Type::get(getContext()) : Type());
}

LogicalResult ConvTransposeOp::verify() {
  ArrayRef<int64_t> in = shapeOf(getInput()), filter = shapeOf(getFilter());
  ArrayRef<int64_t> out = shapeOf(getResult());
  size_t n = getStrides().size();
  if (n < 1 || n > 3)
    return emitOpError("windows have 1, 2 or 3 spatial dimensions, not ") << n;
  if (in.size() != n + 2 || filter.size() != n + 2 || out.size() != n + 2 ||
      getDilations().size() != n || getPadBegin().size() != n || getPadEnd().size() != n)
    return emitOpError("ranks of operands and attributes do not agree");
  if (in[0] != out[0])
    return emitOpError("input and result differ in batch size");
  for (size_t i = 0; i < n; ++i) {
    int64_t extent = getStrides()[i] * (in[i + 1] - 1) + getDilations()[i] * (filter[i] - 1) + 1 -
                     getPadBegin()[i] - getPadEnd()[i];
    if (out[i + 1] != extent)
      return emitOpError("spatial dimension ")
             << i << " of the result must be " << extent << ", not " << out[i + 1];
  }
  int64_t groups = getGroups();
  if (groups < 1 || in.back() % groups || out.back() % groups)
    return emitOpError("groups ") << groups << " must divide " << in.back() << " inputs and "
                                  << out.back() << " outputs";
  if (filter[n] != in.back() || filter[n + 1] * groups != out.back())
    return emitOpError("filter must be [K.., C, O/groups]");
  return getBias() ? verifyShape(*this, "bias", getBias(), out.back()) : success();
}

LogicalResult MatmulOp::verify() {
  ArrayRef<int64_t> lhs = shapeOf(getLhs()), rhs = shapeOf(getRhs()), out = shapeOf(getResult());
  size_t rank = out.size();
  if (rank < 2 || lhs.size() != rank || rhs.size() != rank)
    return emitOpError("operands and result must have the same rank, at least 2");
  for (size_t i = 0; i + 2 < rank; ++i)
    if ((lhs[i] != 1 && lhs[i] != out[i]) || (rhs[i] != 1 && rhs[i] != out[i]))
      return emitOpError("batch dimension ") << i << " does not broadcast";
  int64_t m = lhs[rank - (getTransposeLhs() ? 1 : 2)], k = lhs[rank - (getTransposeLhs() ? 2 : 1)];
  int64_t k2 = rhs[rank - (getTransposeRhs() ? 1 : 2)], n = rhs[rank - (getTransposeRhs() ? 2 : 1)];
  if (k != k2 || m != out[rank - 2] || n != out[rank - 1])
    return emitOpError("[M,K] x [K,N] must be [M,N]");
  return verifyEpilogue(*this, getEpilogue(), getExtras(), getType());
}

LogicalResult PackOp::verify() {
  ArrayRef<int64_t> filter = shapeOf(getFilter());
  int64_t groups = getGroups();
  if (filter.size() < 3)
    return emitOpError("filter must be [K.., I, O]");
  int64_t inputs = filter[filter.size() - 2], outputs = filter.back();
  if (groups < 1 || outputs % groups)
    return emitOpError("groups ") << groups << " must divide " << outputs << " outputs";
  if (getDepthwise() && (inputs != 1 || groups != outputs))
    return emitOpError("a depthwise filter is [K.., 1, C] with C groups");
  Type element = elementOf(getFilter()), packed = packedElement(element, winogradTile(*this).m);
  if (elementOf(getResult()) != packed)
    return emitOpError("result must hold ") << packed << ", not " << elementOf(getResult());
  if (failed(verifyWinograd(*this, winogradTile(*this), filter.drop_back(2), groups, element)) ||
      failed(verifyStrassen(*this, filterForm(*this), filter.drop_back(2), groups, element)))
    return failure();
  return verifyShape(*this, "result", getResult(),
                     packedShape(filter.drop_back(2), inputs, outputs, groups, getDepthwise(),
                                 filterForm(*this)));
}

LogicalResult PoolOp::verify() {
  if (failed(verifyWindow(*this, shapeOf(getInput()), getResult(), getKernel(), getStrides(),
                          getDilations(), getPadBegin(), getPadEnd(), /*exact=*/false)))
    return failure();
  if (shapeOf(getInput()).back() != shapeOf(getResult()).back())
    return emitOpError("input and result differ in channels");
  int64_t p = getP();
  if (p < 1)
    return emitOpError("p must be positive");
  return verifySameElements(*this, getInput(), getResult());
}

LogicalResult MaxPoolIndicesOp::verify() {
  if (failed(verifyWindow(*this, shapeOf(getInput()), getResult(), getKernel(), getStrides(),
                          getDilations(), getPadBegin(), getPadEnd(), /*exact=*/false)))
    return failure();
  if (shapeOf(getInput()).back() != shapeOf(getResult()).back())
    return emitOpError("input and result differ in channels");
  if (!elementOf(getResult()).isSignlessInteger(64))
    return emitOpError("result must hold i64, not ") << elementOf(getResult());
  return success();
}

//===----------------------------------------------------------------------===//
// Moving data
//===----------------------------------------------------------------------===//

LogicalResult TransposeOp::verify() {
  ArrayRef<int64_t> in = shapeOf(getInput()), out = shapeOf(getResult()), perm = getPerm();
  if (perm.size() != in.size() || out.size() != in.size())
    return emitOpError("perm needs one entry per dimension");
  SmallVector<bool> seen(perm.size());
  for (auto [i, p] : llvm::enumerate(perm)) {
    if (p < 0 || p >= int64_t(in.size()) || seen[p])
      return emitOpError("perm is not a permutation");
    seen[p] = true;
    if (out[i] != in[p])
      return emitOpError("result dimension ") << i << " must be " << in[p];
  }
  return verifySameElements(*this, getInput(), getResult());
}

OpFoldResult TransposeOp::fold(FoldAdaptor) {
  for (auto [i, p] : llvm::enumerate(getPerm()))
    if (int64_t(i) != p)
      return {};
  return getInput();
}

LogicalResult ReshapeOp::verify() {
  auto in = cast<RankedTensorType>(getInput().getType());
  if (in.getNumElements() != getType().getNumElements() ||
      in.getElementType() != getType().getElementType())
    return emitOpError("must keep the elements");
  return success();
}

OpFoldResult ReshapeOp::fold(FoldAdaptor) {
  if (getInput().getType() == getType())
    return getInput();
  if (auto inner = getInput().getDefiningOp<ReshapeOp>()) {
    getInputMutable().assign(inner.getInput());
    return getResult();
  }
  return {};
}

LogicalResult SliceOp::verify() {
  ArrayRef<int64_t> in = shapeOf(getInput()), out = shapeOf(getResult());
  if (out.size() != in.size() || getStarts().size() != in.size() || getSteps().size() != in.size())
    return emitOpError("starts and steps need one entry per dimension");
  for (size_t i = 0; i < in.size(); ++i) {
    if (out[i] == 0)
      continue;
    int64_t first = getStarts()[i], last = first + (out[i] - 1) * getSteps()[i];
    if (getSteps()[i] == 0 || first < 0 || first >= in[i] || last < 0 || last >= in[i])
      return emitOpError("dimension ") << i << " reads outside the input";
  }
  return verifySameElements(*this, getInput(), getResult());
}

OpFoldResult SliceOp::fold(FoldAdaptor) {
  bool whole = getInput().getType() == getType() &&
               llvm::all_of(getStarts(), [](int64_t start) { return start == 0; }) &&
               areOnes(getSteps());
  return whole ? getInput() : OpFoldResult();
}

LogicalResult PadOp::verify() {
  ArrayRef<int64_t> in = shapeOf(getInput()), out = shapeOf(getResult());
  if (out.size() != in.size() || getLow().size() != in.size() || getHigh().size() != in.size())
    return emitOpError("low and high need one entry per dimension");
  for (size_t i = 0; i < in.size(); ++i)
    if (int64_t extent = in[i] + getLow()[i] + getHigh()[i]; out[i] != extent)
      return emitOpError("result dimension ") << i << " must be " << extent;
  if (failed(verifySameElements(*this, getInput(), getResult())))
    return failure();
  if (!getValue())
    return success();
  if (cast<RankedTensorType>(getValue().getType()).getNumElements() != 1)
    return emitOpError("value must have one element");
  return verifySameElements(*this, getInput(), getValue());
}

LogicalResult ConcatOp::verify() {
  ArrayRef<int64_t> out = shapeOf(getResult());
  int64_t axis = getAxis(), sum = 0;
  if (getInputs().empty() || axis < 0 || axis >= int64_t(out.size()))
    return emitOpError("needs inputs and an axis within the result");
  for (Value input : getInputs()) {
    ArrayRef<int64_t> in = shapeOf(input);
    if (in.size() != out.size())
      return emitOpError("inputs must have the result's rank");
    if (failed(verifySameElements(*this, input, getResult())))
      return failure();
    for (size_t i = 0; i < in.size(); ++i)
      if (int64_t(i) != axis && in[i] != out[i])
        return emitOpError("inputs differ outside the axis");
    sum += in[axis];
  }
  return sum == out[axis] ? success() : LogicalResult(emitOpError("extents along the axis must add up"));
}
