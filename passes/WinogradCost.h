//===- WinogradCost.h - What convolutions take, by algorithm ----*- C++ -*-===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
#ifndef NESTOR_PASSES_WINOGRADCOST_H
#define NESTOR_PASSES_WINOGRADCOST_H

#include "compiler/ir/NestDialect.h"
#include "compiler/ir/Winograd.h"

#include "mlir/IR/BuiltinOps.h"

#include <cstdint>
#include <optional>

namespace nestor {

/// A 3x3 convolution, as far as its time depends on it.
struct ConvExtents {
  int64_t stride;
  int64_t batch, rows, columns; ///< Of outputs.
  int64_t inputs, outputs;      ///< Channels.
  mlir::Type weights;           ///< Of the filter.
};

/// Of `conv`; none where Winograd's algorithm cannot compute it.
std::optional<ConvExtents> winogradExtents(nest::ConvOp conv);
/// Of the convolution whose filter's gradient it is.
std::optional<ConvExtents> winogradExtents(nest::ConvFilterGradOp grad);

/// Tiles of so many outputs squared to choose from for a stride, smaller filters
/// first; 0 is the direct algorithm.
llvm::ArrayRef<int64_t> winogradChoices(int64_t stride);

/// On a `nest.conv` before the choice: what it takes by each of them, a pointwise one
/// by the direct and by Strassen's algorithm, in nanoseconds, on the targets where
/// that was measured: {"x86-64-v4" = array<f64: 95.0e3, 71.0e3, 52.0e3, 49.0e3>}.
inline constexpr llvm::StringLiteral kMeasuredAttr = "nest.measured";
void setMeasured(nest::ConvOp conv, llvm::StringRef target, llvm::ArrayRef<double> nanoseconds);
std::optional<double> measuredTime(mlir::DictionaryAttr measured, llvm::StringRef target,
                                   nest::WinogradTile tile);

/// Bytes of all weights of `module`, equal ones once.
int64_t weightBytes(mlir::ModuleOp module);

/// From one run of a network to the next its weights stay in the nearest cache
/// that holds all of them.
enum class WeightDistance { Near, Far, Memory };
WeightDistance weightDistance(int64_t weightBytes);

/// Bytes of the packed filter; 0 is the direct algorithm here and below.
int64_t filterBytes(const ConvExtents &conv, int64_t tile);

/// Nanoseconds of one run on one thread, from a table of what was measured on
/// instruction set `target`, in a network with so many bytes of weights. Compare
/// only results for the same target.
double convTime(const ConvExtents &conv, int64_t tile, llvm::StringRef target, int64_t weightBytes);

/// Nanoseconds of packing the filter at run time, transformed for tiles of `tile`.
double packTime(const ConvExtents &conv, int64_t tile, llvm::StringRef target);

/// Nanoseconds of the gradient of the filter.
double filterGradTime(const ConvExtents &conv, int64_t tile, llvm::StringRef target);

} // namespace nestor

#endif // NESTOR_PASSES_WINOGRADCOST_H
