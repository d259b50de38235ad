//===- KernelBuilder.cpp - Emitting the body of a kernel ------------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "compiler/kernels/KernelBuilder.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/IR/IRMapping.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/raw_ostream.h"
#include "llvm/Support/xxhash.h"

using namespace mlir;
using namespace nestor::kernels;

//===----------------------------------------------------------------------===//
// Types and functions
//===----------------------------------------------------------------------===//

Type nestor::kernels::registerType(Type element) {
  if (auto integer = dyn_cast<IntegerType>(element))
    return IntegerType::get(element.getContext(), integer.getWidth());
  return element;
}

int64_t nestor::kernels::storageBytes(Type element) {
  return (element.getIntOrFloatBitWidth() + 7) / 8;
}

Type nestor::kernels::withLanes(Type element, int64_t lanes) {
  return lanes == 1 ? element : VectorType::get(lanes, element);
}

static Type elementOf(Type type) { return getElementTypeOrSelf(type); }

FailureOr<func::FuncOp> nestor::kernels::emitKernel(ModuleOp module, const KernelSpec &spec,
                                                    const TargetInfo &target) {
  module.getContext()->loadDialect<arith::ArithDialect, func::FuncDialect, LLVM::LLVMDialect, math::MathDialect,
                                   scf::SCFDialect, vector::VectorDialect>();
  OpBuilder builder = OpBuilder::atBlockEnd(module.getBody());
  Type pointer = LLVM::LLVMPointerType::get(module.getContext()), i64 = builder.getI64Type();
  FunctionType type = builder.getFunctionType({pointer, pointer, i64, i64}, {});
  auto func = func::FuncOp::create(builder, builder.getUnknownLoc(), spec.name, type);
  Block *entry = func.addEntryBlock();
  builder.setInsertionPointToStart(entry);
  func::ReturnOp::create(builder, builder.getUnknownLoc());
  if (failed(spec.emit(func, target)))
    return failure();
  return func;
}

KernelBuilder::KernelBuilder(func::FuncOp func, const TargetInfo &target)
    : ImplicitLocOpBuilder(func.getLoc(), func.getContext()), target(target), func(func) {
  setInsertionPoint(func.front().getTerminator());
}

int64_t KernelBuilder::lanesFor(Type element) const {
  return storageBytes(element) == 8 ? target.vectorLanes / 2 : target.vectorLanes;
}

Value KernelBuilder::arg(unsigned index) {
  OpBuilder::InsertionGuard guard(*this);
  setInsertionPointToStart(&func.front());
  Type pointer = LLVM::LLVMPointerType::get(getContext());
  Value slot = LLVM::GEPOp::create(*this, pointer, pointer, func.getArgument(0),
                                   ArrayRef<LLVM::GEPArg>{int32_t(index)});
  return LLVM::LoadOp::create(*this, pointer, slot);
}

Value KernelBuilder::param(unsigned index) {
  OpBuilder::InsertionGuard guard(*this);
  setInsertionPointToStart(&func.front());
  Type pointer = LLVM::LLVMPointerType::get(getContext());
  Value slot = LLVM::GEPOp::create(*this, pointer, getI64Type(), func.getArgument(1),
                                   ArrayRef<LLVM::GEPArg>{int32_t(index)});
  return LLVM::LoadOp::create(*this, getI64Type(), slot);
}

//===----------------------------------------------------------------------===//
// Arithmetic
//===----------------------------------------------------------------------===//

Value KernelBuilder::i64(int64_t value) {
  return arith::ConstantIntOp::create(*this, getI64Type(), value);
}
Value KernelBuilder::add(Value a, Value b) { return createOrFold<arith::AddIOp>(a, b); }
Value KernelBuilder::sub(Value a, Value b) { return createOrFold<arith::SubIOp>(a, b); }
Value KernelBuilder::mul(Value a, Value b) { return createOrFold<arith::MulIOp>(a, b); }
Value KernelBuilder::div(Value a, int64_t b) { return div(a, i64(b)); }
Value KernelBuilder::div(Value a, Value b) { return createOrFold<arith::DivUIOp>(a, b); }
Value KernelBuilder::rem(Value a, int64_t b) { return rem(a, i64(b)); }
Value KernelBuilder::rem(Value a, Value b) { return createOrFold<arith::RemUIOp>(a, b); }
Value KernelBuilder::min(Value a, Value b) { return createOrFold<arith::MinSIOp>(a, b); }
Value KernelBuilder::max(Value a, Value b) { return createOrFold<arith::MaxSIOp>(a, b); }

Value KernelBuilder::roundUp(Value a, int64_t multiple) {
  return mul(div(add(a, multiple - 1), multiple), multiple);
}
Value KernelBuilder::less(Value a, Value b) {
  return createOrFold<arith::CmpIOp>(arith::CmpIPredicate::slt, a, b);
}
Value KernelBuilder::equal(Value a, Value b) {
  return createOrFold<arith::CmpIOp>(arith::CmpIPredicate::eq, a, b);
}

Value KernelBuilder::select(Value condition, Value a, Value b) {
  return createOrFold<arith::SelectOp>(condition, a, b);
}

Value KernelBuilder::constant(Type type, double value) {
  Type element = elementOf(type);
  TypedAttr scalar;
  if (isa<FloatType>(element))
    scalar = getFloatAttr(element, value);
  else
    scalar = getIntegerAttr(element, int64_t(value));
  if (auto vector = dyn_cast<VectorType>(type))
    return arith::ConstantOp::create(*this, DenseElementsAttr::get(vector, scalar));
  return arith::ConstantOp::create(*this, scalar);
}

Value KernelBuilder::broadcast(Value scalar, int64_t lanes) {
  if (lanes == 1)
    return scalar;
  return vector::BroadcastOp::create(*this, VectorType::get(lanes, scalar.getType()), scalar);
}

Value KernelBuilder::fma(Value a, Value b, Value c) {
  // llvm.fmuladd becomes one instruction where there is one, and never a call.
  return LLVM::FMulAddOp::create(*this, a, b, c);
}

Value KernelBuilder::sumLanes(Value value) {
  if (!isa<VectorType>(value.getType()))
    return value;
  Type element = elementOf(value.getType());
  if (!isa<FloatType>(element))
    return vector::ReductionOp::create(*this, vector::CombiningKind::ADD, value);
  // Without `reassoc` the lanes would be added one after the other.
  return vector::ReductionOp::create(*this, vector::CombiningKind::ADD, value,
                                     constant(element, 0), arith::FastMathFlags::reassoc);
}

//===----------------------------------------------------------------------===//
// Memory
//===----------------------------------------------------------------------===//

/// i1 lies in memory as a byte.
static Type storageType(Type registerElement) {
  return registerElement.isInteger(1) ? IntegerType::get(registerElement.getContext(), 8)
                                      : registerElement;
}

Value KernelBuilder::at(Value pointer, Value index, Type element) {
  return LLVM::GEPOp::create(*this, pointer.getType(), storageType(registerType(element)), pointer,
                             ValueRange{index});
}

Value KernelBuilder::stack(Type element, int64_t count) {
  OpBuilder::InsertionGuard guard(*this);
  setInsertionPointToStart(&func.front());
  return LLVM::AllocaOp::create(*this, LLVM::LLVMPointerType::get(getContext()),
                                storageType(registerType(element)), i64(count), /*alignment=*/64);
}

Value KernelBuilder::load(Type element, Value pointer, Value index, Lanes lanes) {
  element = registerType(element);
  Type stored = storageType(element), type = withLanes(stored, lanes.count);
  Value address = at(pointer, index, element);
  unsigned align = storageBytes(element);
  Value value;
  if (lanes.mask)
    value = LLVM::MaskedLoadOp::create(*this, type, address, lanes.mask, constant(type, 0), align);
  else
    value = LLVM::LoadOp::create(*this, type, address, align);
  if (stored == element)
    return value;
  return arith::CmpIOp::create(*this, arith::CmpIPredicate::ne, value, constant(type, 0));
}

void KernelBuilder::store(Value value, Value pointer, Value index, Lanes lanes) {
  Type element = elementOf(value.getType()), stored = storageType(element);
  Value address = at(pointer, index, element);
  unsigned align = storageBytes(element);
  if (stored != element)
    value = arith::ExtUIOp::create(*this, withLanes(stored, lanes.count), value);
  if (lanes.mask)
    LLVM::MaskedStoreOp::create(*this, value, address, lanes.mask, align);
  else
    LLVM::StoreOp::create(*this, value, address, align);
}

Value KernelBuilder::table(DenseElementsAttr values) {
  // Tables stand right before their kernel, with which they move.
  OpBuilder outer(func);
  std::string name = (func.getName() + "_table" + Twine(tables++)).str();
  Type type = LLVM::LLVMArrayType::get(values.getElementType(), values.getNumElements());
  auto global = LLVM::GlobalOp::create(outer, getLoc(), type, /*isConstant=*/true, LLVM::Linkage::Internal, name, values);
  // Whole vectors of a table can then be operands of instructions.
  global.setAlignment(4 * target.vectorLanes);
  return LLVM::AddressOfOp::create(*this, global);
}

Value KernelBuilder::table(ArrayRef<int32_t> values) { return table(getI32TensorAttr(values)); }

Value KernelBuilder::table(ArrayRef<float> values) {
  auto type = RankedTensorType::get(int64_t(values.size()), getF32Type());
  return table(DenseElementsAttr::get(type, values));
}

//===----------------------------------------------------------------------===//
// Control flow
//===----------------------------------------------------------------------===//

void KernelBuilder::loop(Value lower, Value upper, int64_t step, llvm::function_ref<void(Value)> body) {
  loop(lower, upper, step, {}, [&](Value index, ValueRange) {
    body(index);
    return SmallVector<Value>();
  });
}

SmallVector<Value> KernelBuilder::loop(Value lower, Value upper, int64_t step, ValueRange carried,
                                       CarriedBody body) {
  return loop(lower, upper, i64(step), carried, body);
}

SmallVector<Value> KernelBuilder::loop(Value lower, Value upper, Value step, ValueRange carried,
                                       CarriedBody body) {
  auto forOp = scf::ForOp::create(*this, lower, upper, step, carried);
  OpBuilder::InsertionGuard guard(*this);
  Block *block = forOp.getBody();
  // Without carried values the builder has already added a terminator.
  if (!carried.empty())
    setInsertionPointToEnd(block);
  else
    setInsertionPoint(block->getTerminator());
  SmallVector<Value> next = body(forOp.getInductionVar(), forOp.getRegionIterArgs());
  if (!carried.empty())
    scf::YieldOp::create(*this, next);
  return SmallVector<Value>(forOp.getResults());
}

void KernelBuilder::ifThen(Value condition, llvm::function_ref<void()> body) {
  auto ifOp = scf::IfOp::create(*this, condition, /*withElseRegion=*/false);
  OpBuilder::InsertionGuard guard(*this);
  setInsertionPointToStart(ifOp.thenBlock());
  body();
}

void KernelBuilder::ifThenElse(Value condition, llvm::function_ref<void()> thenBody,
                               llvm::function_ref<void()> elseBody) {
  auto ifOp = scf::IfOp::create(*this, condition, /*withElseRegion=*/true);
  OpBuilder::InsertionGuard guard(*this);
  setInsertionPointToStart(ifOp.thenBlock());
  thenBody();
  setInsertionPointToStart(ifOp.elseBlock());
  elseBody();
}

void KernelBuilder::vectorLoop(Value lower, Value upper, int64_t lanes, LanesBody body) {
  if (lanes == 1) {
    loop(lower, upper, 1, [&](Value index) { body(index, {}); });
    return;
  }
  Value count = sub(upper, lower), tail = rem(count, lanes), full = sub(upper, tail);
  loop(lower, full, lanes, [&](Value index) { body(index, {lanes, nullptr}); });
  vectorTail(full, tail, lanes, body);
}

void KernelBuilder::vectorTail(Value lower, Value count, int64_t lanes, LanesBody body) {
  if (target.maskedMemory) {
    ifThen(less(i64(0), count), [&] { body(lower, {lanes, maskOf(count, lanes)}); });
    return;
  }
  for (lanes /= 2; lanes >= 4; lanes /= 2) {
    Value fits = rem(div(count, lanes), 2);
    ifThen(equal(fits, i64(1)), [&] { body(lower, {lanes, nullptr}); });
    lower = add(lower, mul(fits, lanes));
  }
  Value rest = rem(count, lanes * 2);
  loop(lower, add(lower, rest), 1, [&](Value index) { body(index, {}); });
}

Value KernelBuilder::maskOf(Value count, int64_t lanes) {
  return vector::CreateMaskOp::create(*this, VectorType::get(lanes, getI1Type()),
                                      arith::IndexCastOp::create(*this, getIndexType(), count).getResult());
}

//===----------------------------------------------------------------------===//
// Scalar regions
//===----------------------------------------------------------------------===//

/// Clones an integer division or remainder of a scalar region. Divisors are
/// user data, or the zeros in lanes that do not exist, and where arith leaves
/// the result undefined processors trap. Here, as in the evaluator, x / 0 and
/// x % 0 are 0, and the smallest number divided by -1 wraps.
static Value cloneDivision(KernelBuilder &b, Operation &op, IRMapping &map) {
  Value dividend = map.lookup(op.getOperand(0)), divisor = map.lookup(op.getOperand(1));
  Type type = divisor.getType();
  Value zero = b.constant(type, 0), byZero = b.equal(divisor, zero), byMinusOne, traps = byZero;
  bool isSigned = isa<arith::DivSIOp, arith::RemSIOp>(op);
  if (isSigned) {
    byMinusOne = b.equal(divisor, b.constant(type, -1));
    traps = arith::OrIOp::create(b, byZero, byMinusOne);
  }
  Value harmless = b.select(traps, b.constant(type, 1), divisor);
  Operation *copy = b.clone(op, map);
  copy->setOperand(1, harmless);
  Value result = copy->getResult(0);
  result.setType(type);
  if (isa<arith::RemSIOp, arith::RemUIOp>(op)) // By 1, which leaves 0.
    return result;
  if (isSigned)
    result = b.select(byMinusOne, b.sub(zero, dividend), result);
  return b.select(byZero, zero, result);
}

Value KernelBuilder::inlineScalarRegion(Region &region, ValueRange arguments, int64_t lanes) {
  Block &block = region.front();
  IRMapping map;
  map.map(block.getArguments(), arguments);
  for (Operation &op : block.without_terminator()) {
    if (auto constant = dyn_cast<arith::ConstantOp>(op)) {
      TypedAttr value = constant.getValue();
      if (lanes > 1)
        value = DenseElementsAttr::get(VectorType::get(lanes, value.getType()), value);
      map.map(constant.getResult(), arith::ConstantOp::create(*this, value).getResult());
      continue;
    }
    if (isa<arith::DivSIOp, arith::DivUIOp, arith::RemSIOp, arith::RemUIOp>(op)) {
      map.map(op.getResult(0), cloneDivision(*this, op, map));
      continue;
    }
    Operation *copy = clone(op, map);
    for (OpResult result : copy->getResults())
      result.setType(withLanes(result.getType(), lanes));
  }
  return map.lookup(block.getTerminator()->getOperand(0));
}

std::string nestor::kernels::fingerprint(Region &region) {
  std::string text;
  llvm::raw_string_ostream os(text);
  llvm::DenseMap<Value, unsigned> numbers;
  auto number = [&](Value value) { return numbers.try_emplace(value, numbers.size()).first->second; };
  for (Block &block : region) {
    for (BlockArgument argument : block.getArguments())
      os << '%' << number(argument) << ':' << argument.getType() << ';';
    for (Operation &op : block) {
      os << op.getName() << op.getAttrDictionary();
      for (Value operand : op.getOperands())
        os << " %" << number(operand);
      for (Value result : op.getResults())
        os << " -> %" << number(result) << ':' << result.getType();
      os << ';';
    }
  }
  return text;
}

std::string nestor::kernels::kernelName(llvm::StringRef prefix, llvm::StringRef identity) {
  uint64_t hash = llvm::xxh3_64bits(identity);
  return (prefix + "_" + llvm::utohexstr(hash, /*LowerCase=*/true, /*Width=*/16)).str();
}
