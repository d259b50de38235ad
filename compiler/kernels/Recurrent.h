//===- Recurrent.h - What LSTM, GRU and RNN kernels share -------*- C++ -*-===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
//
// A recurrent layer is two kernel calls:
//   1. the projection: input times weights plus bias for all steps at once,
//      rows of steps sharing each weight that is loaded;
//   2. the scan: for each direction and batch element, step after step, the
//      recurrent product and the cell.
// Weights come packed by `--nest-pack-recurrent`: the 16 hidden units of a
// panel lie together with all their gates, so that the gates of a unit are in
// the same lanes of different registers and a step reads one stream. Those that
// capacities share lie in the blocks of their shells (FilterBlocks.h).
//
//===----------------------------------------------------------------------===//
#ifndef NESTOR_KERNELS_RECURRENT_H
#define NESTOR_KERNELS_RECURRENT_H

#include "compiler/kernels/Families.h"
#include "compiler/kernels/RecurrentMatrix.h"

#include "llvm/Support/MathExtras.h"

#include <memory>
#include <optional>

namespace nestor::kernels {

/// Hidden units that lie together in packed weights.
inline constexpr int64_t kRecurrentPanel = 16;

/// An ONNX activation with its parameters.
struct Activation {
  std::string name;
  double alpha, beta;
};

/// Emits `activation` of `x`.
mlir::Value emitActivation(KernelBuilder &b, const Activation &activation, mlir::Value x);
/// Whether `emitActivation` knows the name.
bool isKnownActivation(llvm::StringRef name);

/// Everything static about a layer. T steps, B batch, I inputs, H hidden,
/// D directions, G gates in the weights, P panels.
struct RecurrentLayer {
  mlir::Operation *op;
  mlir::Type element;
  int64_t steps, batch, inputs, hidden, directions, gates, panels;
  bool reverse;                              ///< The first direction runs backwards.
  llvm::SmallVector<Activation> activations; ///< Per direction, then per use.
  std::optional<double> clip;
  mlir::RankedTensorType lengthsType; ///< Null without sequence lengths.
  /// Up to the shell of the layer's capacity.
  FilterBlocks weightBlocks, recurrenceBlocks;

  int64_t paddedHidden() const { return panels * kRecurrentPanel; }
  unsigned activationsPerDirection() const { return activations.size() / directions; }
  /// Elements of one step's projection in one direction.
  int64_t gateRow() const { return panels * gates * kRecurrentPanel; }
};

/// Part of a panel that one register covers: `panel` counts from the panel at
/// hand, `lane` is the first of its hidden units inside the panel.
struct PanelPart {
  int64_t panel, lane;
};

/// Emission of the scan of one layer. A cell overrides `emitCell`.
class RecurrentScan {
public:
  /// Offsets, in elements, into the state of one line (direction and batch
  /// element): the last step's hidden values, this step's, and one vector more
  /// (the LSTM's cell state, the GRU's reset product).
  struct State {
    mlir::Value last, next, extra;
  };
  /// Pointers of the scan's arguments; null where the operand is absent.
  struct Pointers {
    mlir::Value projection, bias, lengths, initialHidden, initialCell, peephole, state;
    mlir::Value hidden, lastHidden, lastCell;
    llvm::SmallVector<mlir::Value> recurrence; ///< Its blocks.
  };

  RecurrentScan(KernelBuilder &b, const RecurrentLayer &layer, Pointers pointers)
      : b(b), layer(layer), at(pointers), lanes(b.lanesFor(layer.element)),
        recurrence(b, layer.element, layer.recurrenceBlocks, at.recurrence) {}
  virtual ~RecurrentScan() = default;

  void emit();

protected:
  /// Computes state.next from state.last for the step whose projections begin
  /// at `projection`. `activations` are those of the direction.
  virtual void emitCell(mlir::Value direction, mlir::Value projection, State state,
                        llvm::ArrayRef<Activation> activations) = 0;

  using PartsBody = llvm::function_ref<void(mlir::Value panel, llvm::ArrayRef<PanelPart> parts)>;
  /// Covers all panels, at least eight accumulators of four gates at a time
  /// where there are as many, to hide the latency of the multiply-add.
  void forEachParts(PartsBody body);
  /// acc[part][gate] += source[k] * recurrence[direction, panel, k, gate] over
  /// all k; `source` is an offset into the state.
  void accumulate(mlir::Value direction, mlir::Value panel, llvm::ArrayRef<PanelPart> parts,
                  llvm::ArrayRef<int64_t> gates, mlir::Value source,
                  llvm::SmallVectorImpl<mlir::Value> &acc);
  /// Reads a part of one of `rows` vectors of a [P, rows, 16] array at `offset`.
  mlir::Value loadPart(mlir::Value pointer, mlir::Value offset, mlir::Value panel, PanelPart part,
                       int64_t rows, int64_t row);
  mlir::Value loadState(mlir::Value offset, mlir::Value panel, PanelPart part);
  void storeState(mlir::Value value, mlir::Value offset, mlir::Value panel, PanelPart part);
  /// A gate's value before its activation, limited as the layer asks.
  mlir::Value clipped(mlir::Value value);

  KernelBuilder &b;
  const RecurrentLayer &layer;
  const Pointers at;
  const int64_t lanes;

private:
  RecurrentMatrix recurrence;

  void emitLine(mlir::Value direction, mlir::Value element, llvm::ArrayRef<Activation> activations);
  void initialise(mlir::Value offset, mlir::Value initial, mlir::Value line);
  void zeroTail(mlir::Value from, mlir::Value direction, mlir::Value element);
};

/// Builds the scan for a kernel.
using ScanFactory = std::function<std::unique_ptr<RecurrentScan>(
    KernelBuilder &, const RecurrentLayer &, RecurrentScan::Pointers)>;

/// Operands of a layer by role, null where absent.
struct RecurrentOperands {
  mlir::Value input, weights, recurrence, bias, lengths, initialHidden, initialCell, peephole;
};

/// The layer's two calls. `bias` is [D, P, biasRows, 16]; the projection adds
/// its first G rows, what is left is for the scan.
Calls describeRecurrent(const RecurrentLayer &layer, const RecurrentOperands &operands,
                        int64_t biasRows, llvm::StringRef family, ScanFactory factory);

/// How the packed `matrix` lies, as far as the capacity reads it.
FilterBlocks blocksOf(mlir::Value matrix);

/// Reads what the three operations have in common; reports an error at the
/// operation for weights that are not packed or an activation that is unknown.
template <typename OpTy> mlir::FailureOr<RecurrentLayer> recurrentLayerOf(OpTy op, int64_t gates) {
  if (!op.getPacked())
    return op.emitError("recurrent weights must be packed (--nest-pack-recurrent)");
  auto input = llvm::cast<mlir::RankedTensorType>(op.getInput().getType());
  auto hidden = llvm::cast<mlir::RankedTensorType>(op.getHidden().getType());
  RecurrentLayer layer;
  layer.op = op;
  layer.element = input.getElementType();
  layer.steps = input.getDimSize(0);
  layer.batch = input.getDimSize(1);
  layer.inputs = input.getDimSize(2);
  layer.directions = hidden.getDimSize(1);
  layer.hidden = hidden.getDimSize(3);
  layer.gates = gates;
  layer.panels = llvm::divideCeil(layer.hidden, kRecurrentPanel);
  layer.reverse = op.getDirection() == nest::Direction::reverse;
  for (auto [index, name] :
       llvm::enumerate(op.getActivations().template getAsValueRange<mlir::StringAttr>())) {
    if (!isKnownActivation(name))
      return op.emitError("has no activation '") << name << "'";
    layer.activations.push_back(
        {name.str(), op.getActivationAlpha()[index], op.getActivationBeta()[index]});
  }
  if (op.getLengths())
    layer.lengthsType = llvm::cast<mlir::RankedTensorType>(op.getLengths().getType());
  if (op.getClip())
    layer.clip = op.getClip()->convertToDouble();
  layer.weightBlocks = blocksOf(op.getWeights());
  layer.recurrenceBlocks = blocksOf(op.getRecurrence());
  return layer;
}

} // namespace nestor::kernels

#endif // NESTOR_KERNELS_RECURRENT_H
