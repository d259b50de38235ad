//===- GraphStore.cpp - A nested module into a graph section --------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "compiler/package/Graph.h"
#include "compiler/package/GraphSection.h"

#include "compiler/ir/FilterForm.h"
#include "compiler/ir/HalfFilter.h"
#include "compiler/reference/Evaluator.h"

#include "mlir/IR/OperationSupport.h"
#include "llvm/Support/xxhash.h"

#include <map>

using namespace mlir;
using nestor::kernels::FilterBlocks;
using nestor::reference::TensorValue;

namespace nestor::package {
namespace {

/// Smaller constants stay in the text.
constexpr size_t kLargestInline = 64;

/// A value of the same type that takes no room.
ElementsAttr placeholder(ElementsAttr value) {
  auto type = cast<RankedTensorType>(value.getType());
  return DenseElementsAttr::get(type,
                                Builder(type.getContext()).getZeroAttr(type.getElementType()));
}

class GraphStore {
public:
  GraphStore(ModuleOp module, const WeightPlan &plan)
      : module(module), plan(plan), builder(module) {
    for (const Weight &weight : plan.weights())
      if (!weight.isBlock && weight.size)
        byContents.emplace(llvm::xxh3_64bits(weight.contents()), &weight);
  }

  std::string run();

private:
  void shareFilter(nest::ConvOp conv);
  template <typename OpTy> void shareMatrices(OpTy layer, int64_t gates);
  void share(OpOperand &operand, int64_t form, nest::FilterForm transform = {});
  void store(nest::ConstOp op);
  void store(nest::GlobalOp op);
  bool storeBlocks(nest::GlobalOp op);
  bool storePacked(nest::GlobalOp op);
  SmallVector<int64_t> place(StringRef bytes);
  const Weight *find(StringRef bytes) const;

  ModuleOp module;
  const WeightPlan &plan;
  OpBuilder builder;
  std::multimap<uint64_t, const Weight *> byContents;
  /// Of globals that were a constant: the form (kBlocksAttr) that is packed, and
  /// what for.
  llvm::DenseMap<Operation *, std::pair<int64_t, nest::FilterForm>> forms;
  GraphContents contents;
};

const Weight *GraphStore::find(StringRef bytes) const {
  auto [begin, end] = byContents.equal_range(llvm::xxh3_64bits(bytes));
  for (auto candidate = begin; candidate != end; ++candidate)
    if (candidate->second->contents() == bytes)
      return candidate->second;
  return nullptr;
}

/// Where bytes lie that a shell may have; otherwise they go into the section.
SmallVector<int64_t> GraphStore::place(StringRef bytes) {
  if (const Weight *weight = find(bytes))
    return {int64_t(weight->shell), int64_t(weight->offset)};
  int64_t offset = contents.constants.size();
  contents.constants += bytes;
  return {kInSection, offset};
}

void GraphStore::shareFilter(nest::ConvOp conv) {
  if (conv.getPacked()) // A shell has it as it is.
    return;
  int64_t outputs = conv.getFilter().getType().getShape().back(), groups = conv.getGroups();
  bool depthwise = groups == outputs && groups == conv.getInputShape().back();
  share(conv.getFilterMutable(), depthwise ? outputs : outputs / groups, nest::filterForm(conv));
}

template <typename OpTy> void GraphStore::shareMatrices(OpTy layer, int64_t gates) {
  share(layer.getWeightsMutable(), -gates);
  share(layer.getRecurrenceMutable(), -gates);
}

/// A constant filter becomes a global of which the operation reads all, so that
/// there is one way in which the shells have filters.
void GraphStore::share(OpOperand &operand, int64_t form, nest::FilterForm transform) {
  auto constant = operand.get().getDefiningOp<nest::ConstOp>();
  auto type = cast<RankedTensorType>(operand.get().getType());
  Type element = type.getElementType();
  if (!constant || !(element.isF32() || nest::isHalf(element)) || type.getRank() < 3)
    return;
  builder.setInsertionPointToStart(module.getBody());
  SmallVector<Attribute> edges(type.getRank(), builder.getArrayAttr({}));
  auto global =
      nest::GlobalOp::create(builder, constant.getLoc(), "constant_" + std::to_string(forms.size()),
                             constant.getValue(), builder.getArrayAttr(edges));
  forms[global] = {form, transform};
  builder.setInsertionPoint(constant);
  auto weight = nest::WeightOp::create(builder, constant.getLoc(), type, global.getSymName(), 0);
  constant.replaceAllUsesWith(weight.getResult());
  constant.erase();
}

/// The blocks of a filter that capacities share.
bool GraphStore::storeBlocks(nest::GlobalOp op) {
  for (const StoredFilter &filter : plan.filters()) {
    if (nest::GlobalOp(filter.global).getSymName() != op.getSymName())
      continue;
    int64_t form = filter.blocks.shells() > 1 ? 0 : filter.blocks.keptOutputs(0, 0);
    SmallVector<int64_t> places{filter.blocks.gates() ? -filter.blocks.gates() : form};
    for (std::optional<unsigned> number : filter.weights) {
      const Weight *weight = number ? &plan.weights()[*number] : nullptr;
      places.push_back(weight ? weight->shell : kNowhere);
      places.push_back(weight ? weight->offset : 0);
    }
    op->setAttr(kBlocksAttr, builder.getDenseI64ArrayAttr(places));
    nest::setFilterForm(op, filter.blocks.transform());
    return true;
  }
  return false;
}

/// A filter of one capacity, which was packed at compile time.
bool GraphStore::storePacked(nest::GlobalOp op) {
  auto found = forms.find(op);
  if (found == forms.end())
    return false;
  auto [form, transform] = found->second;
  std::optional<FilterBlocks> blocks =
      form < 0 ? FilterBlocks::recurrent(op, -form) : FilterBlocks::whole(op, form, transform);
  if (!blocks)
    return false;
  TensorValue value = TensorValue::fromAttr(op.getValue());
  std::string packed;
  for (unsigned block = 0; block < blocks->count(); ++block) {
    size_t begin = packed.size();
    packed.resize(begin + blocks->bytes(block));
    blocks->pack(block, value.bytes, MutableArrayRef(packed.data(), packed.size()).drop_front(begin));
  }
  const Weight *weight = find(packed);
  if (!weight)
    return false;
  SmallVector<int64_t> places{form};
  int64_t offset = weight->offset;
  for (unsigned block = 0; block < blocks->count(); offset += blocks->bytes(block++))
    places.append({int64_t(weight->shell), offset});
  op->setAttr(kBlocksAttr, builder.getDenseI64ArrayAttr(places));
  nest::setFilterForm(op, transform);
  return true;
}

void GraphStore::store(nest::GlobalOp op) {
  if (!storeBlocks(op) && !storePacked(op)) {
    TensorValue value = TensorValue::fromAttr(op.getValue());
    op->setAttr(kStoredAttr,
                builder.getDenseI64ArrayAttr(place({value.bytes.data(), value.bytes.size()})));
  }
  op.setValueAttr(placeholder(op.getValue()));
}

void GraphStore::store(nest::ConstOp op) {
  auto dense = dyn_cast<DenseElementsAttr>(op.getValue());
  if (dense && dense.isSplat())
    return;
  TensorValue value = TensorValue::fromAttr(op.getValue());
  if (value.bytes.size() <= kLargestInline && dense)
    return;
  op->setAttr(kStoredAttr,
              builder.getDenseI64ArrayAttr(place({value.bytes.data(), value.bytes.size()})));
  op.setValueAttr(placeholder(op.getValue()));
}

std::string GraphStore::run() {
  module.walk([&](nest::ConvOp conv) { shareFilter(conv); });
  module.walk([&](nest::LstmOp lstm) { shareMatrices(lstm, 4); });
  module.walk([&](nest::GruOp gru) { shareMatrices(gru, 3); });
  module.walk([&](nest::RnnOp rnn) { shareMatrices(rnn, 1); });
  for (auto global : module.getOps<nest::GlobalOp>())
    store(global);
  module.walk([&](nest::ConstOp constant) { store(constant); });
  llvm::raw_string_ostream stream(contents.text);
  module.print(stream, OpPrintingFlags().enableDebugInfo()); // Locations name the nodes.
  return encodeGraph(contents);
}

} // namespace

std::string storeGraph(OwningOpRef<ModuleOp> prepared, const WeightPlan &weights) {
  return GraphStore(*prepared, weights).run();
}

} // namespace nestor::package
