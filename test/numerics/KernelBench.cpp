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
//   nestor_kernel_bench [TARGET...] [--dump DIRECTORY [--tiles]] [--layer SUBSTRING] [--shells N]
//     [--winograd | --strassen | --bytes | --weights f16|bf16 | --row-sums]
//
// --dump writes each target's code, one ELF image a layer, for check_spills.py;
// with --tiles one for each tile that --tune could choose.
// --shells times the full width of each layer with its filter in one piece and
// in N shells of equal width, in turns.
// --winograd times 3x3 layers directly and in tiles of each size, in turns: what
// passes/WinogradCost.cpp has its table from. With --shells the filters of the
// tiles lie in shells. --dump then writes the tiles' code only.
// --strassen does the same with pointwise layers and Strassen's algorithm
// (passes/StrassenCost.cpp).
// --bytes times int8 layers, on targets with more instructions for bytes too.
// --weights times filters of f32 and of halves, in turns. --dump then writes the
// code for halves only.
// --row-sums times depthwise layers without and with the sums of their rows, in
// turns. --dump then writes the code that sums only.
//
//===----------------------------------------------------------------------===//

#include "compiler/ir/NestDialect.h"
#include "compiler/ir/Quantized.h"
#include "compiler/ir/RowSums.h"
#include "compiler/ir/FilterForm.h"
#include "compiler/kernels/Lowering.h"
#include "compiler/kernels/QuantMicroKernel.h"
#include "compiler/kernels/TileChoice.h"
#include "compiler/package/CodeImage.h"
#include "test/numerics/KernelRunner.h"

#include "mlir/IR/MLIRContext.h"
#include "mlir/Parser/Parser.h"
#include "llvm/Support/Format.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/MathExtras.h"
#include "llvm/Support/raw_ostream.h"

#include <cstring>
#include <ctime>
#include <deque>


using namespace mlir;
using namespace nestor;
using namespace nestor::test;

namespace {

/// How the filter of a layer lies.
struct Variant {
  int64_t shells = 0, winograd = 0; ///< See sourceOf.
  std::string element = "f32";
  bool rowSums = false, strassen = false;
};

enum class Activation { Relu, Silu };

/// A square convolution; groups == channels when depthwise.
struct Layer {
  const char *name;
  int64_t extent, inputs, outputs, kernel, stride, pad;
  bool depthwise;
  Activation activation = Activation::Relu;
};

const Layer layers[] = {
    {"resnet50 stem", 224, 3, 64, 7, 2, 3, false},
    {"resnet50 3x3 56", 56, 64, 64, 3, 1, 1, false},
    {"resnet50 3x3 28", 28, 128, 128, 3, 1, 1, false},
    {"resnet50 3x3 14", 14, 256, 256, 3, 1, 1, false},
    {"resnet50 3x3 7", 7, 512, 512, 3, 1, 1, false},
    {"resnet50 3x3 s2", 56, 128, 128, 3, 2, 1, false},
    {"resnet50 3x3 s2 28", 28, 256, 256, 3, 2, 1, false},
    {"resnet50 3x3 s2 14", 14, 512, 512, 3, 2, 1, false},
    {"resnet50 1x1 56 64-256", 56, 64, 256, 1, 1, 0, false},
    {"resnet50 1x1 56 256-64", 56, 256, 64, 1, 1, 0, false},
    {"resnet50 1x1 28 512-128", 28, 512, 128, 1, 1, 0, false},
    {"resnet50 1x1 14 1024-256", 14, 1024, 256, 1, 1, 0, false},
    {"resnet50 1x1 7 2048-512", 7, 2048, 512, 1, 1, 0, false},
    {"resnet50 1x1 s2 56", 56, 256, 512, 1, 2, 0, false},
    {"minilm 1x1 11 384-384", 11, 384, 384, 1, 1, 0, false},
    {"minilm 1x1 11 384-1536", 11, 384, 1536, 1, 1, 0, false},
    {"minilm 1x1 11 1536-384", 11, 1536, 384, 1, 1, 0, false},
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
    {"mobilenet dw 14 576 s2", 14, 576, 576, 3, 2, 1, true},
    {"efficientnet dw5 14 480", 14, 480, 480, 5, 1, 2, true},
    {"efficientnet dw5 56 144 s2", 56, 144, 144, 5, 2, 2, true, Activation::Silu},
    {"efficientnet dw5 14 672 s2", 14, 672, 672, 5, 2, 2, true, Activation::Silu},
    {"efficientnet dw 112 96 s2", 112, 96, 96, 3, 2, 1, true, Activation::Silu},
    {"efficientnet 1x1 56 24-144", 56, 24, 144, 1, 1, 0, false, Activation::Silu},
    {"mobilenetv3 dw5 7 576", 7, 576, 576, 5, 1, 2, true},
    {"mobilenetv3 1x1 14 240-40", 14, 240, 40, 1, 1, 0, false},
    {"shufflenet stem", 224, 3, 24, 3, 2, 1, false},
    {"shufflenet 1x1 28 58", 28, 58, 58, 1, 1, 0, false},
    {"shufflenet 1x1 14 116", 14, 116, 116, 1, 1, 0, false},
    {"squeezenet stem", 224, 3, 64, 3, 2, 0, false},
    {"convnext dw7 28 128", 28, 128, 128, 7, 1, 3, true},
    {"vgg 3x3 224", 224, 64, 64, 3, 1, 1, false},
    {"cifar 3x3 32 16", 32, 16, 16, 3, 1, 1, false},
    {"cifar 3x3 16 32", 16, 32, 32, 3, 1, 1, false},
    {"cifar 3x3 8 64", 8, 64, 64, 3, 1, 1, false},
    {"cifar 3x3 s2 32", 32, 16, 32, 3, 2, 1, false},
    {"cifar 3x3 s2 16", 16, 32, 64, 3, 2, 1, false},
};

/// Equal shells of whole panels, or of half ones below 64 channels.
std::string edgesOf(int64_t channels, int64_t shells) {
  int64_t unit = channels < 64 ? 8 : 16;
  std::string text = "[array<i64: ";
  for (int64_t shell = 1; shell <= shells; ++shell)
    text += (shell > 1 ? ", " : "") + std::to_string(std::min(channels, (channels * shell / shells + unit - 1) / unit * unit));
  return text + ">]";
}

/// The region that yields the activation of %a.
const char *regionOf(Activation activation) {
  if (activation == Activation::Relu)
    return "%z = arith.constant 0.0 : f32\n %r = arith.maximumf %a, %z : f32\n nest.yield %r : f32";
  return "%o = arith.constant 1.0 : f32\n %n = arith.negf %a : f32\n %e = math.exp %n : f32\n %s = arith.addf %e, %o : f32\n"
         " %q = arith.divf %o, %s : f32\n %r = arith.mulf %a, %q : f32\n nest.yield %r : f32";
}

/// Outputs of the tiles that `l` can be computed in.
ArrayRef<int64_t> tilesOf(const Layer &l) {
  static constexpr int64_t stride1[] = {2, 4, 6}, stride2[] = {2, 4};
  if (l.kernel != 3 || l.depthwise || l.inputs < 16)
    return {};
  return l.stride == 1 ? ArrayRef(stride1) : ArrayRef(stride2);
}

bool isPointwise(const Layer &l) { return l.kernel == 1 && l.stride == 1 && !l.depthwise && l.inputs >= 2 * 16; }

/// With 0 shells the filter is an argument in one piece. `winograd`: the outputs
/// of a tile; 0: direct.
std::string sourceOf(const Layer &l, const Variant &variant) {
  auto [shells, winograd, element, rowSums, strassen] = variant;
  int64_t out = (l.extent + 2 * l.pad - l.kernel) / l.stride + 1;
  auto tensor = [](ArrayRef<int64_t> dims, const std::string &type = "f32") {
    std::string text = "tensor<";
    for (int64_t dim : dims)
      text += std::to_string(dim) + "x";
    return text + type + ">";
  };
  auto pair = [](int64_t v) { return "array<i64: " + std::to_string(v) + ", " + std::to_string(v) + ">"; };
  std::string tile = winograd ? ", nest.winograd = " + std::to_string(winograd) + " : i64" : "";
  if (strassen)
    tile = ", nest.strassen";
  std::string stride = winograd && l.stride > 1 ? ", nest.winograd_stride = " + std::to_string(l.stride) + " : i64" : "";
  std::string x = tensor({1, l.extent, l.extent, l.inputs}), y = tensor({1, out, out, l.outputs});
  int64_t groups = l.depthwise ? l.inputs : 1;
  SmallVector<int64_t> filterShape = nest::packedShape({l.kernel, l.kernel}, l.inputs / groups, l.outputs, groups, l.depthwise,
                                                       {{winograd, l.stride}, strassen});
  std::string w = tensor(filterShape, element), b = tensor({l.outputs});
  std::string global, weight, argument = ", %w: " + w;
  if (shells > 0) {
    std::string filter = tensor({l.kernel, l.kernel, l.inputs, l.outputs}, element);
    std::string inputs = l.inputs > 3 ? edgesOf(l.inputs, shells) : "[]";
    global = "nest.global @g = dense<0.5> : " + filter + " edges [[], [], " + inputs + ", " + edgesOf(l.outputs, shells) + "]\n";
    weight = " %g = nest.weight @g at " + std::to_string(shells - 1) + " : " + filter +
             "\n %w = nest.pack %g {groups = 1 : i64" + tile + stride + "} : (" + filter + ") -> " + w + "\n";
    argument.clear();
  }
  return global + "func.func @f(%x: " + x + argument + ", %b: " + b + ") -> " + y + " {\n" + weight + " %y = nest.conv %x, %w bias %b {kernel = " +
         pair(l.kernel) + ", strides = " + pair(l.stride) + ", dilations = " + pair(1) + ", padBegin = " + pair(l.pad) +
         ", padEnd = " + pair(l.pad) + ", groups = " + std::to_string(groups) +
         " : i64, packed" + tile + (rowSums ? ", nest.row_sums" : "") + "} : (" + x + ", " + w + ", " + b + ") -> " + y +
         " {\n^bb0(%a: f32):\n " + regionOf(l.activation) + " }\n return %y : " + y + "\n}\n";
}

/// With the filter as an argument; what the floats are is no matter.
std::string sourceOfBytes(const Layer &l) {
  int64_t out = (l.extent + 2 * l.pad - l.kernel) / l.stride + 1, words = llvm::divideCeil(l.inputs, nest::kInputsPerWord);
  auto x = llvm::formatv("tensor<1x{0}x{0}x{1}xui8>", l.extent, words * nest::kInputsPerWord).str();
  auto w = llvm::formatv("tensor<{0}x{1}x{2}x16xi32>", (l.outputs + 15) / 16, l.kernel * l.kernel, words).str();
  auto v = llvm::formatv("tensor<{0}xf32>", l.outputs).str();
  auto y = llvm::formatv("tensor<1x{0}x{0}x{1}xf32>", out, l.outputs).str();
  return llvm::formatv("func.func @f(%x: {0}, %w: {1}, %s: {2}, %b: {2}) -> {3} {{\n"
                       " %y = nest.conv %x, %w scale %s bias %b {{kernel = array<i64: {4}, {4}>, strides = array<i64: {5}, {5}>,"
                       " dilations = array<i64: 1, 1>, padBegin = array<i64: {6}, {6}>, padEnd = array<i64: {6}, {6}>,"
                       " groups = 1 : i64, packed} : ({0}, {1}, {2}, {2}) -> {3}\n return %y : {3}\n}\n",
                       x, w, v, y, l.kernel, l.stride, l.pad)
      .str();
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

/// A kernel and memory to run it on.
class Runner {
public:
  Runner(Operation *op, const kernels::TargetInfo &target)
      : calls(op, target), result(filled(bytesOf(op->getResult(0)) + bytesOfRowSums(op->getResult(0)))) {
    for (Value operand : op->getOperands())
      buffers.push_back(filled(bytesOf(operand)));
    for (GuardedBuffer &buffer : buffers)
      operands.push_back(buffer.data());
  }

  /// Seconds of one run.
  double run() {
    char *resultData = result.data();
    double start = seconds();
    calls.run(operands, resultData);
    return seconds() - start;
  }
  uint64_t macs() const { return calls.calls().back().macs; }

private:
  static int64_t bytesOf(Value value) {
    auto type = cast<RankedTensorType>(value.getType());
    return type.getNumElements() * type.getElementTypeBitWidth() / 8;
  }
  static int64_t bytesOfRowSums(Value value) {
    SmallVector<int64_t, 3> shape = nest::rowSumsShape(value);
    return shape.empty() ? 0 : llvm::product_of(shape) * sizeof(float);
  }

  CompiledCalls calls;
  std::vector<GuardedBuffer> buffers;
  GuardedBuffer result;
  SmallVector<char *> operands;
};

/// Best time of each runner, in seconds; they take turns.
std::vector<double> measure(std::deque<Runner> &runners) {
  std::vector<double> best(runners.size(), 1e9);
  double spent = 0;
  for (int run = 0; run < 5 || (spent < 0.15 * runners.size() && run < 2000); ++run) {
    for (auto [i, runner] : llvm::enumerate(runners)) {
      double time = runner.run();
      best[i] = std::min(best[i], time);
      spent += time;
    }
  }
  return best;
}

void dumpImage(StringRef directory, const Layer &layer, const Variant &variant, Operation *op,
               const kernels::TargetInfo &target) {
  auto calls = kernels::describeCalls(op);
  if (failed(calls))
    return;
  std::vector<kernels::KernelSpec> specs;
  for (const kernels::KernelCall &call : *calls)
    specs.push_back(call.spec);
  auto images = package::buildCodeImages(specs, &target, *op->getContext());
  if (failed(images))
    return;
  std::string name = layer.name;
  std::replace(name.begin(), name.end(), ' ', '_');
  if (nest::isOfBytes(cast<nest::ConvOp>(op)))
    name += "_bytes";
  if (variant.winograd)
    name += "_winograd" + std::to_string(variant.winograd);
  if (variant.strassen)
    name += "_strassen";
  if (variant.shells)
    name += "_shells" + std::to_string(variant.shells);
  if (variant.element != "f32")
    name += "_" + variant.element;
  if (variant.rowSums)
    name += "_sums";
  if (DictionaryAttr tiles = kernels::tilesOf(op))
    name += "_tile" + kernels::spell(kernels::chosenTile(tiles, target, kernels::TileShape()));
  std::error_code error;
  llvm::raw_fd_ostream file((directory + "/" + name + "." + target.name + ".so").str(), error);
  file << images->front().elf;
}

void dumpTiles(StringRef directory, const Layer &layer, const Variant &variant, Operation *op,
               const kernels::TargetInfo &target) {
  for (const kernels::TileShape &tile : kernels::tilesToChoose(op, target)) {
    kernels::setTile(op, target, tile);
    dumpImage(directory, layer, variant, op, target);
    op->removeAttr(kernels::kTilesAttr);
  }
}

/// What the command line asks for.
struct Options {
  std::vector<const kernels::TargetInfo *> targets;
  std::string directory, filter, weights;
  int64_t shells = 0;
  bool winograd = false, strassen = false, bytes = false, tiles = false, rowSums = false;

  bool ofHalves() const { return !weights.empty(); }
  bool takes(const Layer &layer) const {
    bool dense = shells || bytes || ofHalves();
    return StringRef(layer.name).contains(filter) && !(dense && layer.depthwise) && !(rowSums && !layer.depthwise) &&
           !(winograd && tilesOf(layer).empty()) && !(strassen && !isPointwise(layer));
  }
  /// What is timed in turns; what is dumped.
  std::vector<Variant> variantsOf(const Layer &layer) const;
};

std::vector<Variant> Options::variantsOf(const Layer &layer) const {
  std::vector<Variant> variants;
  if (directory.empty() || !(winograd || strassen || ofHalves() || rowSums))
    variants.push_back({});
  if (ofHalves())
    variants.push_back({shells, 0, weights});
  else if (shells && !winograd && !strassen)
    variants.push_back({shells, 0});
  if (winograd)
    for (int64_t tile : tilesOf(layer))
      variants.push_back({shells, tile});
  if (rowSums)
    variants.push_back({0, 0, "f32", /*rowSums=*/true});
  if (strassen)
    variants.push_back({shells, 0, "f32", /*rowSums=*/false, /*strassen=*/true});
  return variants;
}

/// Returns whether all arguments are understood.
bool parse(int argc, char **argv, Options &options) {
  for (int i = 1; i < argc; ++i) {
    StringRef word = argv[i];
    const char *value = i + 1 < argc ? argv[i + 1] : nullptr;
    if (word == "--dump" && value)
      options.directory = argv[++i];
    else if (word == "--layer" && value)
      options.filter = argv[++i];
    else if (word == "--shells" && value)
      options.shells = std::atoi(argv[++i]);
    else if (word == "--weights" && value)
      options.weights = argv[++i];
    else if (word == "--winograd")
      options.winograd = true;
    else if (word == "--strassen")
      options.strassen = true;
    else if (word == "--bytes")
      options.bytes = true;
    else if (word == "--tiles")
      options.tiles = true;
    else if (word == "--row-sums")
      options.rowSums = true;
    else if (const kernels::TargetInfo *target = kernels::findTarget(word))
      options.targets.push_back(target);
    else
      return llvm::errs() << "unknown target " << word << "\n", false;
  }
  if (options.targets.empty()) {
    options.targets = options.bytes ? std::vector{&kernels::quantHostTarget()} : runnableTargets();
  } else if (options.bytes) {
    auto all = kernels::quantTargets(options.targets);
    options.targets.assign(all.begin(), all.end());
  }
  return true;
}

/// Times the variants of a layer in turns, and prints what they take.
void timeLayer(const Options &options, ArrayRef<Variant> variants, ArrayRef<Operation *> ops,
               const kernels::TargetInfo &target) {
  double compileStart = seconds();
  std::deque<Runner> runners;
  for (Operation *op : ops)
    runners.emplace_back(op, target);
  double compile = seconds() - compileStart;
  std::vector<double> times = measure(runners);
  llvm::outs() << llvm::format("  %s %7.1f GF/s %8.1f us", target.name.c_str(),
                               2e-9 * runners.front().macs() / times.front(), times.front() * 1e6);
  for (size_t i = 1; options.winograd && i < times.size(); ++i)
    llvm::outs() << llvm::format(", F(%d) %.1f us", int(variants[i].winograd), times[i] * 1e6);
  if (options.winograd)
    return;
  if (times.size() > 1)
    llvm::outs() << ", " << (options.ofHalves()  ? options.weights
                              : options.rowSums  ? "with row sums"
                              : options.strassen ? "Strassen"
                                                 : "in shells")
                 << llvm::format(" %+5.1f %%", 100 * (times.back() / times.front() - 1));
  else
    llvm::outs() << llvm::format(" (compiled in %3.0f ms)", compile * 1e3);
}

void runLayer(const Options &options, const Layer &layer, MLIRContext &context) {
  std::vector<Variant> variants = options.variantsOf(layer);
  std::vector<OwningOpRef<ModuleOp>> modules;
  std::vector<Operation *> ops;
  for (const Variant &variant : variants) {
    std::string source = options.bytes ? sourceOfBytes(layer) : sourceOf(layer, variant);
    modules.push_back(parseSourceString<ModuleOp>(source, &context));
    ops.push_back((*modules.back()->getOps<func::FuncOp>().begin()).front().getTerminator()->getPrevNode());
  }
  llvm::outs() << llvm::format("%-26s", layer.name);
  for (const kernels::TargetInfo *target : options.targets) {
    if (options.directory.empty())
      timeLayer(options, variants, ops, *target);
    else
      for (auto [variant, op] : llvm::zip(variants, ops))
        (options.tiles ? dumpTiles : dumpImage)(options.directory, layer, variant, op, *target);
  }
  llvm::outs() << "\n";
  llvm::outs().flush();
}

} // namespace

int main(int argc, char **argv) {
  Options options;
  if (!parse(argc, argv, options))
    return 2;
  DialectRegistry registry;
  registry.insert<nest::NestDialect, func::FuncDialect>();
  kernels::registerKernelDialects(registry);
  MLIRContext context(registry);
  for (const Layer &layer : layers)
    if (options.takes(layer))
      runLayer(options, layer, context);
  return 0;
}
