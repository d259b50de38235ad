//===- BlocksTest.cpp - Blocks, cuts and live tensors of plans ------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "test/package/NestedModel.h"
#include "test/support/CompiledModel.h"

#include "compiler/package/Cuts.h"
#include "compiler/package/Trim.h"

#include "mlir/Parser/Parser.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/xxhash.h"

#include <gtest/gtest.h>

using namespace nestor;
using namespace mlir;

namespace {

/// A residual network of two inputs and two outputs: the second input is read
/// in the last block, the second output is computed in the second one.
constexpr StringLiteral kResidual = R"(
  func.func @main(%x: tensor<8x64xf32> {nest.name = "x"}, %late: tensor<8x64xf32> {nest.name = "late"})
      -> (tensor<8x64xf32> {nest.name = "y"}, tensor<8x64xf32> {nest.name = "early"}) {
    %w = nest.const dense<0.5> : tensor<64x64xf32>
    %v = nest.const dense<0.25> : tensor<64x64xf32>
    %0 = nest.matmul %x, %w : (tensor<8x64xf32>, tensor<64x64xf32>) -> tensor<8x64xf32> loc("first")
    %1 = nest.matmul %0, %v : (tensor<8x64xf32>, tensor<64x64xf32>) -> tensor<8x64xf32> loc("second")
    %early = nest.map %1 : tensor<8x64xf32> -> tensor<8x64xf32> {
    ^bb0(%a: f32):
      %n = arith.negf %a : f32
      nest.yield %n : f32
    } loc("negate")
    %2 = nest.matmul %1, %w : (tensor<8x64xf32>, tensor<64x64xf32>) -> tensor<8x64xf32> loc("third")
    %3 = nest.map %2, %0, %late : tensor<8x64xf32>, tensor<8x64xf32>, tensor<8x64xf32> -> tensor<8x64xf32> {
    ^bb0(%a: f32, %b: f32, %c: f32):
      %s = arith.addf %a, %b : f32
      %t = arith.addf %s, %c : f32
      nest.yield %t : f32
    } loc("add")
    return %3, %early : tensor<8x64xf32>, tensor<8x64xf32>
  })";

class BlocksTest : public testing::Test {
protected:
  driver::CompileResult build(StringRef text, const driver::CompileOptions &options = {}) {
    OwningOpRef<ModuleOp> module = parseSourceString<ModuleOp>(text, context.get());
    EXPECT_TRUE(module);
    return driver::compileModule(std::move(module), options, *context);
  }
  void compile(StringRef text, const driver::CompileOptions &options = {}) {
    open(build(text, options));
  }
  void open(driver::CompileResult compiled) {
    result = std::move(compiled);
    ASSERT_TRUE(result.ok()) << result.message;
    bytes = driver::toMemory(result);
    auto opened = Artifact::open(bytes->getBufferStart(), bytes->getBufferSize());
    ASSERT_TRUE(opened.ok()) << opened.status().message();
    artifact = opened.value();
  }
  const format::Manifest &manifest() const { return result.plan.manifest; }

  static std::vector<std::string> namesOf(const CutInfo &cut) {
    std::vector<std::string> names;
    for (const LiveTensorInfo &live : cut.live)
      names.push_back(live.name);
    return names;
  }

  std::unique_ptr<MLIRContext> context = driver::createContext();
  driver::CompileResult result;
  std::unique_ptr<llvm::MemoryBuffer> bytes;
  std::optional<Artifact> artifact;
};

using Names = std::vector<std::string>;

TEST_F(BlocksTest, LiveTensorsAreWhatTheTailNeeds) {
  compile(kResidual);
  std::vector<CutInfo> cuts = artifact->cuts(0);
  ASSERT_EQ(cuts.size(), 4u);
  EXPECT_EQ(namesOf(cuts[0]), (Names{"x", "late"}));
  EXPECT_EQ(namesOf(cuts[1]), (Names{"late", "first"}));
  // The output that the head has written is alive, too.
  EXPECT_EQ(namesOf(cuts[2]), (Names{"late", "first", "second", "early"}));
  EXPECT_EQ(namesOf(cuts[3]), (Names{"early", "y"}));
  EXPECT_EQ(cuts[0].name, "");
  EXPECT_EQ(cuts[1].name, "first");
  EXPECT_EQ(cuts[2].name, "negate");
  EXPECT_EQ(cuts[3].name, "add");
  EXPECT_EQ(cuts[1].live[1].dims, (std::vector<int64_t>{8, 64}));
  EXPECT_EQ(cuts[2].live_bytes, 4u * 8 * 64 * 4);
  EXPECT_TRUE(cuts[1].dominated) << "the inputs take no more";
  EXPECT_FALSE(cuts[3].dominated);
}

TEST_F(BlocksTest, WorkAddsUp) {
  compile(kResidual);
  std::vector<BlockInfo> blocks = artifact->blocks(0);
  ASSERT_EQ(blocks.size(), 3u);
  uint64_t macs = 0;
  uint32_t steps = 0;
  for (const BlockInfo &block : blocks) {
    macs += block.macs;
    steps += block.steps;
    EXPECT_EQ(block.work.front().kind, WorkKind::matmul);
    EXPECT_GE(block.work.front().macs, 8u * 64 * 64);
    EXPECT_GT(block.activation_bytes, 0u);
    EXPECT_LE(block.activation_bytes, artifact->capacities()[0].arena_bytes);
  }
  EXPECT_EQ(macs, artifact->capacities()[0].macs);
  EXPECT_EQ(steps, artifact->plan(0).steps.size());
  EXPECT_EQ(artifact->cuts(0)[3].macs_before, macs);
  EXPECT_EQ(blocks[1].work.back().kind, WorkKind::elementwise) << "the second output";
}

/// %w is read by the first and the last block, %v by the second alone.
TEST_F(BlocksTest, WeightsLieByBlock) {
  compile(kResidual);
  constexpr uint64_t matrix = 64 * 64 * 4;
  ASSERT_EQ(manifest().block_weights_size(), 2);
  const format::BlockWeights &own = manifest().block_weights(0), &common = manifest().block_weights(1);
  EXPECT_EQ(own.block(), 1u);
  EXPECT_EQ(common.block(), 3u);
  EXPECT_EQ(own.offset(), 0u);
  EXPECT_EQ(common.offset(), matrix);
  EXPECT_EQ(own.size(), matrix);
  std::vector<BlockInfo> blocks = artifact->blocks(0);
  for (const BlockInfo &block : blocks)
    EXPECT_EQ(block.weight_bytes, matrix) << "block " << block.index;
  EXPECT_TRUE(blocks[0].weights.empty());
  ASSERT_EQ(blocks[1].weights.size(), 1u);
  StringRef range = bytes->getBuffer().substr(blocks[1].weights[0].offset, matrix);
  EXPECT_EQ(own.hash(), llvm::xxh3_64bits(range));
}

TEST_F(BlocksTest, CapacitiesHaveTheSameBlocks) {
  compile(test::nestedModel());
  size_t blocks = artifact->blocks(2).size();
  EXPECT_GE(blocks, 4u);
  for (size_t index = 0; index < 3; ++index) {
    ASSERT_EQ(artifact->blocks(index).size(), blocks);
    ASSERT_EQ(artifact->cuts(index).size(), blocks + 1);
    for (size_t cut = 0; cut <= blocks; ++cut) {
      EXPECT_EQ(artifact->cuts(index)[cut].name, artifact->cuts(2)[cut].name);
      EXPECT_EQ(namesOf(artifact->cuts(index)[cut]), namesOf(artifact->cuts(2)[cut]));
      EXPECT_LE(artifact->cuts(index)[cut].live_bytes, artifact->cuts(2)[cut].live_bytes);
    }
  }
}

/// What a file without some blocks says of the others.
class TrimTest : public BlocksTest {
protected:
  void openWithVariant(driver::CompileResult whole, driver::CompileResult variant) {
    whole.variants.push_back({"int8", std::move(variant.module), std::move(variant.plan),
                              std::move(variant.images)});
    open(std::move(whole));
  }

  Artifact trim(uint32_t first, uint32_t end) {
    SmallString<128> path;
    EXPECT_FALSE(llvm::sys::fs::createTemporaryFile("trim", "nest", path));
    options.capacities = artifact->capacities().size();
    options.blocks = {first, end};
    llvm::Error error = package::trimArtifact(bytes->getBuffer(), options, path);
    EXPECT_FALSE(bool(error)) << toString(std::move(error));
    auto opened = Artifact::open(path.str().str(), ArtifactOptions().verify(Verify::all));
    EXPECT_TRUE(opened.ok()) << opened.status().message();
    llvm::sys::fs::remove(path); // The mapping stays.
    return opened.value();
  }

  package::TrimOptions options;
};

TEST_F(TrimTest, KeepsStepsAndWeightsOfItsBlocks) {
  compile(test::nestedModel());
  uint32_t count = artifact->blocks(0).size();
  for (uint32_t first = 0; first < count; ++first) {
    Artifact part = trim(first, first + 1);
    EXPECT_EQ(part.present_blocks().first, first);
    EXPECT_EQ(part.present_blocks().end, first + 1);
    EXPECT_LT(part.file_bytes(), artifact->file_bytes());
    for (size_t index = 0; index < 3; ++index) {
      std::vector<BlockInfo> before = artifact->blocks(index), after = part.blocks(index);
      ASSERT_EQ(after.size(), count);
      EXPECT_EQ(part.plan(index).steps.size(), before[first].steps);
      for (uint32_t block = 0; block < count; ++block) {
        EXPECT_EQ(after[block].steps, block == first ? before[block].steps : 0);
        EXPECT_EQ(after[block].macs, before[block].macs);
        EXPECT_EQ(after[block].weights.size(), block == first ? before[block].weights.size() : 0);
      }
      EXPECT_EQ(part.cuts(index).size(), count + 1);
    }
  }
}

TEST_F(TrimTest, KeepsTheBytesThatStepsRead) {
  compile(kResidual);
  Artifact head = trim(0, 2);
  EXPECT_EQ(head.plan(0).steps.size(),
            artifact->blocks(0)[0].steps + size_t(artifact->blocks(0)[1].steps));
  // Both matrices are still needed, but the last block's steps are not there.
  EXPECT_EQ(trim(2, 3).sections().back().bytes, 64u * 64 * 4);
  EXPECT_EQ(head.sections().back().bytes, 2u * 64 * 64 * 4);
}

TEST_F(TrimTest, KeepsTheVariantsThatItIsTold) {
  openWithVariant(build(test::nestedModel()), build(test::nestedModel()));
  EXPECT_EQ(trim(0, 2).variant("int8").status().code(), StatusCode::not_found);
  options.variants["int8"] = 2;
  Artifact kept = trim(0, 2).variant("int8").value();
  EXPECT_EQ(kept.capacities().size(), 2u);
  EXPECT_EQ(kept.present_blocks().end, 2u);
  EXPECT_LT(kept.file_bytes(), artifact->variant("int8").value().file_bytes());
}

/// A variant of another model, which no compiler makes.
TEST_F(TrimTest, RefusesVariantsWithOtherBlocks) {
  openWithVariant(build(kResidual), build(test::nestedModel()));
  options.capacities = 1;
  options.blocks = {0, 2};
  options.variants["int8"] = 1;
  std::string path = testing::TempDir() + "nestor_other_blocks.nest";
  std::string problem = toString(package::trimArtifact(bytes->getBuffer(), options, path));
  EXPECT_NE(problem.find("its variant int8: it is cut into"), std::string::npos) << problem;
  EXPECT_FALSE(llvm::sys::fs::exists(path));
}

/// The sum has an operand of the second block, so that the product can take it
/// only behind the cut.
constexpr StringLiteral kFusible = R"(
  func.func @main(%x: tensor<8x64xf32> {nest.name = "x"}) -> (tensor<8x64xf32> {nest.name = "y"}) {
    %w = nest.const dense<0.5> : tensor<64x64xf32>
    %0 = nest.matmul %x, %w : (tensor<8x64xf32>, tensor<64x64xf32>) -> tensor<8x64xf32> loc("product")
    %ones = nest.const dense<1.0> : tensor<1x8xf32>
    %1 = nest.matmul %ones, %x : (tensor<1x8xf32>, tensor<8x64xf32>) -> tensor<1x64xf32> loc("sums")
    %2 = nest.map %0, %1 : tensor<8x64xf32>, tensor<1x64xf32> -> tensor<8x64xf32> {
    ^bb0(%a: f32, %b: f32):
      %s = arith.addf %a, %b : f32
      nest.yield %s : f32
    } loc("add")
    return %2 : tensor<8x64xf32>
  })";

TEST_F(BlocksTest, FusingCostsTheCutsInside) {
  compile(kFusible);
  EXPECT_EQ(artifact->blocks(0).size(), 2u);
  EXPECT_TRUE(result.notes.empty());
  size_t apart = artifact->plan(0).steps.size();
  driver::CompileOptions options;
  options.fuseAcrossCuts = true;
  compile(kFusible, options);
  EXPECT_EQ(artifact->blocks(0).size(), 1u);
  EXPECT_LT(artifact->plan(0).steps.size(), apart);
  ASSERT_EQ(result.notes.size(), 1u);
  EXPECT_EQ(result.notes[0], "cuts lost inside of what is fused: 1 (product + add)");
}

package::HeldTensor held(format::Space space, uint64_t bytes, unsigned first, unsigned last,
                         uint64_t offset = 0) {
  package::HeldTensor tensor;
  tensor.tensor.set_space(space);
  tensor.tensor.set_offset(offset);
  tensor.bytes = bytes;
  tensor.first = first;
  tensor.last = last;
  return tensor;
}

/// Two layers, one a block; the first writes 128 bytes that the second reads.
TEST(DescribeCuts, MeasuresActivations) {
  format::Capacity capacity;
  capacity.add_blocks();
  capacity.add_blocks();
  capacity.add_blocks(); // Left out by this capacity.
  package::Buffer buffers[] = {{128, 0, 1, 0}, {64, 1, 1, 128}};
  package::HeldTensor tensors[] = {held(format::MODEL_INPUT, 256, 0, 0),
                                   held(format::ARENA, 128, 1, 1),
                                   held(format::MODEL_OUTPUT, 32, 2, 2)};
  auto live = package::describeCuts(capacity, tensors, buffers, {0, 1, 2, 2});
  ASSERT_TRUE(live);
  EXPECT_EQ(*live, (std::vector<uint64_t>{256, 128, 32, 32}));
  EXPECT_EQ(capacity.blocks(0).activation_bytes(), 128u);
  EXPECT_EQ(capacity.blocks(1).activation_bytes(), 192u);
  EXPECT_EQ(capacity.blocks(2).activation_bytes(), 0u);
  EXPECT_EQ(capacity.cuts(0).front_bytes(), 0u);
  EXPECT_EQ(capacity.cuts(0).back_bytes(), 192u);
  EXPECT_EQ(capacity.cuts(1).front_bytes(), 128u);
  EXPECT_EQ(capacity.cuts(3).back_bytes(), 0u);
  EXPECT_EQ(package::dominatedCuts(*live), (std::vector<bool>{false, false, false, false}));
  EXPECT_EQ(package::dominatedCuts({8, 8, 9, 4, 4, 9}),
            (std::vector<bool>{false, true, true, false, true, false}));
}

TEST(DescribeCuts, NoticesOverlappingTensors) {
  format::Capacity capacity;
  capacity.add_blocks();
  package::HeldTensor tensors[] = {held(format::ARENA, 128, 0, 9, 0),
                                   held(format::ARENA, 128, 0, 9, 64)};
  EXPECT_FALSE(package::describeCuts(capacity, tensors, {}, {0, 1}));
}

/// Two parts of one tensor, and it; then one of another buffer in its place.
TEST(DescribeCuts, PartsOfATensorMayMeetIt) {
  package::Buffer buffers[] = {{256, 0, 1, 0}, {256, 0, 1, 192}};
  std::vector<package::HeldTensor> tensors = {held(format::ARENA_ROWS, 128, 0, 9, 0),
                                              held(format::ARENA_ROWS, 128, 0, 9, 64),
                                              held(format::ARENA, 256, 0, 9, 0)};
  for (bool inPlace : {false, true}) {
    format::Capacity capacity;
    capacity.add_blocks();
    EXPECT_EQ(bool(package::describeCuts(capacity, tensors, buffers, {0, 1})), !inPlace);
    tensors.push_back(held(format::ARENA_ROWS, 4, 0, 9, 192));
    tensors.back().buffer = 1;
  }
}

} // namespace
