//===- VectorMath.cpp - Functions that activations spend their time in ----===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
//
// Sigmoid, SiLU, softmax and GELU run in epilogues, where they compete with the
// products for the multiply-add units. Upstream's approximations are general;
// these are shorter, to a few units in the last place.
//
//===----------------------------------------------------------------------===//

#include "compiler/kernels/Lowering.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"
#include "mlir/IR/Matchers.h"
#include "llvm/ADT/STLExtras.h"

#include <cmath>

using namespace mlir;
using namespace nestor::kernels;

namespace {

bool isSingle(Type type) { return getElementTypeOrSelf(type).isF32(); }

/// Arithmetic on values of one type.
struct Arithmetic : ImplicitLocOpBuilder {
  Arithmetic(Location location, OpBuilder &builder, Type type) : ImplicitLocOpBuilder(location, builder), type(type) {}

  Value constant(double value) {
    FloatAttr scalar = getF32FloatAttr(value);
    if (auto shaped = dyn_cast<ShapedType>(type))
      return arith::ConstantOp::create(*this, DenseElementsAttr::get(shaped, scalar));
    return arith::ConstantOp::create(*this, scalar);
  }
  Value clamp(Value x, double low, double high) {
    Value bounded = arith::MinimumFOp::create(*this, x, constant(high));
    return arith::MaximumFOp::create(*this, bounded, constant(low));
  }
  Value multiply(Value x, Value y) { return arith::MulFOp::create(*this, x, y); }
  Value multiplyAdd(Value x, Value y, Value z) { return LLVM::FMulAddOp::create(*this, x, y, z); }
  /// Coefficients from the constant one on.
  Value polynomial(Value x, ArrayRef<double> coefficients) {
    Value sum = constant(coefficients.back());
    for (double coefficient : llvm::reverse(coefficients.drop_back()))
      sum = multiplyAdd(sum, x, constant(coefficient));
    return sum;
  }

  Type type;
};

/// erf x = x P(x^2) / Q(x^2), fitted for the least relative error below 3.92,
/// from where on erf is 1 in f32.
struct ErfByRational : OpRewritePattern<math::ErfOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(math::ErfOp op, PatternRewriter &rewriter) const override {
    if (!isSingle(op.getType()))
      return rewriter.notifyMatchFailure(op, "not f32");
    Arithmetic b(op.getLoc(), rewriter, op.getType());
    Value x = b.clamp(op.getOperand(), -3.92, 3.92), square = b.multiply(x, x);
    Value above = b.polynomial(square, {1.1283791065216064, 0.1904032826423645, 0.05274830386042595,
                                        0.0037654791958630085, 0.0002848795265890658, 2.0501111066550948e-06});
    Value below = b.polynomial(square, {1.0, 0.5020732283592224, 0.11410779505968094, 0.01496894285082817,
                                        0.0011625017505139112, 3.809179179370403e-05});
    rewriter.replaceOpWithNewOp<arith::DivFOp>(op, b.multiply(x, above), below);
    return success();
  }
};

/// x / c by way of 1 / c: a division occupies its unit for several products.
struct DivideByConstant : OpRewritePattern<arith::DivFOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(arith::DivFOp op, PatternRewriter &rewriter) const override {
    if (!isSingle(op.getType()))
      return rewriter.notifyMatchFailure(op, "not f32");
    FloatAttr scalar;
    DenseElementsAttr dense;
    if (matchPattern(op.getRhs(), m_Constant(&dense)) && dense.isSplat())
      scalar = rewriter.getF32FloatAttr(dense.getSplatValue<float>());
    else if (!matchPattern(op.getRhs(), m_Constant(&scalar)))
      return rewriter.notifyMatchFailure(op, "the divisor is not one constant");
    float divisor = scalar.getValue().convertToFloat(), reciprocal = 1 / divisor;
    if (!std::isnormal(divisor) || !std::isnormal(reciprocal))
      return rewriter.notifyMatchFailure(op, "the reciprocal would lose digits");
    Arithmetic b(op.getLoc(), rewriter, op.getType());
    rewriter.replaceOpWithNewOp<arith::MulFOp>(op, op.getLhs(), b.constant(reciprocal));
    return success();
  }
};

/// exp x = 2^n 2^f with n a multiple of 1/32: the fraction of 2^n comes from a
/// table in two registers, and for the small f that is left two terms suffice.
/// `scalef` multiplies by 2^floor(n), to infinity and zero too.
struct ExpByTable : OpRewritePattern<math::ExpOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(math::ExpOp op, PatternRewriter &rewriter) const override {
    auto type = dyn_cast<VectorType>(op.getType());
    if (!type || type.getRank() != 1 || !type.getElementType().isF32() || type.getNumElements() > lanes)
      return rewriter.notifyMatchFailure(op, "not a vector of f32 in one register");
    VectorType whole = VectorType::get(lanes, type.getElementType());
    Arithmetic b(op.getLoc(), rewriter, whole);
    Value x = op.getOperand();
    if (type != whole)
      x = vector::InsertStridedSliceOp::create(b, x, b.constant(0), ArrayRef<int64_t>{0}, ArrayRef<int64_t>{1});
    Value result = exponential(b, x);
    if (type != whole)
      result = vector::ExtractStridedSliceOp::create(b, result, ArrayRef<int64_t>{0},
                                                     ArrayRef<int64_t>{type.getNumElements()}, ArrayRef<int64_t>{1});
    rewriter.replaceOp(op, result);
    return success();
  }

private:
  static constexpr int64_t lanes = 16, entries = 2 * lanes;

  static Value table(Arithmetic &b, int64_t first) {
    SmallVector<float> powers;
    for (int64_t i = first; i < first + lanes; ++i)
      powers.push_back(std::exp2(double(i) / entries));
    return arith::ConstantOp::create(b, DenseElementsAttr::get(cast<ShapedType>(b.type), ArrayRef<float>(powers)));
  }

  static Value exponential(Arithmetic &b, Value x) {
    // What is added has the unit 1/32 in its last place: the sum's low bits are
    // the place in the table.
    Value log2e = b.constant(1.44269504), shift = b.constant(1.5 * (1 << 23) / entries);
    x = b.clamp(x, -130, 130);
    Value shifted = b.multiplyAdd(x, log2e, shift);
    Value n = arith::SubFOp::create(b, shifted, shift);
    Value f = b.multiplyAdd(x, log2e, arith::NegFOp::create(b, n));
    f = b.multiplyAdd(x, b.constant(1.92596299e-8), f); // The rest of log2 e.
    Value place = arith::BitcastOp::create(b, VectorType::get(lanes, b.getI32Type()), shifted);
    auto call = [&](StringRef name, ValueRange operands) {
      return LLVM::CallIntrinsicOp::create(b, b.type, b.getStringAttr(name), operands).getResult(0);
    };
    Value power = call("llvm.x86.avx512.vpermi2var.ps.512", {table(b, 0), place, table(b, lanes)});
    Value growth = b.multiply(b.polynomial(f, {0.69314718, 0.24022651}), power);
    Value scaled = b.multiplyAdd(growth, f, power);
    Value all = arith::ConstantOp::create(b, b.getI16IntegerAttr(-1));
    Value currentRounding = arith::ConstantOp::create(b, b.getI32IntegerAttr(4));
    return call("llvm.x86.avx512.mask.scalef.ps.512", {scaled, n, scaled, all, currentRounding});
  }
};

} // namespace

void nestor::kernels::populateVectorMath(RewritePatternSet &patterns, const TargetInfo &target) {
  MLIRContext *context = patterns.getContext();
  patterns.add<ErfByRational, DivideByConstant>(context, /*benefit=*/3);
  if (llvm::is_contained(target.features, "avx512f"))
    patterns.add<ExpByTable>(context, /*benefit=*/3);
}
