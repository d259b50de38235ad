//===- Subjects.h - What a module leaves to choose --------------*- C++ -*-===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
#ifndef NESTOR_TUNE_SUBJECTS_H
#define NESTOR_TUNE_SUBJECTS_H

#include "compiler/kernels/TileChoice.h"
#include "compiler/tune/Timer.h"
#include "compiler/tune/TuneCache.h"

#include "mlir/IR/OwningOpRef.h"

#include <map>

namespace nestor::tune {

/// Convolutions of the full capacity, before fusing, by their signatures.
class AlgorithmSubjects {
public:
  /// Of 3x3 pixels, by Winograd's algorithm, or pointwise, by Strassen's.
  enum Kind { Windows, Products };
  AlgorithmSubjects(mlir::ModuleOp module, Kind kind);

  /// One for each signature: direct, F(2), F(4), F(6); or direct, strassen.
  std::vector<Subject> subjects(const kernels::TargetInfo &target) const;
  /// Tells the convolutions of signature `number` what they take on `target`.
  void apply(size_t number, const kernels::TargetInfo &target, const TuneEntry &entry);

private:
  struct Layer {
    std::vector<Candidate> candidates;
    llvm::SmallVector<nest::ConvOp> convs; ///< Equal in all but the weights.
  };
  /// `copies`: the same by each algorithm, alone.
  void add(nest::ConvOp conv, llvm::ArrayRef<nest::ConvOp> copies);

  WeightDistance weights;
  mlir::OwningOpRef<mlir::ModuleOp> scratch; ///< Has what the candidates were described from.
  std::map<std::string, Layer> layers;       ///< By what describes them.
};

/// The kernels of all capacities that can have several tiles, each with the
/// operations of the widest capacity that has it.
class TileSubjects {
public:
  explicit TileSubjects(mlir::ModuleOp module);

  /// One for each kernel that has something to choose on `target`.
  std::vector<Subject> subjects(const kernels::TargetInfo &target);
  /// Notes the candidate `choice` for subject `number` of `target`; whether it is
  /// another than the table's.
  bool choose(size_t number, const kernels::TargetInfo &target, llvm::StringRef choice);
  /// Gives all operations the tiles that were chosen for them. Before that they
  /// have none, since kernels are known by what shapes their code.
  void apply();

private:
  struct Kernel {
    llvm::SmallVector<mlir::Operation *> ops; ///< Of all capacities.
    /// Of the widest capacity: an operation for each shape, and how many have it.
    std::map<std::string, std::pair<mlir::Operation *, unsigned>> shapes;
    mlir::Operation *function = nullptr; ///< That capacity.
  };
  struct Choice {
    const Kernel *kernel;
    const kernels::TargetInfo *target;
    kernels::TileShape tile;
  };
  void add(mlir::Operation *op, mlir::Operation *function);

  WeightDistance weights;
  std::map<std::string, Kernel> all; ///< By signature and name.
  std::vector<const Kernel *> asked; ///< What `subjects` returned last.
  std::vector<Choice> choices;
};

} // namespace nestor::tune

#endif // NESTOR_TUNE_SUBJECTS_H
