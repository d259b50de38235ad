//===- Placement.h - Where the values of a capacity lie ---------*- C++ -*-===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
#ifndef NESTOR_PACKAGE_PLACEMENT_H
#define NESTOR_PACKAGE_PLACEMENT_H

#include "compiler/kernels/Kernel.h"
#include "compiler/package/MemoryPlan.h"
#include "compiler/package/Views.h"
#include "compiler/package/WeightPlan.h"
#include "compiler/package/artifact.pb.h"

#include "llvm/ADT/DenseMap.h"

#include <optional>
#include <vector>

namespace nestor::package {

/// An operation that runs, and its kernel calls: none where all that it would
/// move lies in place. Its position in the list of all of them is the time at
/// which it runs.
struct Layer {
  mlir::Operation *op;
  unsigned block;
  llvm::SmallVector<kernels::KernelCall, 1> calls;
};

/// Where a value lies; several values share one place when one is computed
/// over the other.
struct Place {
  format::Space space;
  unsigned index = 0;  ///< Of the input, output or weight; for the arena, of the buffer.
  /// Of a view: bytes from the start of the buffer, and from one row to the next.
  int64_t offset = 0, pitch = 0;
};

/// Gives the values of one capacity their places, layer by layer. Weights are
/// those of the whole artifact.
class Placement {
public:
  /// `number` is that of the capacity. Refers to all but `func`.
  Placement(mlir::func::FuncOp func, unsigned number, const std::vector<Layer> &layers, const Views &views,
            WeightPlan &weights);

  /// Of what layer number `time` computes; those before it come first.
  void placeResults(unsigned time);
  /// Of an argument of a call of that layer.
  mlir::FailureOr<Place> placeArgument(unsigned time, const kernels::CallArg &arg);
  /// Bytes from the argument's pointer to the end of what it points into.
  int64_t bytesBehind(mlir::Operation *op, const kernels::CallArg &arg, Place place) const;

  /// Of an input, or what a layer has computed.
  const Place &placeOf(mlir::Value value) const { return places.find(value)->second; }
  /// The time of the last layer that reads `value`, for outputs the end; nothing
  /// where none does.
  std::optional<unsigned> lastUse(mlir::Value value) const;

  /// Packs the arena and returns its bytes.
  uint64_t packArena();
  /// Of the arena; with offsets once it is packed.
  llvm::ArrayRef<Buffer> arena() const { return buffers; }

private:
  void placeBoundary(mlir::func::FuncOp func);
  void findLastUses();
  std::optional<unsigned> placeInPlace(unsigned time, mlir::Value result) const;
  Place placeInside(const View &view, unsigned time);
  mlir::FailureOr<Place> placeOperand(unsigned time, mlir::Value value);

  unsigned number;
  const std::vector<Layer> &layers;
  const Views &views;
  WeightPlan &weights;
  std::vector<Buffer> buffers;
  llvm::DenseMap<std::pair<unsigned, unsigned>, unsigned> scratchBuffers; ///< By layer and index.
  llvm::DenseMap<mlir::Value, unsigned> lastUses;    ///< By root.
  llvm::DenseMap<mlir::Value, unsigned> outputs;     ///< Roots that the function returns.
  llvm::DenseMap<mlir::Value, Place> places;         ///< By root.
  llvm::DenseMap<std::pair<mlir::Value, unsigned>, unsigned> weightNumbers; ///< By root and block.
};

} // namespace nestor::package

#endif // NESTOR_PACKAGE_PLACEMENT_H
