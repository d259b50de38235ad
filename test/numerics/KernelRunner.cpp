//===- KernelRunner.cpp - Kernels against the reference evaluator ---------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "test/numerics/KernelRunner.h"

#include "compiler/ir/NestDialect.h"
#include "compiler/ir/Quantized.h"
#include "compiler/kernels/FilterBlocks.h"
#include "compiler/kernels/Lowering.h"
#include "compiler/kernels/QuantMicroKernel.h"
#include "compiler/package/CodeImage.h"
#include "compiler/reference/Element.h"

#include "mlir/IR/MLIRContext.h"
#include "mlir/Parser/Parser.h"
#include "mlir/Pass/PassManager.h"
#include "gtest/gtest.h"

#include <cmath>
#include <cstring>
#include <dlfcn.h>
#include <random>
#include <sys/mman.h>
#include <unistd.h>

using namespace mlir;
using namespace nestor;
using namespace nestor::kernels;
using reference::TensorValue;

namespace nestor::test {

//===----------------------------------------------------------------------===//
// Memory
//===----------------------------------------------------------------------===//

GuardedBuffer::GuardedBuffer(size_t size, size_t align) : bytes(size) {
  size_t page = sysconf(_SC_PAGESIZE), room = (size + align + page - 1) / page * page;
  mapped = room + page;
  mapping = mmap(nullptr, mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  char *guard = static_cast<char *>(mapping) + room;
  mprotect(guard, page, PROT_NONE);
  begin = guard - (size + align - 1) / align * align;
}

GuardedBuffer::GuardedBuffer(GuardedBuffer &&other) noexcept
    : mapping(std::exchange(other.mapping, nullptr)), mapped(other.mapped), bytes(other.bytes), begin(other.begin) {}

GuardedBuffer::~GuardedBuffer() {
  if (mapping)
    munmap(mapping, mapped);
}

//===----------------------------------------------------------------------===//
// Code
//===----------------------------------------------------------------------===//

/// Loads an ELF image; null and a failed test where that is impossible.
static void *load(const std::string &elf) {
  char path[] = "/tmp/nestor-kernel-XXXXXX";
  int file = mkstemp(path);
  bool written = file >= 0 && write(file, elf.data(), elf.size()) == ssize_t(elf.size());
  close(file);
  void *handle = written ? dlopen(path, RTLD_NOW | RTLD_LOCAL) : nullptr;
  unlink(path);
  if (!handle)
    ADD_FAILURE() << "cannot load the image: " << (written ? dlerror() : "cannot write it");
  return handle;
}

/// The blocks of an operand that capacities share.
static std::vector<GuardedBuffer> placeBlocks(Value operand) {
  std::vector<GuardedBuffer> blocks;
  std::optional<SharedFilter> shared = SharedFilter::get(operand);
  for (unsigned block = 0; shared && block < shared->blocks.count(); ++block) {
    blocks.emplace_back(shared->blocks.bytes(block), 64);
    TensorValue filter = TensorValue::fromAttr(shared->global.getValue());
    shared->blocks.pack(block, filter.bytes, {blocks.back().data(), blocks.back().size()});
  }
  return blocks;
}

CompiledCalls::CompiledCalls(Operation *op, const TargetInfo &target)
    : CompiledCalls(op, target, RowPitches::dense(op)) {}

CompiledCalls::CompiledCalls(Operation *op, const TargetInfo &target, const RowPitches &pitches) {
  for (Value operand : op->getOperands())
    blocks.push_back(placeBlocks(operand));
  FailureOr<SmallVector<KernelCall, 1>> calls = describeCalls(op, pitches);
  if (failed(calls)) {
    ADD_FAILURE() << "no kernel";
    return;
  }
  described = std::move(*calls);
  std::vector<KernelSpec> specs;
  for (const KernelCall &call : described)
    if (llvm::none_of(specs, [&](const KernelSpec &spec) { return spec.name == call.spec.name; }))
      specs.push_back(call.spec);
  FailureOr<std::vector<package::CodeImage>> images = package::buildCodeImages(specs, &target, *op->getContext());
  if (failed(images)) {
    ADD_FAILURE() << "cannot compile for " << target.name;
    return;
  }
  handle = load(images->front().elf);
  for (const KernelCall &call : described) {
    functions.push_back(handle ? reinterpret_cast<Function>(dlsym(handle, call.spec.name.c_str())) : nullptr);
    for (const CallArg &arg : call.args)
      if (arg.kind == CallArg::Scratch)
        while (scratch.size() <= arg.index) {
          scratch.emplace_back(arg.scratchBytes, 64);
          std::memset(scratch.back().data(), 0xff, scratch.back().size()); // NaN: nothing to rely on.
        }
  }
}

CompiledCalls::~CompiledCalls() {
  if (handle)
    dlclose(handle);
}

int64_t CompiledCalls::grains(size_t call) const {
  return evaluatePolynomial(described[call].spec.grains, described[call].params);
}

void CompiledCalls::run(ArrayRef<char *> operands, ArrayRef<char *> results, ArrayRef<double> cuts) {
  for (auto [i, call] : llvm::enumerate(described)) {
    SmallVector<void *> pointers;
    for (const CallArg &arg : call.args) {
      char *base = arg.kind == CallArg::Operand  ? operands[arg.index]
                   : arg.kind == CallArg::Result ? results[arg.index]
                   : arg.kind == CallArg::Block  ? blocks[arg.index][arg.block].data()
                                                 : scratch[arg.index].data();
      pointers.push_back(base + arg.offsetBytes);
    }
    int64_t total = grains(i), begin = 0;
    for (double cut : cuts) {
      int64_t end = int64_t(cut * total);
      functions[i](pointers.data(), call.params.data(), begin, end);
      begin = end;
    }
    functions[i](pointers.data(), call.params.data(), begin, total);
  }
}

std::vector<const TargetInfo *> runnableTargets() {
  std::vector<const TargetInfo *> targets;
  for (const TargetInfo &target : allTargets()) {
    if (target.arch != hostTarget().arch)
      continue;
    targets.push_back(&target);
    if (&target == &hostTarget())
      break;
  }
  return targets;
}

//===----------------------------------------------------------------------===//
// Comparison
//===----------------------------------------------------------------------===//

static TensorValue drawInput(RankedTensorType type, std::mt19937_64 &random, InputRange range) {
  TensorValue value = TensorValue::zeros(type);
  std::uniform_real_distribution<double> draw(range.low, range.high);
  Type element = type.getElementType();
  const double specials[] = {NAN, HUGE_VAL, -HUGE_VAL, 0.0, -0.0, 1e30, -1e30, 200, -200};
  for (int64_t i = 0; i < value.size(); ++i) {
    double number = range.specials && i < 9 ? specials[i] : draw(random);
    if (element.isF32())
      value.as<float>()[i] = float(number);
    else if (element.isF64())
      value.as<double>()[i] = number;
    else if (element.isF16())
      value.as<reference::Half>()[i] = reference::Half(number);
    else if (element.isBF16())
      value.as<reference::BFloat16>()[i] = reference::BFloat16(number);
    else
      // Small integers, in two's complement of whatever width.
      std::memcpy(value.bytes.data() + i * reference::elementBytes(element),
                  std::vector<int64_t>{element.isInteger(1) ? int64_t(random() % 2)
                                       : element.isUnsignedInteger() ? int64_t(random() % 20)
                                                                     : int64_t(random() % 40) - 20}
                      .data(),
                  reference::elementBytes(element));
  }
  return value;
}

/// The largest difference, relative to the range of the expected values.
static double worstError(const TensorValue &actual, const TensorValue &expected) {
  double low = HUGE_VAL, high = -HUGE_VAL, worst = 0;
  for (int64_t i = 0; i < expected.size(); ++i) {
    double want = expected.getDouble(i), have = actual.getDouble(i);
    if (std::isnan(want) || std::isinf(want)) {
      if (!(std::isnan(want) ? std::isnan(have) : want == have))
        return HUGE_VAL;
      continue;
    }
    low = std::min(low, want), high = std::max(high, want);
    if (!(std::abs(have - want) <= worst))
      worst = std::isnan(have) ? HUGE_VAL : std::abs(have - want);
  }
  return high > low ? worst / (high - low) : worst;
}

/// Copies of the tensors, each against a guard page.
static std::vector<GuardedBuffer> place(ArrayRef<TensorValue> values) {
  std::vector<GuardedBuffer> buffers;
  for (const TensorValue &value : values) {
    size_t bytes = value.bytes.size();
    // Packed filters ask for 64 bytes; whole multiples of a power of two lose nothing.
    buffers.emplace_back(bytes, bytes ? std::min<size_t>(64, bytes & -bytes) : 1);
    std::memcpy(buffers.back().data(), value.bytes.data(), bytes);
  }
  return buffers;
}

static void compareOnTarget(Operation *op, const TargetInfo &target, ArrayRef<TensorValue> inputs,
                            ArrayRef<TensorValue> expected, double tolerance, std::mt19937_64 &random) {
  SCOPED_TRACE(target.name);
  CompiledCalls compiled(op, target);
  if (!compiled.ok())
    return;
  std::vector<GuardedBuffer> in = place(inputs), whole = place(expected), parts = place(expected);
  auto pointers = [](const std::vector<GuardedBuffer> &buffers) {
    SmallVector<char *> list;
    for (const GuardedBuffer &buffer : buffers)
      list.push_back(buffer.data());
    return list;
  };
  for (auto *buffers : {&whole, &parts})
    for (GuardedBuffer &buffer : *buffers)
      std::memset(buffer.data(), 0xff, buffer.size());
  compiled.run(pointers(in), pointers(whole));
  std::uniform_real_distribution<double> draw(0, 1);
  double first = draw(random), second = draw(random);
  compiled.run(pointers(in), pointers(parts), {std::min(first, second), std::max(first, second)});
  for (unsigned operand = 0; operand < op->getNumOperands(); ++operand) {
    if (!canRunInPlace(op, operand))
      continue;
    std::vector<GuardedBuffer> again = place(inputs);
    SmallVector<char *> operands = pointers(again), results = pointers(whole);
    results[0] = operands[operand];
    compiled.run(operands, results);
    EXPECT_EQ(std::memcmp(results[0], whole[0].data(), whole[0].size()), 0) << "written over operand " << operand;
  }
  for (size_t i = 0; i < expected.size(); ++i) {
    TensorValue actual = expected[i];
    std::memcpy(actual.bytes.data(), whole[i].data(), actual.bytes.size());
    EXPECT_LE(worstError(actual, expected[i]), tolerance) << "result " << i;
    EXPECT_EQ(std::memcmp(whole[i].data(), parts[i].data(), whole[i].size()), 0)
        << "result " << i << " depends on how the work is cut";
  }
}

/// The values of `op`'s operands: what stands before it in `func` is evaluated.
static SmallVector<TensorValue> evaluateOperands(func::FuncOp func, Operation *op, ArrayRef<TensorValue> arguments) {
  DenseMap<Value, TensorValue> values;
  for (auto [argument, value] : llvm::zip(func.getArguments(), arguments))
    values[argument] = value;
  auto operandsOf = [&](Operation &user) {
    return llvm::map_to_vector(user.getOperands(), [&](Value operand) { return values.at(operand); });
  };
  for (Operation &before : llvm::make_range(func.front().begin(), op->getIterator())) {
    SmallVector<TensorValue> results;
    if (failed(reference::evaluate(&before, operandsOf(before), results)))
      ADD_FAILURE() << "cannot evaluate " << before.getName().getStringRef().str();
    for (auto [result, value] : llvm::zip(before.getResults(), results))
      values[result] = value;
  }
  return operandsOf(*op);
}

static DialectRegistry testedDialects() {
  DialectRegistry registry;
  registry.insert<nest::NestDialect, func::FuncDialect>();
  registerKernelDialects(registry);
  return registry;
}

namespace {

/// A function of one operation, and arguments for it.
struct TestedOperation {
  std::mt19937_64 random;
  MLIRContext context;
  OwningOpRef<ModuleOp> module;
  func::FuncOp func;
  SmallVector<TensorValue> arguments;
  // Once it is prepared.
  Operation *op = nullptr;
  SmallVector<TensorValue> inputs;

  TestedOperation(const std::string &source, uint64_t seed, InputRange range)
      : random(seed), context(testedDialects()), module(parseSourceString<ModuleOp>(source, &context)) {
    if (!module)
      return;
    func = *module->getOps<func::FuncOp>().begin();
    for (Type type : func.getArgumentTypes())
      arguments.push_back(drawInput(cast<RankedTensorType>(type), random, range));
  }
  bool prepare(std::unique_ptr<Pass> pass) {
    PassManager passes(&context, func::FuncOp::getOperationName());
    if (pass)
      passes.addPass(std::move(pass));
    if (failed(passes.run(func)))
      return false;
    op = func.front().getTerminator()->getPrevNode();
    inputs = evaluateOperands(func, op, arguments);
    return true;
  }
  std::vector<const TargetInfo *> targets() const {
    std::vector<const TargetInfo *> targets = runnableTargets();
    auto conv = dyn_cast<nest::ConvOp>(op);
    if (conv && nest::isOfBytes(conv) && &quantHostTarget() != &hostTarget())
      targets.push_back(&quantHostTarget());
    return targets;
  }
};

} // namespace

void checkOperation(const std::string &source, uint64_t seed, double tolerance, InputRange range,
                    std::unique_ptr<Pass> preparation) {
  SCOPED_TRACE("seed " + std::to_string(seed) + ": " + source);
  TestedOperation tested(source, seed, range);
  ASSERT_TRUE(tested.module);
  SmallVector<TensorValue> expected;
  ASSERT_TRUE(succeeded(reference::evaluate(tested.func, tested.arguments, expected)));
  ASSERT_TRUE(tested.prepare(std::move(preparation)));
  for (const TargetInfo *target : tested.targets())
    compareOnTarget(tested.op, *target, tested.inputs, expected, tolerance, tested.random);
}

//===----------------------------------------------------------------------===//
// Rows that lie apart
//===----------------------------------------------------------------------===//

namespace {

/// Memory for some columns of a matrix whose last row ends at a guard page.
struct ColumnBuffer {
  size_t rows, rowBytes, pitchBytes;
  GuardedBuffer buffer;

  ColumnBuffer(const TensorValue &value, int64_t pitch, int64_t column)
      : rows(value.size() / value.type.getShape().back()), rowBytes(value.bytes.size() / rows),
        pitchBytes(pitch * reference::elementBytes(value.type.getElementType())),
        buffer((rows - 1) * pitchBytes + column * rowBytes / value.type.getShape().back() + rowBytes,
               reference::elementBytes(value.type.getElementType())) {
    std::memset(buffer.data(), 0xab, buffer.size());
  }
  char *data() const { return buffer.data() + buffer.size() - (rows - 1) * pitchBytes - rowBytes; }
  void fill(const TensorValue &value) {
    for (size_t row = 0; row < rows; ++row)
      std::memcpy(data() + row * pitchBytes, value.bytes.data() + row * rowBytes, rowBytes);
  }
  /// Writes over the rows what lies between them and compares all of it.
  bool hasOnlyRowsOf(const char *dense) {
    for (size_t row = 0; row < rows; ++row) {
      char *begin = data() + row * pitchBytes;
      if (std::memcmp(begin, dense + row * rowBytes, rowBytes) != 0)
        return false;
      std::memset(begin, 0xab, rowBytes);
    }
    return llvm::all_of(ArrayRef(buffer.data(), buffer.size()), [](char byte) { return byte == char(0xab); });
  }
};

/// Random pitches of the tensors that may have some, and where rows begin.
struct DrawnPitches {
  RowPitches pitches;
  SmallVector<int64_t> columns; ///< By operand, then that of the result.

  DrawnPitches(Operation *op, std::mt19937_64 &random) : pitches(RowPitches::dense(op)) {
    auto draw = [&](Value value) {
      int64_t before = random() % 20, after = random() % 20;
      columns.push_back(before);
      return before + cast<RankedTensorType>(value.getType()).getShape().back() + after;
    };
    for (OpOperand &operand : op->getOpOperands()) {
      if (readsRows(op) && random() % 2)
        pitches.operands[operand.getOperandNumber()] = draw(operand.get());
      else
        columns.push_back(0);
    }
    pitches.result = draw(op->getResult(0));
  }
};

} // namespace

static void compareRows(Operation *op, const TargetInfo &target, ArrayRef<TensorValue> inputs,
                        const DrawnPitches &drawn) {
  SCOPED_TRACE(target.name);
  CompiledCalls dense(op, target), apart(op, target, drawn.pitches);
  if (!dense.ok() || !apart.ok())
    return;
  TensorValue result = TensorValue::zeros(cast<RankedTensorType>(op->getResult(0).getType()));
  std::vector<GuardedBuffer> in = place(inputs), out = place(result);
  ColumnBuffer rows(result, drawn.pitches.result, drawn.columns.back());
  std::vector<std::unique_ptr<ColumnBuffer>> columns;
  SmallVector<char *> operands, operandsApart;
  for (auto [i, input] : llvm::enumerate(inputs)) {
    operands.push_back(in[i].data());
    operandsApart.push_back(in[i].data());
    if (int64_t pitch = drawn.pitches.operands[i]) {
      columns.push_back(std::make_unique<ColumnBuffer>(input, pitch, drawn.columns[i]));
      columns.back()->fill(input);
      operandsApart.back() = columns.back()->data();
    }
  }
  for (const KernelCall &call : apart.calls())
    for (auto [arg, spec] : llvm::zip_equal(call.args, call.spec.args))
      if (arg.kind == CallArg::Result) {
        EXPECT_LE(arg.offsetBytes + evaluatePolynomial(spec.bytes, call.params),
                  int64_t((rows.rows - 1) * rows.pitchBytes + rows.rowBytes));
      }
  dense.run(operands, {out[0].data()});
  apart.run(operandsApart, {rows.data()}, {0.3, 0.5});
  EXPECT_TRUE(rows.hasOnlyRowsOf(out[0].data())) << "pitch " << drawn.pitches.result;
}

void checkRows(const std::string &source, uint64_t seed, std::unique_ptr<Pass> preparation) {
  SCOPED_TRACE("seed " + std::to_string(seed) + ": " + source);
  TestedOperation tested(source, seed, {});
  ASSERT_TRUE(tested.module && tested.prepare(std::move(preparation)));
  ASSERT_TRUE(writesRows(tested.op));
  DrawnPitches drawn(tested.op, tested.random);
  for (const TargetInfo *target : tested.targets())
    compareRows(tested.op, *target, tested.inputs, drawn);
}

} // namespace nestor::test
