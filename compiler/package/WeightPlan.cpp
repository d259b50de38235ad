//===- WeightPlan.cpp - Where weights lie in the shells -------------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "compiler/package/WeightPlan.h"

#include "compiler/reference/Evaluator.h"
#include "runtime/format/header.h"

#include "mlir/IR/DialectResourceBlobManager.h"
#include "llvm/Support/MathExtras.h"
#include "llvm/Support/xxhash.h"

using namespace mlir;
using namespace nestor;
using namespace nestor::package;
using nestor::kernels::FilterBlocks;
using nestor::kernels::SharedFilter;

/// The bytes of a constant as kernels read them, without a copy where the
/// attribute stores them so.
static Weight weightOf(ElementsAttr value) {
  Weight weight;
  AsmResourceBlob *blob = nullptr;
  if (auto resource = dyn_cast<DenseResourceElementsAttr>(value))
    blob = resource.getRawHandle().getBlob();
  if (blob) {
    weight.bytes = StringRef(blob->getData().data(), blob->getData().size());
  } else {
    reference::TensorValue tensor = reference::TensorValue::fromAttr(value);
    weight.expanded.emplace(tensor.bytes.begin(), tensor.bytes.end());
  }
  weight.size = weight.contents().size();
  return weight;
}

bool Weight::isReadBy(unsigned capacity) const {
  return llvm::any_of(readers, [&](WeightReader reader) { return reader.capacity == capacity; });
}

static void addReader(Weight &weight, WeightReader reader) {
  if (!llvm::is_contained(weight.readers, reader))
    weight.readers.push_back(reader);
}

unsigned WeightPlan::add(Weight weight, WeightReader reader) {
  weight.shell = reader.capacity;
  addReader(weight, reader);
  list.push_back(std::move(weight));
  return list.size() - 1;
}

/// The only block that reads `weight`, or `blocks` where there are several.
static unsigned blockOf(const Weight &weight, unsigned blocks) {
  unsigned block = weight.readers.front().block;
  auto isSame = [&](WeightReader reader) { return reader.block == block; };
  return llvm::all_of(weight.readers, isSame) ? block : blocks;
}

std::vector<WeightRange> WeightPlan::layOut(unsigned blocks) {
  SmallVector<std::tuple<unsigned, unsigned, unsigned>> order; // Shell, block, number.
  for (auto [number, weight] : llvm::enumerate(list))
    if (weight.size) // What is empty takes no room, not even that of its alignment.
      order.push_back({weight.shell, blockOf(weight, blocks), number});
  llvm::sort(order);
  std::vector<WeightRange> ranges;
  for (auto [shell, block, number] : order) {
    Weight &weight = list[number];
    uint64_t &end = bytesOfShell[shell];
    weight.offset = llvm::alignTo(end, format::kBufferAlignment);
    end = weight.offset + weight.size;
    if (ranges.empty() || ranges.back().shell != shell || ranges.back().block != block)
      ranges.push_back({block, shell, weight.offset, 0});
    ranges.back().size = end - ranges.back().offset;
  }
  return ranges;
}

unsigned WeightPlan::readConstant(ElementsAttr value, WeightReader reader) {
  Weight weight = weightOf(value);
  SmallVector<unsigned, 1> &candidates = constants[llvm::xxh3_64bits(weight.contents())];
  for (unsigned candidate : candidates) {
    if (list[candidate].contents() != weight.contents())
      continue;
    addReader(list[candidate], reader);
    return candidate;
  }
  candidates.push_back(list.size());
  return add(std::move(weight), reader);
}

StoredFilter &WeightPlan::stored(const SharedFilter &filter) {
  auto [entry, isNew] = filterNumbers.try_emplace(
      {filter.global, filter.blocks.shells(), filter.blocks.gates()}, filterList.size());
  if (isNew)
    filterList.push_back({filter.global, filter.blocks,
                          SmallVector<std::optional<unsigned>>(filter.blocks.count())});
  return filterList[entry->second];
}

unsigned WeightPlan::readBlock(const SharedFilter &filter, unsigned block, WeightReader reader) {
  std::optional<unsigned> &number = stored(filter).weights[block];
  if (number) {
    addReader(list[*number], reader);
  } else {
    Weight weight;
    weight.isBlock = true;
    weight.size = filter.blocks.bytes(block);
    number = add(std::move(weight), reader);
  }
  return *number;
}

/// The operations from constants and weights to `value`, which compute it.
static FailureOr<ElementsAttr> evaluate(Value value) {
  Operation *op = value.getDefiningOp();
  if (auto constant = dyn_cast<nest::ConstOp>(op))
    return constant.getValue();
  SmallVector<reference::TensorValue> operands, results;
  for (Value operand : op->getOperands()) {
    FailureOr<ElementsAttr> known = evaluate(operand);
    if (failed(known))
      return failure();
    operands.push_back(reference::TensorValue::fromAttr(*known));
  }
  if (failed(reference::evaluate(op, operands, results)))
    return failure();
  return results.front().toAttr();
}

FailureOr<unsigned> WeightPlan::read(Value value, WeightReader reader) {
  if (std::optional<SharedFilter> filter = SharedFilter::get(value)) {
    assert(filter->blocks.shells() == 1 && "blocks in shells are read one by one");
    // The groups' blocks are whole panels: they follow each other without gaps.
    for (unsigned block = 0; block < filter->blocks.count(); ++block)
      readBlock(*filter, block, reader);
    return *stored(*filter).weights.front();
  }
  FailureOr<ElementsAttr> known = evaluate(value);
  if (failed(known))
    return failure();
  return readConstant(*known, reader);
}

bool WeightPlan::isPrivate(const Weight &weight) const {
  auto isFirst = [&](WeightReader reader) { return reader.capacity == weight.shell; };
  return capacities > 1 && !weight.isBlock && llvm::all_of(weight.readers, isFirst);
}

uint64_t WeightPlan::sharedBytes(unsigned capacity) const {
  uint64_t bytes = 0;
  for (const Weight &weight : list)
    if (weight.isReadBy(capacity) && !isPrivate(weight))
      bytes += weight.size;
  return bytes;
}

uint64_t WeightPlan::privateBytes(unsigned capacity) const {
  uint64_t bytes = 0;
  for (const Weight &weight : list)
    if (weight.isReadBy(capacity) && isPrivate(weight))
      bytes += weight.size;
  return bytes;
}

void WeightPlan::write(unsigned shell, MutableArrayRef<uint8_t> out) const {
  for (const Weight &weight : list)
    if (weight.shell == shell && !weight.isBlock)
      llvm::copy(weight.contents(), out.begin() + weight.offset);
  for (const StoredFilter &filter : filterList) {
    std::optional<Weight> values;
    for (auto [block, number] : llvm::enumerate(filter.weights)) {
      if (!number || list[*number].shell != shell)
        continue;
      if (!values)
        values = weightOf(nest::GlobalOp(filter.global).getValue());
      auto *place = reinterpret_cast<char *>(out.data() + list[*number].offset);
      filter.blocks.pack(block, {values->contents().data(), values->size}, {place, list[*number].size});
    }
  }
}
