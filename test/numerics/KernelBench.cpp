//===- KernelBench.cpp - How fast single kernels are ----------------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
//
// A developer's benchmark: times convolutions of well-known networks, one
// thread, weights and activations warm, and prints GFLOP/s of each. Compare
// numbers of one run only.
//
//   nestor_kernel_bench [TARGET...] [--dump DIRECTORY] [--layer SUBSTRING]
//
// --dump writes each target's code, one ELF image a layer, for check_spills.py.
//
//===----------------------------------------------------------------------===//

#include "compiler/ir/NestDialect.h"
#include "compiler/kernels/Lowering.h"
#include "compiler/package/CodeImage.h"
#include "test/numerics/KernelRunner.h"

#include "mlir/IR/MLIRContext.h"
#include "mlir/Parser/Parser.h"
#include "llvm/Support/Format.h"
#include "llvm/Support/raw_ostream.h"

#include <cstring>
#include <ctime>


using namespace mlir;
using namespace nestor;
using namespace nestor::test;

namespace {

/// A square convolution; groups == channels when depthwise.
struct Layer {
  const char *name;
  int64_t extent, inputs, outputs, kernel, stride, pad;
  bool depthwise;
};

const Layer layers[] = {
    {"resnet50 stem", 224, 3, 64, 7, 2, 3, false},
    {"resnet50 3x3 56", 56, 64, 64, 3, 1, 1, false},
    {"resnet50 3x3 28", 28, 128, 128, 3, 1, 1, false},
    {"resnet50 3x3 14", 14, 256, 256, 3, 1, 1, false},
    {"resnet50 3x3 7", 7, 512, 512, 3, 1, 1, false},
    {"resnet50 3x3 s2", 56, 128, 128, 3, 2, 1, false},
    {"resnet50 1x1 56 64-256", 56, 64, 256, 1, 1, 0, false},
    {"resnet50 1x1 56 256-64", 56, 256, 64, 1, 1, 0, false},
    {"resnet50 1x1 28 512-128", 28, 512, 128, 1, 1, 0, false},
    {"resnet50 1x1 14 1024-256", 14, 1024, 256, 1, 1, 0, false},
    {"resnet50 1x1 7 2048-512", 7, 2048, 512, 1, 1, 0, false},
    {"resnet50 1x1 s2 56", 56, 256, 512, 1, 2, 0, false},
    {"resnet50 fc", 1, 2048, 1000, 1, 1, 0, false},
    {"mobilenet stem", 224, 3, 32, 3, 2, 1, false},
    {"mobilenet 1x1 112 32-16", 112, 32, 16, 1, 1, 0, false},
    {"mobilenet 1x1 112 16-96", 112, 16, 96, 1, 1, 0, false},
    {"mobilenet 1x1 56 144-24", 56, 144, 24, 1, 1, 0, false},
    {"mobilenet 1x1 7 960-160", 7, 960, 160, 1, 1, 0, false},
    {"mobilenet dw 112 32", 112, 32, 32, 3, 1, 1, true},
    {"mobilenet dw 112 96 s2", 112, 96, 96, 3, 2, 1, true},
    {"mobilenet dw 56 144", 56, 144, 144, 3, 1, 1, true},
    {"mobilenet dw 14 384", 14, 384, 384, 3, 1, 1, true},
    {"mobilenet dw 7 960", 7, 960, 960, 3, 1, 1, true},
    {"efficientnet dw5 14 480", 14, 480, 480, 5, 1, 2, true},
    {"shufflenet 1x1 28 58", 28, 58, 58, 1, 1, 0, false},
    {"vgg 3x3 224", 224, 64, 64, 3, 1, 1, false},
    {"cifar 3x3 32 16", 32, 16, 16, 3, 1, 1, false},
    {"cifar 3x3 8 64", 8, 64, 64, 3, 1, 1, false},
};

std::string sourceOf(const Layer &l) {
  int64_t out = (l.extent + 2 * l.pad - l.kernel) / l.stride + 1;
  auto tensor = [](std::initializer_list<int64_t> dims) {
    std::string text = "tensor<";
    for (int64_t dim : dims)
      text += std::to_string(dim) + "x";
    return text + "f32>";
  };
  auto pair = [](int64_t v) { return "array<i64: " + std::to_string(v) + ", " + std::to_string(v) + ">"; };
  int64_t panels = (l.outputs + 15) / 16;
  std::string x = tensor({1, l.extent, l.extent, l.inputs}), y = tensor({1, out, out, l.outputs});
  std::string w = tensor({panels, l.kernel * l.kernel, l.depthwise ? 1 : l.inputs, 16}), b = tensor({l.outputs});
  return "func.func @f(%x: " + x + ", %w: " + w + ", %b: " + b + ") -> " + y + " {\n %y = nest.conv %x, %w bias %b {kernel = " +
         pair(l.kernel) + ", strides = " + pair(l.stride) + ", dilations = " + pair(1) + ", padBegin = " + pair(l.pad) +
         ", padEnd = " + pair(l.pad) + ", groups = " + std::to_string(l.depthwise ? l.inputs : 1) +
         " : i64, packed} : (" + x + ", " + w + ", " + b + ") -> " + y +
         " {\n^bb0(%a: f32):\n %z = arith.constant 0.0 : f32\n %r = arith.maximumf %a, %z : f32\n nest.yield %r : f32 }\n return %y : " + y + "\n}\n";
}

double seconds() {
  // The time of this thread: other processes do not count.
  timespec now;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return now.tv_sec + 1e-9 * now.tv_nsec;
}

GuardedBuffer filled(int64_t bytes) {
  GuardedBuffer buffer(bytes, 64);
  float *values = reinterpret_cast<float *>(buffer.data());
  for (int64_t i = 0; i < bytes / 4; ++i)
    values[i] = float(i % 7) - 3;
  return buffer;
}

/// Best time of one run, in seconds.
double measure(CompiledCalls &calls, Operation *op) {
  std::vector<GuardedBuffer> buffers;
  SmallVector<char *> operands;
  auto bytesOf = [](Value value) { return cast<RankedTensorType>(value.getType()).getNumElements() * 4; };
  for (Value operand : op->getOperands()) {
    buffers.push_back(filled(bytesOf(operand)));
    operands.push_back(buffers.back().data());
  }
  GuardedBuffer result = filled(bytesOf(op->getResult(0)));
  char *resultData = result.data();
  double best = 1e9, spent = 0;
  for (int run = 0; run < 5 || (spent < 0.15 && run < 2000); ++run) {
    double start = seconds();
    calls.run(operands, resultData);
    double time = seconds() - start;
    best = std::min(best, time);
    spent += time;
  }
  return best;
}

void dumpImage(StringRef directory, const Layer &layer, Operation *op, const kernels::TargetInfo &target) {
  auto calls = kernels::describeCalls(op);
  if (failed(calls))
    return;
  auto images = package::buildCodeImages(calls->front().spec, &target, *op->getContext());
  if (failed(images))
    return;
  std::string name = layer.name;
  std::replace(name.begin(), name.end(), ' ', '_');
  std::error_code error;
  llvm::raw_fd_ostream file((directory + "/" + name + "." + target.name + ".so").str(), error);
  file << images->front().elf;
}

} // namespace

int main(int argc, char **argv) {
  std::vector<const kernels::TargetInfo *> targets;
  std::string directory, filter;
  for (int i = 1; i < argc; ++i) {
    if (!std::strcmp(argv[i], "--dump") && i + 1 < argc)
      directory = argv[++i];
    else if (!std::strcmp(argv[i], "--layer") && i + 1 < argc)
      filter = argv[++i];
    else if (const kernels::TargetInfo *target = kernels::findTarget(argv[i]))
      targets.push_back(target);
    else
      return llvm::errs() << "unknown target " << argv[i] << "\n", 2;
  }
  if (targets.empty())
    targets = runnableTargets();
  DialectRegistry registry;
  registry.insert<nest::NestDialect, func::FuncDialect>();
  kernels::registerKernelDialects(registry);
  MLIRContext context(registry);
  for (const Layer &layer : layers) {
    if (!StringRef(layer.name).contains(filter))
      continue;
    auto module = parseSourceString<ModuleOp>(sourceOf(layer), &context);
    Operation *op = &(*module->getOps<func::FuncOp>().begin()).front().front();
    llvm::outs() << llvm::format("%-26s", layer.name);
    for (const kernels::TargetInfo *target : targets) {
      if (!directory.empty()) {
        dumpImage(directory, layer, op, *target);
        continue;
      }
      double compileStart = seconds();
      CompiledCalls calls(op, *target);
      double compile = seconds() - compileStart, time = measure(calls, op);
      llvm::outs() << llvm::format("  %s %7.1f GF/s %8.1f us (compiled in %3.0f ms)", target->name.c_str(),
                                   2e-9 * calls.calls().back().macs / time, time * 1e6, compile * 1e3);
    }
    llvm::outs() << "\n";
    llvm::outs().flush();
  }
  return 0;
}
