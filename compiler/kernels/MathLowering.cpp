//===- MathLowering.cpp - Elementary functions without a library ----------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
//
// A code image has no undefined symbols, so every function that LLVM would
// turn into a call of libm or of the compiler's support library becomes
// arithmetic here. Upstream's polynomial approximations are for f32; f64
// functions are computed through them, to about 1e-7, which suffices for
// models whose real work is in f32.
//
//===----------------------------------------------------------------------===//

#include "compiler/kernels/Lowering.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Arith/Transforms/Passes.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Math/Transforms/Passes.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"
#include "mlir/IR/Matchers.h"
#include "llvm/ADT/STLExtras.h"

#include <cmath>

using namespace mlir;
using namespace nestor::kernels;

namespace {

Type withElement(Type type, Type element) {
  if (auto shaped = dyn_cast<ShapedType>(type))
    return shaped.clone(element);
  return element;
}

Value constantLike(ImplicitLocOpBuilder &b, Type type, int64_t value) {
  TypedAttr scalar = b.getIntegerAttr(getElementTypeOrSelf(type), value);
  if (auto shaped = dyn_cast<ShapedType>(type))
    return arith::ConstantOp::create(b, DenseElementsAttr::get(shaped, scalar));
  return arith::ConstantOp::create(b, scalar);
}

Value constantLike(ImplicitLocOpBuilder &b, Type type, double value) {
  TypedAttr scalar = b.getFloatAttr(getElementTypeOrSelf(type), value);
  if (auto shaped = dyn_cast<ShapedType>(type))
    return arith::ConstantOp::create(b, DenseElementsAttr::get(shaped, scalar));
  return arith::ConstantOp::create(b, scalar);
}

/// An f64 function computed in f32.
template <typename Op> struct ComputeInSingle : OpRewritePattern<Op> {
  using OpRewritePattern<Op>::OpRewritePattern;
  LogicalResult matchAndRewrite(Op op, PatternRewriter &rewriter) const override {
    Type type = op->getResult(0).getType();
    if (!getElementTypeOrSelf(type).isF64())
      return rewriter.notifyMatchFailure(op, "not f64");
    SmallVector<Value> operands;
    Type single = withElement(type, rewriter.getF32Type());
    for (Value operand : op->getOperands())
      operands.push_back(arith::TruncFOp::create(rewriter, op.getLoc(), single, operand));
    Value result = Op::create(rewriter, op.getLoc(), TypeRange{single}, operands)->getResult(0);
    rewriter.replaceOpWithNewOp<arith::ExtFOp>(op, type, result);
    return success();
  }
};

/// log10 x = log x / log 10.
struct ExpandLog10 : OpRewritePattern<math::Log10Op> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(math::Log10Op op, PatternRewriter &rewriter) const override {
    ImplicitLocOpBuilder b(op.getLoc(), rewriter);
    Value log = math::LogOp::create(b, op.getOperand());
    rewriter.replaceOpWithNewOp<arith::MulFOp>(op, log, constantLike(b, op.getType(), 0.43429448190325182));
    return success();
  }
};

/// fmod(x, y) = x - trunc(x / y) * y in f64, exact for f32 while the quotient
/// is below 2^29.
struct ExpandRemF : OpRewritePattern<arith::RemFOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(arith::RemFOp op, PatternRewriter &rewriter) const override {
    ImplicitLocOpBuilder b(op.getLoc(), rewriter);
    Type type = op.getType(), wide = withElement(type, b.getF64Type());
    Value x = op.getLhs(), y = op.getRhs();
    if (type != wide) {
      x = arith::ExtFOp::create(b, wide, x);
      y = arith::ExtFOp::create(b, wide, y);
    }
    Value quotient = math::TruncOp::create(b, arith::DivFOp::create(b, x, y).getResult());
    Value result = arith::SubFOp::create(b, x, arith::MulFOp::create(b, quotient, y));
    // A finite x over an infinite y is x itself.
    Value infinite = arith::CmpFOp::create(b, arith::CmpFPredicate::OEQ, math::AbsFOp::create(b, y),
                                           constantLike(b, wide, HUGE_VAL));
    Value finite = arith::CmpFOp::create(b, arith::CmpFPredicate::ONE, math::AbsFOp::create(b, x),
                                         constantLike(b, wide, HUGE_VAL));
    result = arith::SelectOp::create(b, arith::AndIOp::create(b, infinite, finite), x, result);
    if (type != wide)
      result = arith::TruncFOp::create(b, type, result);
    rewriter.replaceOp(op, result);
    return success();
  }
};

/// Integer power by squaring, modulo 2^bits as integer arithmetic is. Exponents
/// count up to the width of the type; a negative one leaves 1 / base truncated.
struct ExpandIPowI : OpRewritePattern<math::IPowIOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(math::IPowIOp op, PatternRewriter &rewriter) const override {
    ImplicitLocOpBuilder b(op.getLoc(), rewriter);
    Type type = op.getType();
    Value one = constantLike(b, type, int64_t(1)), zero = constantLike(b, type, int64_t(0));
    Value base = op.getLhs(), exponent = op.getRhs(), result = one, square = base;
    for (unsigned bit = 0, width = getElementTypeOrSelf(type).getIntOrFloatBitWidth(); (1u << bit) < width; ++bit) {
      Value flag = arith::AndIOp::create(b, exponent, constantLike(b, type, int64_t(1) << bit));
      Value set = arith::CmpIOp::create(b, arith::CmpIPredicate::ne, flag, zero);
      Value product = arith::MulIOp::create(b, result, square);
      result = arith::SelectOp::create(b, set, product, result);
      square = arith::MulIOp::create(b, square, square);
    }
    // Below zero: 1 and -1 keep what parity says, everything else is 0.
    Value next = arith::AddIOp::create(b, base, one), two = constantLike(b, type, int64_t(2));
    Value isUnit = arith::CmpIOp::create(b, arith::CmpIPredicate::ule, next, two);
    Value notZero = arith::CmpIOp::create(b, arith::CmpIPredicate::ne, base, zero);
    Value keeps = arith::AndIOp::create(b, isUnit, notZero);
    Value negative = arith::CmpIOp::create(b, arith::CmpIPredicate::slt, exponent, zero);
    Value inverse = arith::SelectOp::create(b, keeps, result, zero);
    rewriter.replaceOpWithNewOp<arith::SelectOp>(op, negative, inverse, result);
    return success();
  }
};

/// max(x, c) with a constant that is a number: x86's maxps returns its second
/// operand when either is NaN, so one instruction propagates NaN.
template <typename Op, arith::CmpFPredicate predicate> struct ClampByConstant : OpRewritePattern<Op> {
  using OpRewritePattern<Op>::OpRewritePattern;
  LogicalResult matchAndRewrite(Op op, PatternRewriter &rewriter) const override {
    Value x = op.getLhs(), c = op.getRhs();
    auto isNumber = [](Value value) {
      FloatAttr scalar;
      DenseElementsAttr dense;
      if (matchPattern(value, m_Constant(&scalar)))
        return !scalar.getValue().isNaN();
      return matchPattern(value, m_Constant(&dense)) && dense.isSplat() &&
             !dense.getSplatValue<APFloat>().isNaN();
    };
    if (!isNumber(c))
      std::swap(x, c);
    if (!isNumber(c))
      return rewriter.notifyMatchFailure(op, "no operand is a constant");
    Value wins = arith::CmpFOp::create(rewriter, op.getLoc(), predicate, c, x);
    rewriter.replaceOpWithNewOp<arith::SelectOp>(op, wins, c, x);
    return success();
  }
};

/// f64 to f16 or bf16 by way of f32: there is no instruction for the whole way.
struct TruncateInTwoSteps : OpRewritePattern<arith::TruncFOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(arith::TruncFOp op, PatternRewriter &rewriter) const override {
    if (!getElementTypeOrSelf(op.getIn().getType()).isF64() ||
        getElementTypeOrSelf(op.getType()).getIntOrFloatBitWidth() != 16)
      return rewriter.notifyMatchFailure(op, "not from f64 to 16 bits");
    Type single = withElement(op.getType(), rewriter.getF32Type());
    Value narrow = arith::TruncFOp::create(rewriter, op.getLoc(), single, op.getIn());
    rewriter.replaceOpWithNewOp<arith::TruncFOp>(op, op.getType(), narrow);
    return success();
  }
};

/// f16 to f32 without F16C: move the bits, let a multiplication rebias the
/// exponent (it normalises subnormals too), restore infinity and NaN.
struct ExpandHalfExtension : OpRewritePattern<arith::ExtFOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(arith::ExtFOp op, PatternRewriter &rewriter) const override {
    if (!getElementTypeOrSelf(op.getIn().getType()).isF16())
      return rewriter.notifyMatchFailure(op, "not from f16");
    ImplicitLocOpBuilder b(op.getLoc(), rewriter);
    Type i32 = withElement(op.getType(), b.getI32Type()), f32 = withElement(op.getType(), b.getF32Type());
    Value half = arith::BitcastOp::create(b, withElement(op.getType(), b.getI16Type()), op.getIn());
    Value bits = arith::ExtUIOp::create(b, i32, half);
    auto constant = [&](int64_t value) { return constantLike(b, i32, value); };
    Value sign = arith::ShLIOp::create(b, arith::AndIOp::create(b, bits, constant(0x8000)), constant(16));
    Value magnitude = arith::AndIOp::create(b, bits, constant(0x7fff));
    Value moved = arith::BitcastOp::create(b, f32, arith::ShLIOp::create(b, magnitude, constant(13)));
    Value scaled = arith::MulFOp::create(b, moved, constantLike(b, f32, 0x1p112));
    Value result = arith::BitcastOp::create(b, i32, scaled);
    Value special = arith::CmpIOp::create(b, arith::CmpIPredicate::uge, magnitude, constant(0x7c00));
    Value saturated = arith::OrIOp::create(b, result, constant(0x7f800000));
    result = arith::SelectOp::create(b, special, saturated, result);
    Value value = arith::BitcastOp::create(b, f32, arith::OrIOp::create(b, result, sign));
    if (value.getType() != op.getType())
      value = arith::ExtFOp::create(b, op.getType(), value);
    rewriter.replaceOp(op, value);
    return success();
  }
};

/// f32 to f16, to nearest even, without F16C.
struct ExpandHalfTruncation : OpRewritePattern<arith::TruncFOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(arith::TruncFOp op, PatternRewriter &rewriter) const override {
    if (!getElementTypeOrSelf(op.getType()).isF16() || !getElementTypeOrSelf(op.getIn().getType()).isF32())
      return rewriter.notifyMatchFailure(op, "not from f32 to f16");
    ImplicitLocOpBuilder b(op.getLoc(), rewriter);
    Type f32 = op.getIn().getType(), i32 = withElement(f32, b.getI32Type());
    auto constant = [&](int64_t value) { return constantLike(b, i32, value); };
    Value bits = arith::BitcastOp::create(b, i32, op.getIn());
    Value sign = arith::AndIOp::create(b, arith::ShRUIOp::create(b, bits, constant(16)), constant(0x8000));
    Value magnitude = arith::AndIOp::create(b, bits, constant(0x7fffffff));
    // Subnormal results: adding 0.5 aligns the mantissa and rounds it.
    Value shifted = arith::AddFOp::create(b, arith::BitcastOp::create(b, f32, magnitude), constantLike(b, f32, 0.5));
    Value small = arith::SubIOp::create(b, arith::BitcastOp::create(b, i32, shifted), constant(0x3f000000));
    // Normal results: rebias the exponent, round to even on the dropped bits.
    Value odd = arith::AndIOp::create(b, arith::ShRUIOp::create(b, magnitude, constant(13)), constant(1));
    Value rebiased = arith::AddIOp::create(b, magnitude, constant(0xfff - (112 << 23)));
    Value normal = arith::ShRUIOp::create(b, arith::AddIOp::create(b, rebiased, odd), constant(13));
    Value isNan = arith::CmpIOp::create(b, arith::CmpIPredicate::ugt, magnitude, constant(0x7f800000));
    Value special = arith::SelectOp::create(b, isNan, constant(0x7e00), constant(0x7c00));
    Value isSmall = arith::CmpIOp::create(b, arith::CmpIPredicate::ult, magnitude, constant(0x38800000));
    Value isSpecial = arith::CmpIOp::create(b, arith::CmpIPredicate::uge, magnitude, constant(0x47800000));
    Value result = arith::SelectOp::create(b, isSmall, small, normal);
    result = arith::OrIOp::create(b, arith::SelectOp::create(b, isSpecial, special, result), sign);
    Value half = arith::TruncIOp::create(b, withElement(f32, b.getI16Type()), result);
    rewriter.replaceOpWithNewOp<arith::BitcastOp>(op, op.getType(), half);
    return success();
  }
};

} // namespace

void nestor::kernels::populateMathLowering(RewritePatternSet &patterns, const TargetInfo &target) {
  // What has an instruction on every target stays: sqrt, abs, floor, ceil,
  // trunc, roundeven, copysign and the integer functions.
  SmallVector<StringRef> expanded = {"sinh", "cosh", "tan",  "asinh", "acosh", "atanh",
                                     "exp2", "powf", "fpowi", "round", "rsqrt", "clampf"};
  if (!target.fma)
    expanded.push_back("fma");
  math::populateExpansionPatterns(patterns, expanded);
  auto all = [](StringRef) { return true; };
  populateMathF32ExpansionPatterns(patterns, all);
  populateMathPolynomialApproximationPatterns(patterns, all);
  MLIRContext *context = patterns.getContext();
  patterns.add<ComputeInSingle<math::AtanOp>, ComputeInSingle<math::Atan2Op>, ComputeInSingle<math::TanhOp>,
               ComputeInSingle<math::LogOp>, ComputeInSingle<math::Log2Op>, ComputeInSingle<math::Log1pOp>,
               ComputeInSingle<math::ErfOp>, ComputeInSingle<math::ErfcOp>, ComputeInSingle<math::AsinOp>,
               ComputeInSingle<math::AcosOp>, ComputeInSingle<math::ExpOp>, ComputeInSingle<math::ExpM1Op>,
               ComputeInSingle<math::CbrtOp>, ComputeInSingle<math::SinOp>, ComputeInSingle<math::CosOp>,
               ComputeInSingle<math::PowFOp>, ComputeInSingle<math::SinhOp>, ComputeInSingle<math::CoshOp>,
               ComputeInSingle<math::TanOp>>(context, /*benefit=*/2);
  patterns.add<ExpandLog10, ExpandRemF, ExpandIPowI, TruncateInTwoSteps>(context);
  arith::populateExpandBFloat16Patterns(patterns);
  if (target.arch == "x86_64")
    patterns.add<ClampByConstant<arith::MaximumFOp, arith::CmpFPredicate::OGT>,
                 ClampByConstant<arith::MinimumFOp, arith::CmpFPredicate::OLT>>(context);
  if (target.arch == "x86_64" && !llvm::is_contained(target.features, "f16c"))
    patterns.add<ExpandHalfExtension, ExpandHalfTruncation>(context);
  populateVectorMath(patterns, target);
}
