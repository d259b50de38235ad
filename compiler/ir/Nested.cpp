//===- Nested.cpp - Modules that hold several capacities ------------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "compiler/ir/Nested.h"

#include "compiler/ir/Verify.h"

using namespace mlir;
using namespace nestor::nest;

SmallVector<func::FuncOp> nestor::nest::capacityFunctions(ModuleOp module) {
  SmallVector<func::FuncOp> functions;
  while (auto func = module.lookupSymbol<func::FuncOp>("capacity_" + std::to_string(functions.size())))
    functions.push_back(func);
  if (auto main = module.lookupSymbol<func::FuncOp>("main"))
    functions.push_back(main);
  return functions;
}

GlobalOp nestor::nest::globalOf(WeightOp weight) {
  return SymbolTable::lookupNearestSymbolFrom<GlobalOp>(weight, weight.getGlobalAttr());
}

SmallVector<ArrayRef<int64_t>> nestor::nest::partsOf(GlobalOp global, unsigned dim) {
  SmallVector<ArrayRef<int64_t>> parts;
  for (Attribute part : cast<ArrayAttr>(global.getEdges()[dim]))
    parts.push_back(cast<DenseI64ArrayAttr>(part).asArrayRef());
  return parts;
}

size_t nestor::nest::capacityCount(GlobalOp global) {
  for (size_t dim = 0; dim < global.getEdges().size(); ++dim)
    for (ArrayRef<int64_t> part : partsOf(global, dim))
      return part.size();
  return 0;
}

SmallVector<int64_t> nestor::nest::keptIndices(GlobalOp global, unsigned dim, int64_t capacity) {
  SmallVector<int64_t> kept;
  SmallVector<ArrayRef<int64_t>> parts = partsOf(global, dim);
  if (parts.empty())
    llvm::append_range(kept, llvm::seq<int64_t>(0, global.getValue().getShapedType().getDimSize(dim)));
  int64_t start = 0;
  for (ArrayRef<int64_t> part : parts) {
    llvm::append_range(kept, llvm::seq<int64_t>(start, start + part[capacity]));
    start += part.back();
  }
  return kept;
}

//===----------------------------------------------------------------------===//
// Verifiers
//===----------------------------------------------------------------------===//

/// Checks the edges of one dimension, of which `capacities` is known once one
/// part was seen.
static LogicalResult verifyParts(GlobalOp op, unsigned dim, size_t &capacities) {
  auto list = dyn_cast<ArrayAttr>(op.getEdges()[dim]);
  if (!list || !llvm::all_of(list, [](Attribute part) { return isa<DenseI64ArrayAttr>(part); }))
    return op.emitOpError("edges must be lists of i64 arrays");
  int64_t sum = 0;
  for (ArrayRef<int64_t> part : partsOf(op, dim)) {
    if (part.empty() || (capacities && part.size() != capacities))
      return op.emitOpError("every part needs one edge for each capacity");
    capacities = part.size();
    if (part.front() < 0 || !llvm::is_sorted(part))
      return op.emitOpError("edges of dimension ") << dim << " must ascend";
    sum += part.back();
  }
  int64_t extent = op.getValue().getShapedType().getDimSize(dim);
  if (!list.empty() && sum != extent)
    return op.emitOpError("the parts of dimension ") << dim << " must add up to " << extent;
  return success();
}

LogicalResult GlobalOp::verify() {
  if (getEdges().size() != size_t(getValue().getShapedType().getRank()))
    return emitOpError("edges need one list for each dimension");
  size_t capacities = 0;
  for (size_t dim = 0; dim < getEdges().size(); ++dim)
    if (failed(verifyParts(*this, dim, capacities)))
      return failure();
  return success();
}

LogicalResult WeightOp::verifySymbolUses(SymbolTableCollection &symbols) {
  auto global = symbols.lookupNearestSymbolFrom<GlobalOp>(*this, getGlobalAttr());
  if (!global)
    return emitOpError("there is no global ") << getGlobalAttr();
  size_t count = capacityCount(global);
  int64_t capacity = getCapacity();
  if (capacity < 0 || (count && capacity >= int64_t(count)))
    return emitOpError("there is no capacity ") << capacity;
  SmallVector<int64_t> want;
  for (unsigned dim = 0; dim < global.getEdges().size(); ++dim)
    want.push_back(keptIndices(global, dim, capacity).size());
  if (elementOf(getResult()) != global.getValue().getElementType())
    return emitOpError("must have the global's element type");
  return verifyShape(*this, "result", getResult(), want);
}
