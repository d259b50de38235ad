//===- Epilogue.h - What happens to accumulators before they land *- C++ -*-===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
//
// Convolutions and matrix products end alike: scale and bias per channel, the
// fused region with its extra operands, a store that stays inside the tensor.
//
//===----------------------------------------------------------------------===//
#ifndef NESTOR_KERNELS_EPILOGUE_H
#define NESTOR_KERNELS_EPILOGUE_H

#include "compiler/kernels/KernelBuilder.h"

#include <optional>

namespace nestor::kernels {

/// How an extra operand of an epilogue relates to the result.
enum class ExtraKind {
  Scalar,  ///< One element.
  Channel, ///< One element per channel.
  Full,    ///< The result's shape.
};

/// The kind of `extra` beside a result of type `result`, if kernels take it.
std::optional<ExtraKind> classifyExtra(mlir::RankedTensorType result, mlir::RankedTensorType extra);

struct EpilogueSpec {
  bool scale = false, bias = false;
  llvm::SmallVector<ExtraKind> extras;
  mlir::Region *region = nullptr; ///< Null: stored as is.
  /// Sums of bytes: fma(sum, scale, bias) is the f32 that the region takes.
  bool ofBytes = false;
  /// Element types of the extras and the result; empty, null: that of the sums.
  llvm::SmallVector<mlir::Type> extraTypes;
  mlir::Type resultType;

  std::string identity() const;
  /// Whether the region is long enough to be a loop over the tile's rows
  /// instead of being repeated for each register.
  bool isHeavy() const;
  /// Element types of the `Full` extras, in order.
  llvm::SmallVector<mlir::Type> fullTypes(mlir::Type sums) const;
};

/// Where an epilogue finds the vectors that belong to a sum.
struct EpilogueOperands {
  llvm::function_ref<mlir::Value(unsigned)> channel; ///< Of scale, bias and `Channel` extras, in order.
  llvm::function_ref<mlir::Value(unsigned)> full;    ///< Of `Full` extras.
  llvm::ArrayRef<mlir::Value> scalars;
};

/// What is to be stored for `sum`. `biasInSum`: the sum started with the bias.
mlir::Value applyEpilogue(KernelBuilder &b, const EpilogueSpec &spec, mlir::Value sum, int64_t lanes,
                          bool biasInSum, EpilogueOperands operands);

/// An epilogue for kernels that address elements directly: arguments from
/// `firstArg` on are scale, bias, extras, result.
class DirectEpilogue {
public:
  DirectEpilogue(KernelBuilder &builder, const EpilogueSpec &spec, mlir::Type element, unsigned firstArg);
  /// Finishes sums of consecutive channels from `channel` on and stores them at
  /// element `index` of the result. Returns what it stores.
  mlir::Value finish(mlir::Value sum, mlir::Value channel, mlir::Value index, Lanes lanes);
  /// The same with `channelVectors`, for several sums of the same channels:
  /// stores between them would have the vectors loaded again.
  mlir::Value finish(mlir::Value sum, llvm::ArrayRef<mlir::Value> ofChannels, mlir::Value index, Lanes lanes);
  /// Scale, bias and `Channel` extras of consecutive channels from `channel` on.
  llvm::SmallVector<mlir::Value> channelVectors(mlir::Value channel, Lanes lanes);
  mlir::Value resultPointer() const { return result; }

private:
  KernelBuilder &b;
  const EpilogueSpec &spec;
  mlir::Type element;
  llvm::SmallVector<mlir::Value> perChannel, full, scalars;
  llvm::SmallVector<mlir::Type> fullTypes;
  mlir::Value result;
};

/// The part of an epilogue shared by all tiles of the panels at hand.
///
/// The last panel may be partial. Targets with masks mask it. On others the
/// tile is computed as if it were whole: vectors per channel and residuals are
/// first copied to zero-padded memory on the stack, results go there too, and
/// what exists is copied out.
class PanelEpilogue {
public:
  /// Arguments from `firstArg` on: scale, bias, extras, result. The result is
  /// [pixels, channels] and so is every `Full` extra.
  PanelEpilogue(KernelBuilder &builder, const EpilogueSpec &spec, unsigned firstArg, mlir::Value channels,
                int64_t maxRows, int64_t maxPanels);

  /// Goes to the panels that start at `channel` (of the tensor), of which
  /// `left` channels exist. Only a single panel may be partial. `half`: of a
  /// single panel the first half alone is computed; no more is left.
  void enterPanels(mlir::Value channel, mlir::Value left, int64_t panels, bool half = false);

  /// Where the sums of one tile start: vectors in the order [row][vector].
  llvm::SmallVector<mlir::Value> start(int64_t rows);
  /// Finishes a tile of consecutive pixels and stores it.
  void finish(llvm::ArrayRef<mlir::Value> sums, int64_t rows, mlir::Value pixel);

  int64_t panelCount() const { return panels; }
  int64_t vectors() const { return panels * vectorsPerPanel; }
  int64_t lanes() const { return lanesPerVector; }

private:
  struct Place {
    mlir::Value pointer, stride;
  };
  void copyRows(mlir::Type element, Place from, Place to, int64_t rows);
  mlir::Value channelVector(mlir::Value pointer, int64_t vector);
  mlir::Value apply(mlir::Value sum, int64_t vector, mlir::Value row, llvm::ArrayRef<Place> full);
  void finishByRow(llvm::ArrayRef<mlir::Value> sums, int64_t rows, Place to, llvm::ArrayRef<Place> full);
  Lanes lanesOf(int64_t vector);

  KernelBuilder &b;
  const EpilogueSpec &spec;
  mlir::Value channels, result;
  llvm::SmallVector<mlir::Value> perChannel;       ///< Pointers: scale, bias, Channel extras.
  llvm::SmallVector<mlir::Value> perChannelHere;   ///< At the current panel, staged if partial.
  llvm::SmallVector<mlir::Value> perChannelStage;
  llvm::SmallVector<mlir::Value> fullExtras, fullStage;
  llvm::SmallVector<mlir::Type> fullTypes;
  mlir::Type sumType, resultType;
  llvm::SmallVector<mlir::Value> scalars;
  mlir::Value resultStage, sumStage;
  mlir::Value channel, left, partial;
  llvm::SmallVector<mlir::Value> masks;
  int64_t panels = 1, lanesPerVector = 0, vectorsPerPanel = 0;
};

} // namespace nestor::kernels

#endif // NESTOR_KERNELS_EPILOGUE_H
