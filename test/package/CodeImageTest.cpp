//===- CodeImageTest.cpp - Kernels become self-contained images -----------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "compiler/package/CodeImage.h"

#include "compiler/kernels/KernelBuilder.h"
#include "compiler/kernels/Lowering.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/BuiltinOps.h"

#include <gtest/gtest.h>

using namespace nestor;
using namespace mlir;

namespace {

/// Adds `addend` to every element of [begin, end).
kernels::KernelSpec addKernel(int addend) {
  kernels::KernelSpec spec;
  spec.name = "add_" + std::to_string(addend);
  spec.emit = [addend](func::FuncOp func, const kernels::TargetInfo &target) {
    kernels::KernelBuilder b(func, target);
    Type f32 = b.getF32Type();
    Value data = b.arg(0);
    b.vectorLoop(b.begin(), b.end(), b.lanesFor(f32), [&](Value index, kernels::Lanes lanes) {
      Value value = b.load(f32, data, index, lanes);
      Value constant = b.constant(value.getType(), addend);
      b.store(arith::AddFOp::create(b, value, constant), data, index, lanes);
    });
    return success();
  };
  return spec;
}

/// Calls a function that exists nowhere.
kernels::KernelSpec callingKernel() {
  kernels::KernelSpec spec;
  spec.name = "caller";
  spec.emit = [](func::FuncOp func, const kernels::TargetInfo &target) {
    kernels::KernelBuilder b(func, target);
    OpBuilder outer = OpBuilder::atBlockBegin(func->getBlock());
    auto missing = func::FuncOp::create(outer, func.getLoc(), "missing_function",
                                        outer.getFunctionType({}, {}));
    missing.setPrivate();
    func::CallOp::create(b, missing, ValueRange());
    return success();
  };
  return spec;
}

class CodeImageTest : public testing::Test {
protected:
  CodeImageTest() {
    DialectRegistry registry;
    kernels::registerKernelDialects(registry);
    context.appendDialectRegistry(registry);
    context.loadAllAvailableDialects();
  }
  std::vector<const kernels::TargetInfo *> allTargets() {
    std::vector<const kernels::TargetInfo *> targets;
    for (const kernels::TargetInfo &target : kernels::allTargets())
      targets.push_back(&target);
    return targets;
  }
  MLIRContext context;
};

TEST_F(CodeImageTest, HasEveryKernelForEveryTarget) {
  std::vector<kernels::KernelSpec> specs;
  for (int i = 0; i < 10; ++i)
    specs.push_back(addKernel(i));
  auto images = package::buildCodeImages(specs, allTargets(), context);
  ASSERT_TRUE(succeeded(images));
  ASSERT_EQ(images->size(), allTargets().size());
  for (const package::CodeImage &image : *images) {
    EXPECT_EQ(image.entries.size(), specs.size()) << image.target->name;
    std::set<uint64_t> distinct(image.entries.begin(), image.entries.end());
    EXPECT_EQ(distinct.size(), specs.size()) << image.target->name;
  }
}

TEST_F(CodeImageTest, DoesNotDependOnThreads) {
  std::vector<kernels::KernelSpec> specs;
  for (int i = 0; i < 10; ++i)
    specs.push_back(addKernel(i));
  auto parallel = package::buildCodeImages(specs, allTargets(), context);
  context.disableMultithreading();
  auto serial = package::buildCodeImages(specs, allTargets(), context);
  ASSERT_TRUE(succeeded(parallel) && succeeded(serial));
  for (size_t i = 0; i < serial->size(); ++i)
    EXPECT_EQ((*parallel)[i].elf, (*serial)[i].elf) << (*serial)[i].target->name;
}

TEST_F(CodeImageTest, NamesAnUndefinedSymbol) {
  std::string message;
  ScopedDiagnosticHandler handler(&context, [&](Diagnostic &diagnostic) {
    message += diagnostic.str();
    return success();
  });
  EXPECT_TRUE(failed(package::buildCodeImages({callingKernel()}, allTargets(), context)));
  EXPECT_NE(message.find("missing_function"), std::string::npos) << message;
}

} // namespace
