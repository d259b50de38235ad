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
// Arm's usdot is VNNI's instruction; sdot, which more machines have, takes bytes
// with a sign: 128 less, which costs one more product for a vector of weights.
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

/// The instruction that adds the four products of a lane to its sum.
enum class ByteDot { none, vpdpbusd, usdot, sdot };

ByteDot byteDotOf(const TargetInfo &target) {
  auto has = [&](StringRef feature) { return llvm::is_contained(target.features, feature); };
  return has("avx512vnni") ? ByteDot::vpdpbusd
         : has("i8mm")     ? ByteDot::usdot
         : has("dotprod")  ? ByteDot::sdot
                           : ByteDot::none;
}

/// Four bytes 128: xor with it takes 128 off each, as bytes with a sign.
constexpr int64_t topBits = int32_t(0x80808080);

/// How one instruction set multiplies a vector of weights with the bytes of a
/// pixel. Weights and bytes are prepared once for all that they meet.
class ByteProduct {
public:
  ByteProduct(KernelBuilder &b, int64_t lanes)
      : b(b), dot(byteDotOf(b.target)), lanes(lanes), i32s(VectorType::get(lanes, b.getI32Type())) {}

  using Parts = ElementProduct::Prepared;
  /// `weights`: the 32 bits of each lane. `bytes`: an i32 that all lanes meet.
  Parts prepareWeights(Value weights);
  Parts prepareBytes(Value bytes);
  Value add(Value sum, const Parts &bytes, const Parts &weights);
  /// By what `prepareBytes` changes the bytes, prepared; or nothing.
  Parts offset();

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
  ByteDot dot;
  int64_t lanes;
  VectorType i32s;
};

ByteProduct::Parts ByteProduct::prepareWeights(Value weights) {
  if (dot != ByteDot::none)
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
  if (dot == ByteDot::sdot)
    bytes = arith::XOrIOp::create(b, bytes, scalar(topBits));
  if (dot != ByteDot::none)
    return {as(b.broadcast(bytes, lanes), 8)};
  if (isX86())
    return {as(field(0, 0x00ff00ff), 16), as(field(8, 0x00ff00ff), 16)};
  Parts parts;
  for (int64_t k = 0; k < 4; ++k)
    parts.push_back(field(8 * k, 0xff));
  return parts;
}

ByteProduct::Parts ByteProduct::offset() {
  return dot == ByteDot::sdot ? Parts{as(constant(i32s, topBits), 8)} : Parts();
}

Value ByteProduct::add(Value sum, const Parts &bytes, const Parts &weights) {
  if (dot != ByteDot::none)
    return call(dot == ByteDot::vpdpbusd ? "llvm.x86.avx512.vpdpbusd.512"
                : dot == ByteDot::usdot  ? "llvm.aarch64.neon.usdot.v4i32.v16i8"
                                         : "llvm.aarch64.neon.sdot.v4i32.v16i8",
                {sum, bytes[0], weights[0]});
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

/// Without one instruction for bytes weights are two vectors (four without
/// vpmaddwd), bytes too; with sdot they have a sum besides those of the rows.
Tile nestor::kernels::quantTile(const TargetInfo &target, int64_t rows, bool narrow, bool aliased) {
  Tile tile = matmulTile(target, rows, narrow, aliased);
  ByteDot dot = byteDotOf(target);
  if (dot == ByteDot::vpdpbusd || dot == ByteDot::usdot)
    return tile;
  int64_t vectors = panelWidth / target.vectorLanes;
  int64_t parts = target.arch == "x86_64" || dot == ByteDot::sdot ? 2 : 4;
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
  return accumulate(b, {i32, i32, prepareWeights, prepareBytes, add, product.offset()}, sums, rows, vectors, lanes,
                    lhs, panels, depth);
}

//===----------------------------------------------------------------------===//
// Targets
//===----------------------------------------------------------------------===//

namespace {
/// A target that has more instructions for bytes than `base`.
struct Extension {
  const TargetInfo *base;
  SmallVector<std::string> added; ///< Features.
  TargetInfo target;
};
} // namespace

/// Of one base from the least to the most capable.
static ArrayRef<Extension> extensions() {
  static const SmallVector<Extension, 3> all = [] {
    SmallVector<Extension, 3> list;
    auto extend = [&](StringRef base, StringRef suffix, SmallVector<std::string> added) {
      TargetInfo target = *findTarget(base);
      target.name += suffix;
      target.features.append(added);
      list.push_back({findTarget(base), added, target});
    };
    extend("x86-64-v4", "+vnni", {"avx512vnni"});
    extend("aarch64+neon", "+dotprod", {"dotprod"});
    extend("aarch64+neon", "+i8mm", {"dotprod", "i8mm"});
    return list;
  }();
  return all;
}

SmallVector<const TargetInfo *> nestor::kernels::quantTargets(ArrayRef<const TargetInfo *> targets) {
  SmallVector<const TargetInfo *> all(targets);
  for (const Extension &extension : extensions())
    if (llvm::is_contained(targets, extension.base))
      all.push_back(&extension.target);
  return all;
}

const TargetInfo &nestor::kernels::quantHostTarget() {
  const TargetInfo &host = hostTarget(), *best = &host;
  llvm::StringMap<bool> features = llvm::sys::getHostCPUFeatures();
  for (const Extension &extension : extensions())
    if (extension.base == &host &&
        llvm::all_of(extension.added, [&](const std::string &feature) { return features.lookup(feature); }))
      best = &extension.target;
  return *best;
}
