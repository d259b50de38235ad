//===- LayerNames.cpp - What a step is called in reports ------------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
//
// The importer gives each operation the location NameLoc(node, NameLoc(op
// type)); passes that fuse operations fuse their locations. So a location says
// which ONNX nodes a step stands for.
//
//===----------------------------------------------------------------------===//

#include "compiler/package/Plan.h"

#include "mlir/IR/Location.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;

namespace nestor::package {
namespace {

/// Collects the outermost named locations in `loc`, each once, in order.
void collectNodes(Location loc, SmallVectorImpl<NameLoc> &nodes) {
  llvm::TypeSwitch<LocationAttr>(loc)
      .Case([&](NameLoc name) {
        if (!llvm::is_contained(nodes, name))
          nodes.push_back(name);
      })
      .Case([&](FusedLoc fused) {
        for (Location part : fused.getLocations())
          collectNodes(part, nodes);
      })
      .Case([&](CallSiteLoc call) { collectNodes(call.getCallee(), nodes); });
}

} // namespace

std::string layerName(Location loc) {
  SmallVector<NameLoc> nodes;
  collectNodes(loc, nodes);
  SmallVector<StringRef> names;
  for (NameLoc node : nodes)
    names.push_back(node.getName().getValue());
  return llvm::join(names, " + ");
}

std::string lastNode(Location loc) {
  SmallVector<NameLoc> nodes;
  collectNodes(loc, nodes);
  return nodes.empty() ? "" : nodes.back().getName().str();
}

std::string layerKind(Operation *op) {
  SmallVector<NameLoc> nodes;
  collectNodes(op->getLoc(), nodes);
  SmallVector<StringRef> kinds;
  for (NameLoc node : nodes)
    if (auto kind = dyn_cast<NameLoc>(node.getChildLoc()))
      kinds.push_back(kind.getName().getValue());
  return kinds.empty() ? op->getName().stripDialect().str() : llvm::join(kinds, "+");
}

} // namespace nestor::package
