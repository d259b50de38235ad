//===- GraphRestore.cpp - A nested module from an artifact ----------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
//
// Nothing in a graph section is trusted: extents and places are checked before
// memory is taken or read, and the module is verified.
//
//===----------------------------------------------------------------------===//

#include "compiler/package/Graph.h"
#include "compiler/package/GraphSection.h"

#include "compiler/ir/FilterForm.h"
#include "compiler/ir/Nested.h"
#include "compiler/reference/Evaluator.h"

#include "mlir/IR/Diagnostics.h"
#include "mlir/Parser/Parser.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using llvm::Error;
using llvm::Expected;
using nestor::kernels::FilterBlocks;
using nestor::reference::TensorValue;

namespace nestor::package {
namespace {

Error error(const Twine &message) {
  return llvm::createStringError(llvm::inconvertibleErrorCode(), message);
}

/// Bytes of a dense tensor; nothing where they are more than `limit`.
std::optional<int64_t> bytesOf(ArrayRef<int64_t> shape, Type element, int64_t limit) {
  int64_t bytes = reference::elementBytes(element);
  for (int64_t extent : shape)
    if (extent < 0 || llvm::MulOverflow(bytes, extent, bytes) || bytes > limit)
      return std::nullopt;
  return bytes;
}

class GraphRestore {
public:
  GraphRestore(ModuleOp module, StringRef constants, unsigned capacity, ArrayRef<StringRef> shells)
      : module(module), constants(constants), capacity(capacity), shells(shells) {
    available = constants.size();
    for (StringRef shell : shells)
      available += shell.size();
  }

  Error run();

private:
  Error dropLarger();
  Error restore(nest::ConstOp op);
  Error restore(nest::GlobalOp op);
  Error restoreBlocks(nest::GlobalOp op, ArrayRef<int64_t> places);
  Expected<ElementsAttr> read(Operation *op, ElementsAttr value);
  Expected<StringRef> bytesAt(int64_t place, int64_t offset, uint64_t size);

  ModuleOp module;
  StringRef constants;
  unsigned capacity;
  ArrayRef<StringRef> shells;
  int64_t available; ///< All bytes that there are: no weight is larger.
};

Expected<StringRef> GraphRestore::bytesAt(int64_t place, int64_t offset, uint64_t size) {
  bool exists = place == kInSection || (place >= 0 && place < int64_t(shells.size()));
  StringRef bytes = !exists ? "" : place == kInSection ? constants : shells[place];
  if (!exists || offset < 0 || uint64_t(offset) > bytes.size() || bytes.size() - offset < size)
    return error("the graph section refers to weights that the file does not have");
  return bytes.substr(offset, size);
}

Expected<ElementsAttr> GraphRestore::read(Operation *op, ElementsAttr value) {
  auto stored = op->getAttrOfType<DenseI64ArrayAttr>(kStoredAttr);
  if (!stored)
    return value;
  auto type = cast<RankedTensorType>(value.getType());
  std::optional<int64_t> size = bytesOf(type.getShape(), type.getElementType(), available);
  if (stored.size() != 2 || !size)
    return error("the graph section has a constant of an impossible size");
  Expected<StringRef> bytes = bytesAt(stored[0], stored[1], *size);
  if (!bytes)
    return bytes.takeError();
  op->removeAttr(kStoredAttr);
  return TensorValue{type, std::vector<char>(bytes->begin(), bytes->end())}.toAttr();
}

Error GraphRestore::restore(nest::ConstOp op) {
  Expected<ElementsAttr> value = read(op, op.getValue());
  if (!value)
    return value.takeError();
  op.setValueAttr(*value);
  return Error::success();
}

Error GraphRestore::restore(nest::GlobalOp op) {
  if (auto places = op->getAttrOfType<DenseI64ArrayAttr>(kBlocksAttr)) {
    op->removeAttr(kBlocksAttr);
    return restoreBlocks(op, places);
  }
  Expected<ElementsAttr> value = read(op, op.getValue());
  if (!value)
    return value.takeError();
  op.setValueAttr(*value);
  return Error::success();
}

/// The edges of capacities up to `capacity`, and the shape that they leave.
static std::pair<ArrayAttr, SmallVector<int64_t>> truncated(nest::GlobalOp op, unsigned capacity) {
  Builder builder(op);
  SmallVector<Attribute> edges;
  SmallVector<int64_t> shape(op.getValue().getShapedType().getShape());
  for (size_t dim = 0; dim < shape.size(); ++dim) {
    SmallVector<Attribute> parts;
    int64_t kept = 0;
    for (ArrayRef<int64_t> part : nest::partsOf(op, dim)) {
      parts.push_back(builder.getDenseI64ArrayAttr(part.take_front(capacity + 1)));
      kept += part[capacity];
    }
    shape[dim] = parts.empty() ? shape[dim] : kept;
    edges.push_back(builder.getArrayAttr(parts));
  }
  return {builder.getArrayAttr(edges), shape};
}

/// Of the recurrent layers that there are.
static constexpr int64_t kMostGates = 4;

/// Whether a filter of `type` can be transformed so.
static bool canHave(RankedTensorType type, nest::FilterForm transform) {
  ArrayRef<int64_t> kernel = type.getShape().drop_back(2);
  if (!transform.strassen)
    return kernel == ArrayRef<int64_t>{3, 3} && transform.winograd.exists();
  return !transform.winograd && type.getElementType().isF32() &&
         llvm::all_of(kernel, [](int64_t extent) { return extent == 1; });
}

/// Puts the blocks of a filter where they belong. One that lies in shells
/// becomes that of the capacity, so that its size is that of what is read.
Error GraphRestore::restoreBlocks(nest::GlobalOp op, ArrayRef<int64_t> places) {
  auto impossible = [] {
    return error("the graph section has a filter of an impossible structure");
  };
  auto type = cast<RankedTensorType>(op.getValue().getType());
  if (places.empty() || places[0] < -kMostGates || type.getRank() < 3)
    return impossible();
  const int64_t form = places[0];
  const nest::FilterForm transform = nest::filterForm(op);
  if (transform && (form < 0 || !canHave(type, transform)))
    return impossible();
  nest::setFilterForm(op, {});
  bool inShells = form <= 0 && capacity < nest::capacityCount(op);
  ArrayAttr edges = op.getEdgesAttr();
  SmallVector<int64_t> shape(type.getShape());
  if (inShells)
    std::tie(edges, shape) = truncated(op, capacity);
  // Packed filters are no smaller than plain ones.
  std::optional<int64_t> size = bytesOf(shape, type.getElementType(), available);
  if (!size || !*size)
    return impossible();
  std::optional<FilterBlocks> blocks = form < 0    ? FilterBlocks::recurrent(op, -form)
                                       : form == 0 ? FilterBlocks::nested(op, transform)
                                                   : FilterBlocks::whole(op, form, transform);
  if (!blocks || places.size() != 1 + 2 * size_t(blocks->count()))
    return impossible();

  FilterBlocks read = inShells ? blocks->upTo(capacity) : *blocks;
  TensorValue value = TensorValue::zeros(type.clone(shape));
  std::vector<char> packed;
  for (unsigned part = 0; part < read.outputParts(); ++part) {
    for (unsigned index = 0; index < read.shells(); ++index) {
      const int64_t *place = &places[1 + 2 * blocks->block(part, index)];
      unsigned block = read.block(part, index);
      if (place[0] == kNowhere)
        continue; // No capacity reads it.
      Expected<StringRef> bytes = bytesAt(place[0], place[1], read.bytes(block));
      if (!bytes)
        return bytes.takeError();
      packed.assign(bytes->begin(), bytes->end()); // Aligned, wherever the file has it.
      read.unpack(block, packed, value.bytes);
    }
  }
  op.setValueAttr(value.toAttr());
  op.setEdgesAttr(edges);
  return Error::success();
}

/// The functions of larger capacities, and what only they read.
Error GraphRestore::dropLarger() {
  SmallVector<func::FuncOp> functions = nest::capacityFunctions(module);
  if (functions.size() <= capacity)
    return error("the graph section has fewer capacities than the file");
  for (func::FuncOp function : ArrayRef(functions).drop_front(capacity + 1))
    function.erase();
  for (auto global : llvm::make_early_inc_range(module.getOps<nest::GlobalOp>()))
    if (SymbolTable::symbolKnownUseEmpty(global, module))
      global.erase();
  return Error::success();
}

Error GraphRestore::run() {
  if (Error problem = dropLarger())
    return problem;
  for (auto global : module.getOps<nest::GlobalOp>())
    if (Error problem = restore(global))
      return problem;
  SmallVector<nest::ConstOp> constants;
  module.walk([&](nest::ConstOp constant) { constants.push_back(constant); });
  for (nest::ConstOp constant : constants)
    if (Error problem = restore(constant))
      return problem;
  return Error::success();
}

/// Parses and verifies a module; an error is the first diagnostic.
static Expected<OwningOpRef<ModuleOp>> parseModule(StringRef text, MLIRContext &context) {
  std::string message;
  ScopedDiagnosticHandler handler(&context, [&](Diagnostic &diagnostic) {
    if (message.empty())
      message = diagnostic.str();
    return success();
  });
  auto module = parseSourceString<ModuleOp>(text, ParserConfig(&context));
  if (!module)
    return error("the graph section cannot be read: " + message);
  return module;
}

} // namespace

Expected<OwningOpRef<ModuleOp>> ArtifactFile::readGraph(unsigned capacity,
                                                        MLIRContext &context) const {
  if (!hasGraph())
    return error("it has no graph section; compile the model again with this nestorc");
  if (capacity >= availableCapacities())
    return error("it ends before the weights of this capacity");
  Expected<StringRef> bytes = read(format::GRAPH, 0);
  if (!bytes)
    return bytes.takeError();
  Expected<GraphContents> graph = decodeGraph(*bytes);
  if (!graph)
    return graph.takeError();
  Expected<OwningOpRef<ModuleOp>> module = parseModule(graph->text, context);
  if (!module)
    return module.takeError();
  SmallVector<StringRef> shells;
  for (unsigned index = 0; index <= capacity && find(format::WEIGHTS, index); ++index) {
    Expected<StringRef> shell = read(format::WEIGHTS, index);
    if (!shell)
      return shell.takeError();
    shells.push_back(*shell);
  }
  if (Error problem = GraphRestore(**module, graph->constants, capacity, shells).run())
    return problem;
  return module;
}

} // namespace nestor::package
