//===- Graph.h - The network itself in an artifact --------------*- C++ -*-===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
//
// The graph section is the nested module between the prepare and the finish
// pipeline: its text, compressed, because MLIR's reader of bytecode writes
// beyond its memory where a file is damaged and its parser does not. Weights
// are not in it: operations say where the shells have them (`nest.stored`,
// `nest.blocks`), and what no shell has as it is lies behind the text. So
// whoever has the shells of a capacity can have its network back, and the
// section is small.
//
// The runtime does not read it; `nestorc export` and `nestorc verify` do.
//
//===----------------------------------------------------------------------===//
#ifndef NESTOR_PACKAGE_GRAPH_H
#define NESTOR_PACKAGE_GRAPH_H

#include "compiler/package/WeightPlan.h"
#include "compiler/package/artifact.pb.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"
#include "llvm/Support/Error.h"
#include "llvm/Support/MemoryBuffer.h"

#include <string>

namespace nestor::package {

/// An attribute of a stored module: the weights of its full capacity were changed,
/// by recovery or rounding, and it no longer computes what the original model does.
inline constexpr llvm::StringLiteral kTopChangedAttr = "nest.top_changed";

/// The bytes of the graph section. `prepared` has the functions and globals of
/// what was planned as they were before the finish pipeline. The same module
/// and plan give the same bytes.
std::string storeGraph(mlir::OwningOpRef<mlir::ModuleOp> prepared, const WeightPlan &weights);

/// A file for what only the compiler reads, whatever code it has: nothing of it
/// runs. The file may end before its last shells. Errors are sentences.
class ArtifactFile {
public:
  static llvm::Expected<ArtifactFile> open(llvm::StringRef path);
  static llvm::Expected<ArtifactFile> fromMemory(llvm::MemoryBufferRef bytes);

  const format::Manifest &manifest() const { return contents; }
  /// The first so many capacities have all their shells.
  unsigned availableCapacities() const;
  bool hasGraph() const { return find(format::GRAPH, 0); }

  /// The module with the functions of capacities up to number `capacity`, with
  /// their weights. The functions of larger ones are gone, and of globals what
  /// only those read.
  llvm::Expected<mlir::OwningOpRef<mlir::ModuleOp>> readGraph(unsigned capacity,
                                                              mlir::MLIRContext &context) const;

private:
  llvm::Error readManifest();
  /// The entry of a section that lies in the file; null where there is none.
  const format::Section *find(format::SectionKind kind, unsigned index) const;
  /// Its bytes, which have the right hash.
  llvm::Expected<llvm::StringRef> read(format::SectionKind kind, unsigned index) const;

  std::unique_ptr<llvm::MemoryBuffer> buffer;
  format::Manifest contents;
};

} // namespace nestor::package

#endif // NESTOR_PACKAGE_GRAPH_H
