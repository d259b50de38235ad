//===- NestTest.cpp - Channels in another order, and fewer of them --------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
//
// Permuting channels keeps what a function computes. A capacity computes what
// the full function does when every index that it leaves out is zero after
// every operation.
//
//===----------------------------------------------------------------------===//

#include "Equivalence.h"
#include "RandomGraph.h"

#include "compiler/ir/Nested.h"
#include "passes/ChannelGroups.h"
#include "passes/Passes.h"
#include "passes/Utils.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/IR/Verifier.h"
#include "mlir/Pass/PassManager.h"

#include <random>

using namespace mlir;
using namespace nestor;
using nestor::reference::TensorValue;

namespace {

constexpr unsigned kSeeds = 600;

std::string textOf(ModuleOp module) {
  std::string text;
  llvm::raw_string_ostream stream(text);
  module.print(stream, OpPrintingFlags().elideLargeElementsAttrs(16));
  return text;
}

/// A random network as nesting gets it.
OwningOpRef<ModuleOp> preparedGraph(MLIRContext &context, unsigned seed) {
  context
      .loadDialect<nest::NestDialect, arith::ArithDialect, func::FuncDialect, math::MathDialect>();
  OwningOpRef<ModuleOp> module =
      seed % 4 ? test::randomNetwork(context, seed) : test::randomGraph(context, seed);
  PassManager manager(&context);
  buildPreparePipeline(manager);
  EXPECT_TRUE(succeeded(manager.run(*module)));
  return module;
}

func::FuncOp mainOf(ModuleOp module) { return module.lookupSymbol<func::FuncOp>("main"); }

std::vector<TensorValue> evaluate(func::FuncOp func, unsigned seed) {
  SmallVector<TensorValue> results;
  EXPECT_TRUE(succeeded(reference::evaluate(func, test::randomInputs(func, seed), results)));
  return {results.begin(), results.end()};
}

/// Ascending widths, the last ones full. No branch is left out.
CapacityPlan randomPlan(const ChannelGroups &groups, std::mt19937 &random) {
  CapacityPlan plan;
  plan.widths.resize(1 + random() % 4);
  for (const ChannelGroup &group : groups.groups()) {
    SmallVector<int64_t> widths{group.channels};
    while (widths.size() < plan.widths.size())
      widths.push_back(1 + random() % group.channels);
    llvm::sort(widths);
    for (auto [capacity, width] : llvm::zip(plan.widths, widths))
      capacity.push_back(width);
  }
  return plan;
}

/// Each capacity leaves out some residual branches, larger ones fewer.
void skipBlocks(CapacityPlan &plan, func::FuncOp main, std::mt19937 &random) {
  SmallVector<int64_t> skipped;
  int64_t blocks = skippableBlocks(main).size();
  for (size_t left = plan.widths.size(); left-- > 0;) {
    plan.skipped.insert(plan.skipped.begin(), skipped);
    for (int64_t block = 0; block < blocks; ++block)
      if (random() % 3 == 0 && !llvm::is_contained(skipped, block))
        skipped.push_back(block);
  }
}

/// Sets the elements to zero of which some index is no channel that is kept.
void dropChannels(TensorValue &tensor, Value value, const ChannelGroups &groups,
                  ArrayRef<int64_t> widths) {
  ArrayRef<int64_t> shape = shapeOf(value);
  int64_t inner = tensor.size();
  for (unsigned dim = 0; dim < shape.size(); ++dim) {
    inner /= shape[dim];
    std::vector<bool> kept;
    for (const ChannelRun &run : groups.runs(value, dim))
      for (int64_t i = run.first; i < run.first + run.length; ++i)
        kept.push_back(run.group < 0 || i < widths[run.group]);
    if (kept.empty())
      continue;
    ASSERT_EQ(int64_t(kept.size()), shape[dim]) << "runs do not cover the dimension";
    for (int64_t i = 0; i < tensor.size(); ++i)
      if (!kept[i / inner % shape[dim]])
        tensor.as<float>()[i] = 0;
  }
}

/// Whether `op` is a weight or a bias of a recurrent layer. A hidden unit whose
/// rows are zero stays zero.
bool isOfRecurrent(Operation *op) {
  return isa<nest::ConstOp>(op) && llvm::any_of(op->getUsers(), [](Operation *user) {
           return isa<nest::LstmOp, nest::GruOp, nest::RnnOp>(user);
         });
}

/// What `func` computes if channels and branches that are left out are zero.
std::vector<TensorValue> evaluateAt(func::FuncOp func, const ChannelGroups &groups,
                                    const CapacityPlan &plan, size_t capacity, unsigned seed) {
  ArrayRef<int64_t> widths = plan.widths[capacity];
  llvm::DenseMap<Operation *, unsigned> branches;
  std::vector<ResidualBlock> blocks = skippableBlocks(func);
  for (int64_t block : plan.skipped[capacity])
    branches[blocks[block].add] = blocks[block].branch;
  llvm::DenseMap<Value, TensorValue> values;
  for (auto [argument, input] : llvm::zip(func.getArguments(), test::randomInputs(func, seed)))
    values[argument] = input;
  std::vector<TensorValue> operands;
  for (Operation &op : func.getBody().front()) {
    operands.clear();
    for (Value operand : op.getOperands())
      operands.push_back(values.at(operand));
    if (auto branch = branches.find(&op); branch != branches.end())
      operands[branch->second] = TensorValue::zeros(operands[branch->second].type);
    if (op.hasTrait<OpTrait::IsTerminator>())
      break;
    SmallVector<TensorValue> results;
    EXPECT_TRUE(succeeded(reference::evaluate(&op, operands, results)));
    for (auto [value, result] : llvm::zip(op.getResults(), results)) {
      if (!isa<nest::ConstOp>(op) || isOfRecurrent(&op))
        dropChannels(result, value, groups, widths);
      values[value] = result;
    }
  }
  return operands;
}

/// By the types in `func` alone.
uint64_t macsIn(func::FuncOp func) {
  uint64_t macs = 0;
  func.walk([&](Operation *op) {
    if (auto conv = dyn_cast<nest::ConvOp>(op)) {
      ArrayRef<int64_t> filter = shapeOf(conv.getFilter());
      uint64_t each = tensorType(conv.getResult()).getNumElements();
      for (int64_t extent : filter.drop_back())
        each *= extent;
      macs += each;
    } else if (auto matmul = dyn_cast<nest::MatmulOp>(op)) {
      ArrayRef<int64_t> lhs = shapeOf(matmul.getLhs());
      macs += tensorType(matmul.getResult()).getNumElements() *
              lhs[lhs.size() - (matmul.getTransposeLhs() ? 2 : 1)];
    } else if (isa<nest::LstmOp, nest::GruOp, nest::RnnOp>(op)) {
      // Each step multiplies both matrices by a vector.
      ArrayRef<int64_t> states = shapeOf(op->getResult(0));
      for (Value matrix : op->getOperands().slice(1, 2))
        macs += states[0] * states[2] * tensorType(matrix).getNumElements();
    }
  });
  return macs;
}

TEST(PermuteChannels, KeepsWhatRandomGraphsCompute) {
  size_t moved = 0;
  for (unsigned seed = 0; seed < kSeeds; ++seed) {
    MLIRContext context(MLIRContext::Threading::DISABLED);
    OwningOpRef<ModuleOp> module = preparedGraph(context, seed);
    func::FuncOp main = mainOf(*module);
    std::vector<TensorValue> want = evaluate(main, seed);
    std::string before = textOf(*module);

    ChannelGroups groups(main);
    std::mt19937 random(seed);
    ChannelOrder order;
    for (const ChannelGroup &group : groups.groups()) {
      order.push_back(llvm::to_vector(llvm::seq<int64_t>(0, group.channels)));
      std::shuffle(order.back().begin(), order.back().end(), random);
      ++moved;
    }
    permuteChannels(main, groups, order);
    ASSERT_TRUE(succeeded(verify(*module))) << "seed " << seed << "\n" << before;
    ASSERT_TRUE(test::areClose(want, evaluate(main, seed))) << "seed " << seed << "\n"
                                                            << before << textOf(*module);

    // Groups keep their numbers.
    ChannelGroups after(main);
    ASSERT_EQ(groups.groups().size(), after.groups().size()) << "seed " << seed << "\n" << before;
    for (auto [a, b] : llvm::zip(groups.groups(), after.groups()))
      ASSERT_EQ(a.channels, b.channels) << "seed " << seed << "\n" << before;
  }
  EXPECT_GT(moved, kSeeds);
}

TEST(NestCapacities, ComputeWhatDroppedChannelsLeave) {
  size_t narrowed = 0, skips = 0;
  for (unsigned seed = 0; seed < kSeeds; ++seed) {
    MLIRContext context(MLIRContext::Threading::DISABLED);
    OwningOpRef<ModuleOp> module = preparedGraph(context, seed);
    func::FuncOp main = mainOf(*module);
    std::string before = textOf(*module);
    std::mt19937 random(seed);
    CapacityPlan plan = randomPlan(ChannelGroups(main), random);

    std::vector<TensorValue> whole = evaluate(main, seed);
    skipBlocks(plan, main, random);
    sortByCapacity(main, ChannelGroups(main), plan);
    ASSERT_TRUE(succeeded(verify(*module))) << "seed " << seed << "\n" << before;
    ASSERT_TRUE(test::areClose(whole, evaluate(main, seed))) << "seed " << seed << "\n" << before;

    ChannelGroups groups(main);
    std::vector<std::vector<TensorValue>> want;
    std::vector<uint64_t> macs;
    for (size_t k = 0; k < plan.widths.size(); ++k) {
      want.push_back(evaluateAt(main, groups, plan, k, seed));
      macs.push_back(macsAt(main, groups, plan.widths[k], plan.skipped[k]));
      skips += plan.skipped[k].size();
    }
    narrowed += macs.front() < macs.back();
    ASSERT_TRUE(succeeded(nestCapacities(*module, groups, plan))) << "seed " << seed << "\n"
                                                                  << before;
    ASSERT_TRUE(succeeded(verify(*module))) << "seed " << seed << "\n" << textOf(*module);
    SmallVector<func::FuncOp> functions = nest::capacityFunctions(*module);
    ASSERT_EQ(functions.size(), plan.widths.size());
    for (auto [capacity, func] : llvm::enumerate(functions)) {
      ASSERT_TRUE(test::areClose(want[capacity], evaluate(func, seed)))
          << "seed " << seed << ", capacity " << capacity << "\n"
          << before << textOf(*module);
      ASSERT_EQ(macs[capacity], macsIn(func)) << "seed " << seed << "\n" << before;
    }
  }
  EXPECT_GT(narrowed, kSeeds / 3);
  EXPECT_GT(skips, kSeeds / 3);
}

} // namespace
