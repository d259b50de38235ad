//===- TileTest.cpp - Every tile computes the same ------------------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "compiler/ir/NestDialect.h"
#include "compiler/kernels/Lowering.h"
#include "compiler/kernels/TileChoice.h"
#include "passes/Passes.h"
#include "test/numerics/KernelRunner.h"

#include "mlir/IR/MLIRContext.h"
#include "mlir/Parser/Parser.h"
#include "mlir/Pass/PassManager.h"
#include "llvm/Support/raw_ostream.h"

#include "gtest/gtest.h"

using namespace mlir;
using namespace nestor;
using namespace nestor::test;

namespace {

class TileTest : public testing::Test {
protected:
  TileTest() {
    DialectRegistry registry;
    registry.insert<nest::NestDialect, func::FuncDialect>();
    kernels::registerKernelDialects(registry);
    context.appendDialectRegistry(registry);
  }

  Operation *parse(const std::string &source) {
    module = parseSourceString<ModuleOp>(source, &context);
    return (*module->getOps<func::FuncOp>().begin()).front().getTerminator()->getPrevNode();
  }

  /// The tiles of the operation of `source` on this machine's best target, its filter packed.
  SmallVector<kernels::TileShape> tilesOf(const std::string &source) {
    parse(source);
    PassManager passes(&context, func::FuncOp::getOperationName());
    passes.addPass(createPackFiltersPass());
    EXPECT_TRUE(succeeded(passes.run(*module->getOps<func::FuncOp>().begin())));
    Operation *packed = (*module->getOps<func::FuncOp>().begin()).front().getTerminator()->getPrevNode();
    return kernels::tilesToChoose(packed, kernels::hostTarget());
  }

  /// Checks the operation of `source` with each of its tiles.
  void checkTiles(const std::string &source, size_t least, double tolerance = 1e-5) {
    SmallVector<kernels::TileShape> tiles = tilesOf(source);
    EXPECT_GE(tiles.size(), least) << source;
    Operation *op = parse(source);
    for (const kernels::TileShape &tile : tiles) {
      kernels::setTile(op, kernels::hostTarget(), tile);
      std::string text;
      llvm::raw_string_ostream(text) << *module;
      checkOperation(text, /*seed=*/1, tolerance, {}, createPackFiltersPass());
    }
  }

  MLIRContext context;
  OwningOpRef<ModuleOp> module;
};

const char *const kDirect = R"(
func.func @f(%x: tensor<1x5x17x20xf32>, %w: tensor<5x9x20x16xf32>, %b: tensor<72xf32>) -> tensor<1x5x17x72xf32> {
  %y = nest.conv %x, %w bias %b {kernel = array<i64: 3, 3>, strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>,
      padBegin = array<i64: 1, 1>, padEnd = array<i64: 1, 1>, groups = 1 : i64, packed}
    : (tensor<1x5x17x20xf32>, tensor<5x9x20x16xf32>, tensor<72xf32>) -> tensor<1x5x17x72xf32>
  return %y : tensor<1x5x17x72xf32>
}
)";

TEST_F(TileTest, DirectConvolutions) { checkTiles(kDirect, 2); }

TEST_F(TileTest, Pixels) {
  checkTiles(R"(
func.func @f(%x: tensor<1x9x11x24xf32>, %w: tensor<4x1x24x16xf32>) -> tensor<1x9x11x64xf32> {
  %y = nest.conv %x, %w {kernel = array<i64: 1, 1>, strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>,
      padBegin = array<i64: 0, 0>, padEnd = array<i64: 0, 0>, groups = 1 : i64, packed}
    : (tensor<1x9x11x24xf32>, tensor<4x1x24x16xf32>) -> tensor<1x9x11x64xf32>
  return %y : tensor<1x9x11x64xf32>
}
)",
             2);
}

TEST_F(TileTest, WinogradConvolutions) {
  checkTiles(R"(
func.func @f(%x: tensor<1x18x15x20xf32>, %w: tensor<3x3x20x40xf32>) -> tensor<1x18x15x40xf32> {
  %y = nest.conv %x, %w {kernel = array<i64: 3, 3>, strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>,
      padBegin = array<i64: 1, 1>, padEnd = array<i64: 1, 1>, groups = 1 : i64, nest.winograd = 4 : i64}
    : (tensor<1x18x15x20xf32>, tensor<3x3x20x40xf32>) -> tensor<1x18x15x40xf32>
  return %y : tensor<1x18x15x40xf32>
}
)",
             2, 1e-4);
}

TEST_F(TileTest, DepthwiseConvolutions) {
  checkTiles(R"(
func.func @f(%x: tensor<1x7x16x20xf32>, %w: tensor<2x9x1x16xf32>) -> tensor<1x7x16x20xf32> {
  %y = nest.conv %x, %w {kernel = array<i64: 3, 3>, strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>,
      padBegin = array<i64: 1, 1>, padEnd = array<i64: 1, 1>, groups = 20 : i64, packed}
    : (tensor<1x7x16x20xf32>, tensor<2x9x1x16xf32>) -> tensor<1x7x16x20xf32>
  return %y : tensor<1x7x16x20xf32>
}
)",
             2);
}

TEST_F(TileTest, Products) {
  checkTiles(R"(
func.func @f(%x: tensor<2x19x24xf32>, %y: tensor<2x24x50xf32>) -> tensor<2x19x50xf32> {
  %z = nest.matmul %x, %y : (tensor<2x19x24xf32>, tensor<2x24x50xf32>) -> tensor<2x19x50xf32>
  return %z : tensor<2x19x50xf32>
}
)",
             2);
}

TEST_F(TileTest, ATileIsPartOfAKernelsName) {
  Operation *op = parse(kDirect);
  auto nameOf = [&] { return (*kernels::describeCalls(op)).back().spec.name; };
  std::string table = nameOf();
  SmallVector<kernels::TileShape> tiles = kernels::tilesToChoose(op, kernels::hostTarget());
  kernels::setTile(op, kernels::hostTarget(), tiles.back());
  EXPECT_NE(nameOf(), table);
  EXPECT_NE((*kernels::describeCalls(op)).back().spec.signature.find(" tile " + kernels::spell(tiles.back())),
            std::string::npos);
}

TEST_F(TileTest, RefusesATileThatIsNotToChoose) {
  Operation *op = parse(kDirect);
  std::string message;
  ScopedDiagnosticHandler handler(&context, [&](Diagnostic &diagnostic) {
    message = diagnostic.str();
    return success();
  });
  kernels::setTile(op, *kernels::findTarget("x86-64-v3"), {14, 2});
  EXPECT_TRUE(failed(kernels::describeCalls(op)));
  EXPECT_EQ(message, "nest.tiles of 'x86-64-v3' is array<i64: 14, 2>, which this kernel cannot have");
}

} // namespace
