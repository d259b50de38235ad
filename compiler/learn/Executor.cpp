//===- Executor.cpp - Runs a function while compiling ---------------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "compiler/learn/Executor.h"

#include "compiler/ir/Blocks.h"
#include "compiler/ir/NestDialect.h"
#include "compiler/package/Writer.h"
#include "passes/Passes.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/Diagnostics.h"
#include "mlir/Pass/PassManager.h"
#include "nestor/nestor.hpp"

using namespace mlir;

namespace nestor::learn {

struct Executor::State {
  std::shared_ptr<llvm::MemoryBuffer> bytes;
  Artifact artifact; ///< Refers to `bytes`.
  Session session;

  static llvm::Expected<std::unique_ptr<State>> create(std::shared_ptr<llvm::MemoryBuffer> bytes,
                                                       Artifact artifact, unsigned threads);
};

Executor::Executor(std::unique_ptr<State> state) : state(std::move(state)) {}
Executor::Executor(Executor &&) noexcept = default;
Executor &Executor::operator=(Executor &&) noexcept = default;
Executor::~Executor() = default;

static llvm::Error toError(const Status &status) {
  return llvm::createStringError(status.message());
}

llvm::Expected<std::unique_ptr<Executor::State>>
Executor::State::create(std::shared_ptr<llvm::MemoryBuffer> bytes, Artifact artifact,
                        unsigned threads) {
  auto session = artifact.session(SessionOptions().threads(threads));
  if (!session.ok())
    return toError(session.status());
  return std::make_unique<State>(
      State{std::move(bytes), std::move(artifact), std::move(session).value()});
}

/// A float as an argument of type `type` has it, for the body of a `nest.map`.
static Value fromFloat(OpBuilder &builder, Location loc, Value scalar, Type type) {
  if (type.isInteger(1)) {
    Value zero = arith::ConstantOp::create(builder, loc, builder.getF32FloatAttr(0));
    return arith::CmpFOp::create(builder, loc, arith::CmpFPredicate::UNE, scalar, zero);
  }
  if (auto integer = dyn_cast<IntegerType>(type)) {
    Type signless = builder.getIntegerType(integer.getWidth());
    if (integer.isUnsigned())
      return arith::FPToUIOp::create(builder, loc, signless, scalar);
    return arith::FPToSIOp::create(builder, loc, signless, scalar);
  }
  if (type.getIntOrFloatBitWidth() > 32)
    return arith::ExtFOp::create(builder, loc, type, scalar);
  return arith::TruncFOp::create(builder, loc, type, scalar);
}

/// Makes all arguments f32; what reads others reads them converted.
static void takeFloats(func::FuncOp func) {
  OpBuilder builder = OpBuilder::atBlockBegin(&func.front());
  for (BlockArgument argument : func.getArguments()) {
    auto type = cast<RankedTensorType>(argument.getType());
    if (type.getElementType().isF32())
      continue;
    Location loc = argument.getLoc();
    argument.setType(type.clone(builder.getF32Type()));
    auto map = nest::MapOp::create(builder, loc, type, ValueRange(argument));
    Block &body = map.getBody().emplaceBlock();
    OpBuilder inner = OpBuilder::atBlockEnd(&body);
    Value scalar = body.addArgument(builder.getF32Type(), loc);
    scalar = fromFloat(inner, loc, scalar, type.getElementType());
    nest::YieldOp::create(inner, loc, scalar);
    argument.replaceAllUsesExcept(map.getResult(), map);
  }
  func.setType(builder.getFunctionType(func.front().getArgumentTypes(), func.getResultTypes()));
}

/// Convolutions by Winograd's algorithm, also with filters that train: what that
/// rounds is little beside what samples differ. Tiles of 6 round ten times as much
/// as those of 4 and are hardly faster.
static void buildPipeline(OpPassManager &manager) {
  PipelineOptions finish;
  finish.packFilters = false;
  buildFinishPipeline(manager, finish);
  ChooseWinogradPassOptions choice;
  choice.targets = {kernels::hostTarget().name};
  choice.largest = 4;
  choice.computed = true;
  manager.addPass(createChooseWinogradPass(choice));
  buildPackPipeline(manager);
  manager.addNestedPass<func::FuncOp>(createReadPlanarInputsPass());
}

/// A module with nothing but a copy of `func` as `@main`, after the finish
/// pipeline.
static FailureOr<OwningOpRef<ModuleOp>> finish(func::FuncOp func) {
  OwningOpRef<ModuleOp> module = ModuleOp::create(func.getLoc());
  func::FuncOp copy = func.clone();
  copy.setName("main");
  nest::removeBlocks(copy); // Nobody cuts what trains.
  module->push_back(copy);
  takeFloats(copy);
  PassManager manager(func.getContext());
  buildPipeline(manager);
  if (failed(manager.run(*module)))
    return failure();
  package::copySharedResults(copy);
  return module;
}

static FailureOr<std::unique_ptr<llvm::MemoryBuffer>> generate(ModuleOp module) {
  auto main = module.lookupSymbol<func::FuncOp>("main");
  FailureOr<package::Plan> plan = package::planExecution(main);
  if (failed(plan))
    return failure();
  auto images =
      package::buildCodeImages(plan->kernels, &kernels::hostTarget(), *module.getContext());
  if (failed(images))
    return failure();
  return package::toMemory(*plan, *images);
}

llvm::Expected<Executor> Executor::compile(func::FuncOp func, unsigned threads) {
  std::string errors;
  ScopedDiagnosticHandler handler(func.getContext(), [&](Diagnostic &diagnostic) {
    if (diagnostic.getSeverity() == DiagnosticSeverity::Error)
      errors += (errors.empty() ? "" : "\n") + diagnostic.str();
    return success();
  });
  FailureOr<OwningOpRef<ModuleOp>> module = finish(func);
  FailureOr<std::unique_ptr<llvm::MemoryBuffer>> bytes;
  if (succeeded(module))
    bytes = generate(**module);
  if (failed(module) || failed(bytes))
    return llvm::createStringError(errors);

  auto artifact = Artifact::open((*bytes)->getBufferStart(), (*bytes)->getBufferSize());
  if (!artifact.ok())
    return toError(artifact.status());
  auto state = State::create(std::move(*bytes), std::move(artifact).value(), threads);
  if (!state)
    return state.takeError();
  return Executor(std::move(*state));
}

llvm::Expected<Executor> Executor::another(unsigned threads) const {
  auto other = State::create(state->bytes, state->artifact, threads);
  if (!other)
    return other.takeError();
  return Executor(std::move(*other));
}

size_t Executor::inputs() const { return state->artifact.inputs().size(); }
size_t Executor::outputs() const { return state->artifact.outputs().size(); }

llvm::MutableArrayRef<float> Executor::input(size_t index) {
  Tensor tensor = state->session.input(index);
  return {tensor.data_as<float>(), tensor.bytes() / sizeof(float)};
}

llvm::ArrayRef<float> Executor::output(size_t index) const {
  Tensor tensor = state->session.output(index);
  return {tensor.data_as<float>(), tensor.bytes() / sizeof(float)};
}

static void bind(Tensor tensor, void *memory) {
  [[maybe_unused]] Status status = tensor.bind(memory, tensor.bytes());
  assert(status.ok() && "the memory is aligned, and the tensor exists");
}

void Executor::bindInput(size_t index, const float *memory) {
  // Inputs are only read; the runtime has one way to bind both.
  bind(state->session.input(index), const_cast<float *>(memory));
}
void Executor::bindOutput(size_t index, float *memory) {
  bind(state->session.output(index), memory);
}

void Executor::run() {
  [[maybe_unused]] Status status = state->session.run();
  assert(status.ok() && "a session that exists can run");
}

std::vector<Executor::StepTime> Executor::runTimed() {
  PlanInfo plan = state->artifact.plan(0);
  std::vector<uint64_t> times(plan.steps.size());
  [[maybe_unused]] Status status = state->session.run_timed(times.data(), times.size());
  assert(status.ok() && "there is a time for each step");
  std::vector<StepTime> result;
  std::vector<int> longest(plan.layers.size(), -1);
  for (auto [i, step] : llvm::enumerate(plan.steps)) {
    int &most = longest[step.layer];
    if (most < 0 || times[i] > times[most])
      most = int(i);
    result.push_back({plan.layers[step.layer].name, step.signature, times[i], 0});
  }
  for (auto [layer, step] : llvm::enumerate(longest))
    if (step >= 0)
      result[step].macs = plan.layers[layer].macs;
  return result;
}

} // namespace nestor::learn
