//===- QuantMicroKernel.cpp - The inner loop of products of bytes ---------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
//
// A lane is one output; its 32 bits of weights are four inputs, which meet the
// same four bytes of a pixel. With VNNI that is one instruction. vpmaddubsw
// would saturate, so other x86 machines split the bytes into even and odd ones,
// widened to 16 bits by shifts, which vpmaddwd multiplies and adds exactly.
// Elsewhere the four products are made one by one.
//
//===----------------------------------------------------------------------===//

#include "compiler/kernels/QuantMicroKernel.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "llvm/TargetParser/Host.h"

using namespace mlir;
using namespace nestor::kernels;

namespace {

constexpr llvm::StringLiteral vnni = "avx512vnni";

bool hasByteDot(const TargetInfo &target) { return llvm::is_contained(target.features, vnni); }

/// How one instruction set multiplies a vector of weights with the bytes of a
/// pixel. Weights and bytes are prepared once for all that they meet.
class ByteProduct {
public:
  ByteProduct(KernelBuilder &b, int64_t lanes) : b(b), lanes(lanes), i32s(VectorType::get(lanes, b.getI32Type())) {}

  using Parts = ElementProduct::Prepared;
  /// `weights`: the 32 bits of each lane. `bytes`: an i32 that all lanes meet.
  Parts prepareWeights(Value weights);
  Parts prepareBytes(Value bytes);
  Value add(Value sum, const Parts &bytes, const Parts &weights);

private:
  Value call(StringRef intrinsic, ArrayRef<Value> operands) {
    return LLVM::CallIntrinsicOp::create(b, i32s, b.getStringAttr(intrinsic), operands)->getResult(0);
  }
  Value as(Value value, unsigned bits) {
    auto type = VectorType::get(lanes * 32 / bits, b.getIntegerType(bits));
    return LLVM::BitcastOp::create(b, type, value);
  }
  Value constant(Type type, int64_t value) {
    return arith::ConstantOp::create(b, DenseElementsAttr::get(cast<ShapedType>(type), b.getIntegerAttr(getElementTypeOrSelf(type), value)));
  }
  Value shiftLeft(Value x, int64_t bits) { return arith::ShLIOp::create(b, x, constant(x.getType(), bits)); }
  Value shiftRight(Value x, int64_t bits) { return arith::ShRSIOp::create(b, x, constant(x.getType(), bits)); }
  bool isX86() const { return b.target.arch == "x86_64"; }

  KernelBuilder &b;
  int64_t lanes;
  VectorType i32s;
};

ByteProduct::Parts ByteProduct::prepareWeights(Value weights) {
  if (hasByteDot(b.target))
    return {as(weights, 8)};
  if (isX86()) {
    Value words = as(weights, 16);
    return {shiftRight(shiftLeft(words, 8), 8), shiftRight(words, 8)};
  }
  Parts parts;
  for (int64_t k = 0; k < 4; ++k)
    parts.push_back(shiftRight(shiftLeft(weights, 24 - 8 * k), 24));
  return parts;
}

ByteProduct::Parts ByteProduct::prepareBytes(Value bytes) {
  auto scalar = [&](int64_t value) { return arith::ConstantIntOp::create(b, bytes.getType(), value).getResult(); };
  auto field = [&](int64_t shift, int64_t mask) {
    Value shifted = shift ? arith::ShRUIOp::create(b, bytes, scalar(shift)).getResult() : bytes;
    return b.broadcast(arith::AndIOp::create(b, shifted, scalar(mask)), lanes);
  };
  if (hasByteDot(b.target))
    return {as(b.broadcast(bytes, lanes), 8)};
  if (isX86())
    return {as(field(0, 0x00ff00ff), 16), as(field(8, 0x00ff00ff), 16)};
  Parts parts;
  for (int64_t k = 0; k < 4; ++k)
    parts.push_back(field(8 * k, 0xff));
  return parts;
}

Value ByteProduct::add(Value sum, const Parts &bytes, const Parts &weights) {
  if (hasByteDot(b.target))
    return call("llvm.x86.avx512.vpdpbusd.512", {sum, bytes[0], weights[0]});
  StringRef madd = lanes == 16  ? "llvm.x86.avx512.pmaddw.d.512"
                   : lanes == 8 ? "llvm.x86.avx2.pmadd.wd"
                                : "llvm.x86.sse2.pmadd.wd";
  for (auto [x, w] : llvm::zip_equal(bytes, weights)) {
    Value product = isX86() ? call(madd, {x, w}) : arith::MulIOp::create(b, x, w).getResult();
    sum = arith::AddIOp::create(b, sum, product);
  }
  return sum;
}

} // namespace

/// Without VNNI weights are two vectors (four without vpmaddwd), bytes too.
Tile nestor::kernels::quantTile(const TargetInfo &target, int64_t rows, bool narrow, bool aliased) {
  Tile tile = matmulTile(target, rows, narrow, aliased);
  if (hasByteDot(target))
    return tile;
  int64_t vectors = panelWidth / target.vectorLanes, parts = target.arch == "x86_64" ? 2 : 4;
  auto registers = [&] { return tile.panels * vectors * (tile.rows + parts) + parts + 1; };
  while (tile.panels > 1 && registers() > target.vectorRegisters)
    --tile.panels;
  while (tile.rows > 1 && registers() > target.vectorRegisters)
    --tile.rows;
  return tile;
}

SmallVector<Value> nestor::kernels::accumulateBytes(KernelBuilder &b, ArrayRef<Value> sums, ArrayRef<int64_t> rows,
                                                    int64_t vectors, int64_t lanes, RowsOperand lhs,
                                                    ArrayRef<Value> panels, Value depth) {
  ByteProduct product(b, lanes);
  auto prepareWeights = [&](Value weights) { return product.prepareWeights(weights); };
  auto prepareBytes = [&](Value bytes) { return product.prepareBytes(bytes); };
  auto add = [&](Value sum, const ByteProduct::Parts &bytes, const ByteProduct::Parts &weights) {
    return product.add(sum, bytes, weights);
  };
  Type i32 = b.getI32Type();
  return accumulate(b, {i32, i32, prepareWeights, prepareBytes, add}, sums, rows, vectors, lanes, lhs, panels, depth);
}

//===----------------------------------------------------------------------===//
// Targets
//===----------------------------------------------------------------------===//

static const TargetInfo &vnniTarget() {
  static const TargetInfo target = [] {
    TargetInfo info = *findTarget("x86-64-v4");
    info.name += "+vnni";
    info.features.push_back(vnni.str());
    return info;
  }();
  return target;
}

SmallVector<const TargetInfo *> nestor::kernels::quantTargets(ArrayRef<const TargetInfo *> targets) {
  SmallVector<const TargetInfo *> all(targets);
  if (llvm::is_contained(targets, findTarget("x86-64-v4")))
    all.push_back(&vnniTarget());
  return all;
}

const TargetInfo &nestor::kernels::quantHostTarget() {
  const TargetInfo &host = hostTarget();
  bool hasVnni = host.name == "x86-64-v4" && llvm::sys::getHostCPUFeatures().lookup(vnni);
  return hasVnni ? vnniTarget() : host;
}
