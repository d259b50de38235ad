//===- Subjects.cpp - What a module leaves to choose ----------------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "compiler/tune/Subjects.h"

#include "compiler/ir/FilterForm.h"
#include "compiler/ir/Nested.h"
#include "passes/Passes.h"
#include "passes/StrassenCost.h"

#include "mlir/IR/IRMapping.h"
#include "mlir/Pass/PassManager.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FormatVariadic.h"

#include <limits>

using namespace mlir;
using namespace nestor::kernels;

namespace nestor::tune {

using Calls = SmallVector<KernelCall, 1>;

static StringRef spell(WeightDistance distance) {
  return distance == WeightDistance::Near  ? "weights near"
         : distance == WeightDistance::Far ? "weights in a far cache"
                                           : "weights in memory";
}

static ArrayRef<int64_t> dimensionsOf(Value value) {
  return cast<RankedTensorType>(value.getType()).getShape();
}

/// What the kernel of `op` learns at run time: 64->128.
static std::string shapeText(Operation *op) {
  ArrayRef<int64_t> in = dimensionsOf(op->getOperand(0));
  auto matmul = dyn_cast<nest::MatmulOp>(op);
  int64_t depth = matmul && matmul.getTransposeLhs() ? in[in.size() - 2] : in.back();
  return llvm::formatv("{0}->{1}", depth, dimensionsOf(op->getResult(0)).back()).str();
}

static bool isWeight(Value value) {
  return isa_and_nonnull<nest::ConstOp, nest::WeightOp, nest::PackOp>(value.getDefiningOp());
}

/// What `op` is computed by. The operation was verified and has kernels.
static Calls callsOf(Operation *op) {
  FailureOr<Calls> calls = describeCalls(op);
  assert(succeeded(calls) && "products have kernels");
  for (KernelCall &call : *calls)
    for (CallArg &arg : call.args)
      if (arg.kind == CallArg::Operand && isWeight(op->getOperand(arg.index)))
        arg.kind = CallArg::Block;
  return std::move(*calls);
}

/// The last call is the product; those before it prepare its input.
static const KernelSpec &mainKernel(const Calls &calls) { return calls.back().spec; }

//===----------------------------------------------------------------------===//
// Algorithms
//===----------------------------------------------------------------------===//

static std::string algorithmName(nest::FilterForm form) {
  if (form.strassen)
    return "strassen";
  return form.winograd ? "F(" + std::to_string(form.winograd.m) + ")" : "direct";
}

/// What `conv` can be computed by, smaller filters first.
static SmallVector<nest::FilterForm> choicesOf(nest::ConvOp conv) {
  if (!winogradExtents(conv))
    return {{}, {{}, /*strassen=*/true}};
  int64_t stride = conv.getStrides().front();
  return llvm::map_to_vector(winogradChoices(stride), [&](int64_t tile) {
    return nest::FilterForm{{tile, stride}, /*strassen=*/false};
  });
}

/// Appends a function to `scratch` that is `conv` alone, computed by `form`.
static nest::ConvOp isolate(nest::ConvOp conv, nest::FilterForm form, ModuleOp scratch) {
  OpBuilder builder = OpBuilder::atBlockEnd(scratch.getBody());
  std::string name = "layer_" + std::to_string(scratch.getBody()->getOperations().size());
  auto func = func::FuncOp::create(
      builder, conv.getLoc(), name,
      builder.getFunctionType(conv->getOperandTypes(), conv->getResultTypes()));
  Block *entry = func.addEntryBlock();
  IRMapping mapping;
  mapping.map(conv->getOperands(), entry->getArguments());
  builder.setInsertionPointToStart(entry);
  auto copy = cast<nest::ConvOp>(builder.clone(*conv, mapping));
  nest::setFilterForm(copy, form);
  func::ReturnOp::create(builder, conv.getLoc(), copy.getResult());
  return copy;
}

AlgorithmSubjects::AlgorithmSubjects(ModuleOp module, Kind kind)
    : weights(weightDistance(weightBytes(module))), scratch(ModuleOp::create(module.getLoc())) {
  SmallVector<nest::ConvOp> convs, copies;
  nest::capacityFunctions(module).back().walk([&](nest::ConvOp conv) {
    bool fits = kind == Windows ? winogradExtents(conv).has_value() : strassenExtents(conv).has_value();
    if (fits && isWeight(conv.getFilter()))
      convs.push_back(conv);
  });
  for (nest::ConvOp conv : convs)
    for (nest::FilterForm form : choicesOf(conv))
      copies.push_back(isolate(conv, form, *scratch));
  PassManager manager(module.getContext());
  manager.addNestedPass<func::FuncOp>(createPackFiltersPass());
  [[maybe_unused]] LogicalResult packed = manager.run(*scratch);
  assert(succeeded(packed) && "filters of such convolutions can be packed");
  ArrayRef<nest::ConvOp> left = copies;
  for (nest::ConvOp conv : convs) {
    size_t count = choicesOf(conv).size();
    add(conv, left.take_front(count));
    left = left.drop_front(count);
  }
}

void AlgorithmSubjects::add(nest::ConvOp conv, ArrayRef<nest::ConvOp> copies) {
  Calls direct = callsOf(copies.front());
  const KernelSpec &kernel = mainKernel(direct);
  Layer &layer = layers[llvm::formatv("algorithm of {0}, {1}, {2}, {3}", kernel.signature,
                                      shapeText(conv), spell(weights), kernel.name)
                            .str()];
  layer.convs.push_back(conv);
  if (layer.candidates.empty())
    for (auto [form, copy] : llvm::zip_equal(choicesOf(conv), copies))
      layer.candidates.push_back({algorithmName(form), {{callsOf(copy)}}});
}

std::vector<Subject> AlgorithmSubjects::subjects(const TargetInfo &target) const {
  std::vector<Subject> list;
  for (const auto &[text, layer] : layers)
    list.push_back({target.name + " " + text, weights, layer.candidates});
  return list;
}

void AlgorithmSubjects::apply(size_t number, const TargetInfo &target, const TuneEntry &entry) {
  // From one choice to the next filters grow: one that is hardly faster than those
  // before counts as equally fast, so that noise does not cost bytes.
  ArrayRef<nest::ConvOp> convs = std::next(layers.begin(), number)->second.convs;
  SmallVector<double> nanoseconds;
  double best = std::numeric_limits<double>::infinity();
  for (nest::FilterForm form : choicesOf(convs.front())) {
    double time = 1e3 * entry.microseconds.at(algorithmName(form));
    best = best >= kLeastGain * time ? time : best;
    nanoseconds.push_back(std::max(time, best));
  }
  for (nest::ConvOp conv : convs)
    setMeasured(conv, target.name, nanoseconds);
}

//===----------------------------------------------------------------------===//
// Tiles
//===----------------------------------------------------------------------===//

TileSubjects::TileSubjects(ModuleOp module) : weights(weightDistance(weightBytes(module))) {
  SmallVector<func::FuncOp> functions = nest::capacityFunctions(module);
  for (func::FuncOp function : llvm::reverse(functions))
    function.walk([&](Operation *op) {
      // What somebody chose already stays.
      if (isa<nest::ConvOp, nest::MatmulOp>(op) && !tilesOf(op))
        add(op, function);
    });
}

void TileSubjects::add(Operation *op, Operation *function) {
  Calls calls = callsOf(op);
  const KernelSpec &spec = mainKernel(calls);
  Kernel &kernel = all[spec.signature + ", " + spec.name];
  kernel.ops.push_back(op);
  if (!kernel.function)
    kernel.function = function;
  if (kernel.function == function) {
    auto &[representative, count] = kernel.shapes[shapeText(op)];
    representative = op;
    ++count;
  }
}

/// What `op` would be computed by with another tile on `target`.
static Calls callsWith(Operation *op, const TargetInfo &target, const TileShape &tile) {
  setTile(op, target, tile);
  Calls calls = callsOf(op);
  op->removeAttr(kTilesAttr);
  return calls;
}

std::vector<Subject> TileSubjects::subjects(const TargetInfo &target) {
  std::vector<Subject> list;
  asked.clear();
  for (const auto &[text, kernel] : all) {
    SmallVector<TileShape> tiles = tilesToChoose(kernel.ops.front(), target);
    if (tiles.size() < 2)
      continue;
    std::string shapes;
    for (const auto &[shape, user] : kernel.shapes)
      shapes += ", " + shape + " x" + std::to_string(user.second);
    Subject subject{target.name + " " + text + shapes + ", " + spell(weights).str(), weights, {}};
    for (const TileShape &tile : tiles) {
      Candidate &candidate = subject.candidates.emplace_back(Candidate{kernels::spell(tile), {}});
      for (const auto &[shape, user] : kernel.shapes)
        candidate.works.push_back({callsWith(user.first, target, tile), user.second});
    }
    list.push_back(std::move(subject));
    asked.push_back(&kernel);
  }
  return list;
}

bool TileSubjects::choose(size_t number, const TargetInfo &target, StringRef choice) {
  const Kernel &kernel = *asked[number];
  SmallVector<TileShape> tiles = tilesToChoose(kernel.ops.front(), target);
  const TileShape *chosen =
      llvm::find_if(tiles, [&](const TileShape &tile) { return kernels::spell(tile) == choice; });
  assert(chosen != tiles.end() && "an entry that fits names a candidate");
  if (chosen == tiles.begin())
    return false;
  choices.push_back({&kernel, &target, *chosen});
  return true;
}

void TileSubjects::apply() {
  for (const Choice &choice : choices)
    for (Operation *op : choice.kernel->ops)
      setTile(op, *choice.target, choice.tile);
  choices.clear();
}

} // namespace nestor::tune
