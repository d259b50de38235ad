//===- TrainingImages.cpp - The code that training runs ------------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
//
//   nestor_training_images DIRECTORY TARGET... [--layer SUBSTRING]
//
// Writes ELF images for check_spills.py, as `nestor_kernel_bench --dump` does for
// inference: what forward and backward passes of single layers run, convolutions
// of both, gradients of filters and packing included, directly and in tiles of each
// size that training chooses from. For targets that cannot train here as well: the
// code is only looked at. Prints what each kernel computes.
//
//===----------------------------------------------------------------------===//

#include "compiler/ir/Winograd.h"
#include "compiler/kernels/Lowering.h"
#include "compiler/learn/Gradient.h"
#include "compiler/package/CodeImage.h"
#include "compiler/package/Plan.h"
#include "passes/Passes.h"
#include "passes/WinogradCost.h"
#include "test/numerics/OpText.h"

#include "mlir/IR/MLIRContext.h"
#include "mlir/Parser/Parser.h"
#include "mlir/Pass/PassManager.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/raw_ostream.h"

#include <cstring>

using namespace mlir;
using namespace nestor;

namespace {

/// A square convolution; groups == inputs when depthwise.
struct Layer {
  const char *name;
  int64_t extent, inputs, outputs, kernel, stride;
  bool depthwise = false;
};

// Those of the networks that are trained here, and channels that leave vectors,
// panels and register tiles incomplete, as capacities do.
const Layer layers[] = {
    {"cifar_stem", 32, 3, 16, 3, 1},
    {"cifar_3x3_32", 32, 16, 16, 3, 1},
    {"cifar_3x3_16", 16, 32, 32, 3, 1},
    {"cifar_3x3_8", 8, 64, 64, 3, 1},
    {"cifar_3x3_s2", 16, 32, 64, 3, 2},
    {"narrow_3x3", 14, 24, 40, 3, 1},
    {"narrow_3x3_s2", 15, 8, 24, 3, 2},
    {"1x1_s2", 16, 32, 64, 1, 2},
    {"1x1", 14, 96, 24, 1, 1},
    {"5x5", 14, 8, 20, 5, 1},
    {"depthwise_3x3", 14, 96, 96, 3, 1, true},
    {"depthwise_3x3_s2", 15, 56, 56, 3, 2, true},
    {"depthwise_5x5", 14, 72, 72, 5, 1, true},
    {"classifier", 1, 64, 10, 1, 1},
};

/// Samples that are trained on at once.
constexpr int64_t batch = 4;

/// The sum of relu(conv(relu(%x), %w) + %b) * %t: activations before and behind, as
/// in a network, so that the gradients have their epilogues.
std::string sourceOf(const Layer &layer) {
  using test::arrayAttr, test::tensorType;
  int64_t pad = layer.kernel / 2, out = (layer.extent + 2 * pad - layer.kernel) / layer.stride + 1;
  int64_t groups = layer.depthwise ? layer.inputs : 1;
  std::string x = tensorType({batch, layer.extent, layer.extent, layer.inputs});
  std::string y = tensorType({batch, out, out, layer.outputs}), b = tensorType({layer.outputs});
  std::string w = tensorType({layer.kernel, layer.kernel, layer.inputs / groups, layer.outputs});
  auto twice = [](int64_t value) { return arrayAttr({value, value}); };
  auto relu = [](const char *from, const char *to, const std::string &type) {
    return llvm::formatv(" {1} = nest.map {0} : {2} -> {2} {{\n^bb0(%a: f32):\n %z = arith.constant 0.0 : f32\n"
                         " %m = arith.maximumf %a, %z : f32\n nest.yield %m : f32 }\n",
                         from, to, type)
        .str();
  };
  return llvm::formatv("func.func @main(%x: {0}, %w: {1}, %b: {2}, %t: {3}) -> tensor<1xf32> {{\n", x, w, b, y).str() +
         relu("%x", "%h", x) +
         llvm::formatv(" %y = nest.conv %h, %w bias %b {{kernel = {0}, strides = {1}, dilations = {2}, padBegin = {3},"
                       " padEnd = {3}, groups = {4} : i64} : ({5}, {6}, {7}) -> {8}\n",
                       twice(layer.kernel), twice(layer.stride), twice(1), twice(pad), groups, x, w, b, y)
             .str() +
         relu("%y", "%r", y) +
         llvm::formatv(" %p = nest.map %r, %t : {0}, {0} -> {0} {{\n^bb0(%a: f32, %c: f32):\n %m = arith.mulf %a, %c : f32\n"
                       " nest.yield %m : f32 }\n %s = nest.reduce %p {{kind = #nest.reduce_kind<sum>,"
                       " axes = array<i64: 0, 1, 2, 3>} : ({0}) -> tensor<1x1x1x1xf32>\n"
                       " %l = nest.reshape %s : (tensor<1x1x1x1xf32>) -> tensor<1xf32>\n return %l : tensor<1xf32>\n}\n",
                       y)
             .str();
}

/// All 3x3 convolutions and gradients of filters in tiles of `m`; 0: directly.
/// Returns whether there are any.
bool chooseTiles(func::FuncOp func, int64_t m) {
  bool any = false;
  func.walk([&](Operation *op) {
    std::optional<ConvExtents> extents;
    if (auto conv = dyn_cast<nest::ConvOp>(op))
      extents = winogradExtents(conv);
    else if (auto grad = dyn_cast<nest::ConvFilterGradOp>(op))
      extents = winogradExtents(grad);
    any |= extents.has_value();
    if (extents)
      nest::setWinogradTile(op, {m, extents->stride});
  });
  return any;
}

/// The kernels of a layer and its gradients, made as learn::Executor makes them.
/// None where there is nothing to compute in tiles.
FailureOr<package::Plan> planLayer(ModuleOp module, int64_t m) {
  func::FuncOp func = module.lookupSymbol<func::FuncOp>("main");
  if (failed(learn::appendGradients(func, {0, 1, 2})))
    return failure();
  PassManager finish(module.getContext()), pack(module.getContext());
  PipelineOptions options;
  options.packFilters = false;
  buildFinishPipeline(finish, options);
  buildPackPipeline(pack);
  if (failed(finish.run(module)))
    return failure();
  if (!chooseTiles(func, m) && m)
    return package::Plan();
  if (failed(pack.run(module)))
    return failure();
  package::copySharedResults(func);
  return package::planExecution(func);
}

/// Writes the kernels that no image has yet.
LogicalResult writeImages(const package::Plan &plan, StringRef path, ArrayRef<const kernels::TargetInfo *> targets,
                          llvm::StringSet<> &written, MLIRContext &context) {
  std::vector<kernels::KernelSpec> kernels;
  llvm::copy_if(plan.kernels, std::back_inserter(kernels),
                [&](const kernels::KernelSpec &spec) { return written.insert(spec.name).second; });
  if (kernels.empty())
    return success();
  for (const kernels::KernelSpec &spec : kernels)
    llvm::outs() << spec.name << ": " << spec.signature << "\n";
  auto images = package::buildCodeImages(kernels, targets, context);
  if (failed(images))
    return failure();
  for (const package::CodeImage &image : *images) {
    std::error_code error;
    llvm::raw_fd_ostream file((path + "." + image.target->name + ".so").str(), error);
    if (error)
      return llvm::errs() << path << ": " << error.message() << "\n", failure();
    file << image.elf;
  }
  return success();
}

} // namespace

int main(int argc, char **argv) {
  std::vector<const kernels::TargetInfo *> targets;
  StringRef filter;
  for (int i = 2; i < argc; ++i)
    if (!std::strcmp(argv[i], "--layer") && i + 1 < argc)
      filter = argv[++i];
    else if (const kernels::TargetInfo *target = kernels::findTarget(argv[i]))
      targets.push_back(target);
    else
      return llvm::errs() << "unknown target " << argv[i] << "\n", 2;
  if (targets.empty())
    return llvm::errs() << "usage: nestor_training_images DIRECTORY TARGET... [--layer SUBSTRING]\n", 2;
  DialectRegistry registry;
  registry.insert<nest::NestDialect, func::FuncDialect>();
  kernels::registerKernelDialects(registry);
  MLIRContext context(registry);
  llvm::StringSet<> written;
  for (const Layer &layer : layers)
    for (int64_t m : {0, 2, 4}) {
      if (!StringRef(layer.name).contains(filter))
        continue;
      auto module = parseSourceString<ModuleOp>(sourceOf(layer), &context);
      FailureOr<package::Plan> plan = module ? planLayer(*module, m) : FailureOr<package::Plan>();
      std::string path = llvm::formatv("{0}/training_{1}{2}", argv[1], layer.name, m ? "_winograd" + std::to_string(m) : "");
      if (failed(plan) || failed(writeImages(*plan, path, targets, written, context)))
        return 1;
    }
  return 0;
}
