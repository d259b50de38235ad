//===- NodeImporter.h - One ONNX node becomes nest operations ---*- C++ -*-===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
//
// The importer visits the nodes of a graph in order. For each it looks up an
// `ImportRule` by domain, operator and opset and calls it with a `NodeImporter`:
// the node's operands, attributes and a builder. Each operator family is one
// file that registers its rules; the table that `nestorc ops` prints and the
// verdicts of `nestorc check` come from the same registry.
//
//===----------------------------------------------------------------------===//
#ifndef NESTOR_IMPORT_NODEIMPORTER_H
#define NESTOR_IMPORT_NODEIMPORTER_H

#include "compiler/ir/NestDialect.h"
#include "compiler/reference/Evaluator.h"

#include "mlir/IR/Builders.h"
#include "llvm/ADT/STLFunctionalExtras.h"
#include "llvm/ADT/StringMap.h"

#include <onnx/onnx_pb.h>

#include <optional>
#include <string>
#include <vector>

namespace nestor::import {

/// Why a node cannot be imported: one line of `nestorc check`.
struct Unsupported {
  std::string op;     ///< Conv, or ai.onnx.ml.TreeEnsembleClassifier.
  int64_t opset;
  std::string node;   ///< Its name, or #index where it has none.
  std::string reason; ///< What is not supported.
  std::string hint;   ///< What the user can do about it.
};

class GraphImporter;

/// Everything a rule needs to import one node.
///
/// Tensors keep ONNX's logical shapes (channels first); a rule that needs
/// channels last transposes and transposes back. f16 and bf16 tensors reach
/// rules as f32 (`input` converts, `setOutput` converts back to the declared
/// type where the graph's boundary needs it), so that no rule handles them.
class NodeImporter {
public:
  NodeImporter(const onnx::NodeProto &node, int64_t opset, mlir::OpBuilder &builder,
               mlir::Location loc)
      : node(node), opset(opset), builder(builder), loc(loc) {}

  const onnx::NodeProto &node;
  const int64_t opset; ///< Of the node's domain.
  mlir::OpBuilder &builder;
  const mlir::Location loc;

  //===--- operands -------------------------------------------------------===//
  unsigned numInputs() const { return inputs.size(); }
  bool hasInput(unsigned index) const { return index < inputs.size() && inputs[index]; }
  /// Null where the node leaves an optional input out.
  mlir::Value input(unsigned index) const {
    return index < inputs.size() ? inputs[index] : mlir::Value();
  }
  llvm::ArrayRef<int64_t> shape(unsigned index) const;
  mlir::RankedTensorType type(unsigned index) const;
  /// The input's value if it is known at compile time.
  std::optional<reference::TensorValue> constant(unsigned index) const;
  /// Integers of a constant input (shapes, axes, pads).
  std::optional<llvm::SmallVector<int64_t>> constantInts(unsigned index) const;
  /// As `constantInts`, but records "input N must be known at compile time"
  /// with the hint to use --bind, and fails.
  mlir::FailureOr<llvm::SmallVector<int64_t>> requireInts(unsigned index, llvm::StringRef what);

  //===--- attributes -----------------------------------------------------===//
  bool hasAttr(llvm::StringRef name) const;
  int64_t intAttr(llvm::StringRef name, int64_t fallback) const;
  double floatAttr(llvm::StringRef name, double fallback) const;
  std::string stringAttr(llvm::StringRef name, llvm::StringRef fallback) const;
  llvm::SmallVector<int64_t> intsAttr(llvm::StringRef name) const;  ///< Empty if absent.
  llvm::SmallVector<double> floatsAttr(llvm::StringRef name) const;
  std::vector<std::string> stringsAttr(llvm::StringRef name) const;
  const onnx::AttributeProto *attr(llvm::StringRef name) const;
  /// The value of a tensor attribute, f16 and bf16 widened to f32. Records the
  /// reason on failure (a corrupt tensor makes the whole file corrupt).
  mlir::FailureOr<reference::TensorValue> decode(const onnx::TensorProto &tensor);
  /// Imports a graph attribute in place: its inputs are `arguments`, other
  /// names are those around the node. Yields the graph's outputs.
  mlir::FailureOr<llvm::SmallVector<mlir::Value>> inlineGraph(const onnx::GraphProto &body,
                                                              mlir::ValueRange arguments);

  //===--- building -------------------------------------------------------===//
  /// Creates `OpTy`, or, where all operands are constants, evaluates it and
  /// yields constants in its place.
  template <typename OpTy, typename... Args> mlir::Value create(Args &&...args) {
    auto op = OpTy::create(builder, loc, std::forward<Args>(args)...);
    return fold(op)[0];
  }
  template <typename OpTy, typename... Args>
  llvm::SmallVector<mlir::Value, 3> createMulti(Args &&...args) {
    auto op = OpTy::create(builder, loc, std::forward<Args>(args)...);
    return fold(op);
  }
  /// Results of `op`, folded to constants where possible (`op` is then erased).
  /// Verifies `op` first: operands that do not fit make the node unsupported,
  /// so a rule only checks what it indexes itself.
  llvm::SmallVector<mlir::Value, 3> fold(mlir::Operation *op);

  using MapBody = llvm::function_ref<mlir::Value(mlir::OpBuilder &, mlir::Location, mlir::ValueRange)>;
  /// `nest.map` over `inputs` with numpy broadcasting; `element` is the
  /// element type of the result (ui8 etc. allowed).
  mlir::Value map(mlir::ValueRange inputs, mlir::Type element, MapBody body);
  /// The same with the result's shape given, for Expand.
  mlir::Value mapTo(llvm::ArrayRef<int64_t> shape, mlir::ValueRange inputs, mlir::Type element, MapBody body);

  mlir::Value reshape(mlir::Value value, llvm::ArrayRef<int64_t> shape);
  mlir::Value transpose(mlir::Value value, llvm::ArrayRef<int64_t> perm);
  /// [N, C, spatial..] -> [N, spatial.., C] and back.
  mlir::Value toChannelsLast(mlir::Value value);
  mlir::Value toChannelsFirst(mlir::Value value);
  /// Element type conversion by ONNX Cast's rules.
  mlir::Value cast(mlir::Value value, mlir::Type element);

  mlir::Value constantOf(const reference::TensorValue &value) const;
  mlir::Value constantInts(llvm::ArrayRef<int64_t> values) const; ///< i64 [n].
  mlir::Value constantScalar(mlir::Type element, double value);   ///< rank 0.

  //===--- results --------------------------------------------------------===//
  unsigned numOutputs() const { return node.output_size(); }
  /// Whether output `index` is named by the node (may still be unused).
  bool wantsOutput(unsigned index) const {
    return int(index) < node.output_size() && !node.output(index).empty();
  }
  void setOutput(unsigned index, mlir::Value value);

  /// Records why the node is not supported and returns failure. Import goes on
  /// with the other nodes, so that one run reports them all.
  mlir::LogicalResult unsupported(const llvm::Twine &reason, const llvm::Twine &hint = "");

private:
  friend class GraphImporter;
  GraphImporter *graph = nullptr; ///< For `decode` and `inlineGraph`.
  llvm::SmallVector<mlir::Value> inputs, outputs;
  std::optional<Unsupported> problem;
};

using ImportFunction = mlir::LogicalResult (*)(NodeImporter &);

/// One operator over a range of opsets.
struct ImportRule {
  llvm::StringRef domain;    ///< "" is ai.onnx.
  llvm::StringRef op;
  int64_t minOpset, maxOpset; ///< Inclusive; the newest schema known is 22.
  ImportFunction import;
  llvm::StringRef limits;    ///< One line for the operator table; may be empty.
  /// The leading inputs that must be there: the rule is called only if they are.
  unsigned minInputs = 1;
};

inline constexpr int64_t kNewestOpset = 22;

/// All rules. Immutable once built; `instance` builds it on first use.
class ImportRegistry {
public:
  static const ImportRegistry &instance();
  void add(ImportRule rule);
  /// The rule that covers `opset`, or null.
  const ImportRule *find(llvm::StringRef domain, llvm::StringRef op, int64_t opset) const;
  /// Whether any opset of the operator is covered.
  bool knows(llvm::StringRef domain, llvm::StringRef op) const;
  llvm::ArrayRef<ImportRule> rules() const { return all; }
  /// The table of `nestorc ops` and of the docs: one Markdown row per operator.
  void printTable(llvm::raw_ostream &stream) const;

private:
  std::vector<ImportRule> all;
};

// One per operator family, each in the file of its name.
void registerConvolutionRules(ImportRegistry &);    // Conv, ConvTranspose, ConvInteger, ...
void registerMatrixRules(ImportRegistry &);         // Gemm, MatMul, Einsum, ...
void registerPoolingRules(ImportRegistry &);        // MaxPool, AveragePool, Global*, LpPool, ...
void registerNormalizationRules(ImportRegistry &);  // BatchNormalization, LayerNormalization, LRN, ...
void registerRecurrentRules(ImportRegistry &);      // LSTM, GRU, RNN
void registerResizeRules(ImportRegistry &);         // Resize, Upsample
void registerControlFlowRules(ImportRegistry &);    // If, Loop with known trip count, Identity, ...
void registerArithmeticRules(ImportRegistry &);     // Add, Mul, Pow, Mod, Max, ...
void registerActivationRules(ImportRegistry &);     // Relu, Clip, HardSwish, Gelu, PRelu, ...
void registerMathRules(ImportRegistry &);           // Exp, Log, Erf, Sin, ...
void registerLogicRules(ImportRegistry &);          // And, Equal, Where, BitShift, ...
void registerCastRules(ImportRegistry &);           // Cast, CastLike
void registerReductionRules(ImportRegistry &);      // ReduceX, ArgMax, CumSum, TopK
void registerSoftmaxRules(ImportRegistry &);        // Softmax, LogSoftmax, Hardmax, losses
void registerShapeRules(ImportRegistry &);          // Shape, Size, Constant, ConstantOfShape, Range, ...
void registerReshapeRules(ImportRegistry &);        // Reshape, Flatten, Squeeze, Transpose, DepthToSpace, ...
void registerSlicingRules(ImportRegistry &);        // Concat, Split, Slice, Pad, Trilu
void registerIndexingRules(ImportRegistry &);       // Gather, Scatter, OneHot, Compress, ...
void registerQuantizationRules(ImportRegistry &);   // QuantizeLinear, QLinearConv, ...

} // namespace nestor::import

#endif // NESTOR_IMPORT_NODEIMPORTER_H
