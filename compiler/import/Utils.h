//===- Utils.h - What the operator families share ---------------*- C++ -*-===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
#ifndef NESTOR_IMPORT_UTILS_H
#define NESTOR_IMPORT_UTILS_H

#include "compiler/import/NodeImporter.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

namespace nestor::import {

//===----------------------------------------------------------------------===//
// Scalar computation inside a map
//===----------------------------------------------------------------------===//

/// Builds scalar arithmetic on elements of one type. Each method picks the
/// float, signed or unsigned operation of `arith`, so that a rule is written
/// once for all element types.
class Scalars {
public:
  /// `element` is a tensor's element type; its signedness counts.
  Scalars(mlir::OpBuilder &builder, mlir::Location loc, mlir::Type element);

  bool isFloat() const { return mlir::isa<mlir::FloatType>(type); }
  bool isUnsigned() const { return unsignedElement; }
  bool isSigned() const { return !unsignedElement && !isFloat(); }
  unsigned width() const { return type.getIntOrFloatBitWidth(); }

  /// A constant of the element type. Floats become integers by truncation.
  mlir::Value constant(double value);
  /// The operation `OpTy` on operands of one type, which its result has too.
  template <typename OpTy, typename... Values> mlir::Value apply(Values... operands) {
    return OpTy::create(builder, loc, operands...).getResult();
  }

  mlir::Value add(mlir::Value a, mlir::Value b);
  mlir::Value sub(mlir::Value a, mlir::Value b);
  mlir::Value mul(mlir::Value a, mlir::Value b);
  /// Integers truncate; where ONNX leaves the result open (a zero divisor), the
  /// evaluator and the kernels agree on one and do not trap.
  mlir::Value div(mlir::Value a, mlir::Value b);
  /// What truncating division leaves; has the sign of `a`.
  mlir::Value remainder(mlir::Value a, mlir::Value b);
  mlir::Value min(mlir::Value a, mlir::Value b); ///< NaN if either is.
  mlir::Value max(mlir::Value a, mlir::Value b); ///< NaN if either is.
  mlir::Value neg(mlir::Value a);
  mlir::Value abs(mlir::Value a);
  /// Of floats: 1 / (1 + exp(-a)).
  mlir::Value sigmoid(mlir::Value a);

  /// Comparisons are false where an operand is NaN, `notEqual` true.
  mlir::Value less(mlir::Value a, mlir::Value b);
  mlir::Value lessEqual(mlir::Value a, mlir::Value b);
  mlir::Value equal(mlir::Value a, mlir::Value b);
  mlir::Value notEqual(mlir::Value a, mlir::Value b);
  mlir::Value select(mlir::Value condition, mlir::Value a, mlir::Value b);

private:
  mlir::Value compare(mlir::arith::CmpFPredicate ordered, mlir::arith::CmpIPredicate ofSigned,
                      mlir::arith::CmpIPredicate ofUnsigned, mlir::Value a, mlir::Value b);

  mlir::OpBuilder &builder;
  mlir::Location loc;
  mlir::Type type; ///< Signless.
  bool unsignedElement;
};

using ScalarBody = llvm::function_ref<mlir::Value(Scalars &, mlir::ValueRange)>;

/// `nest.map` over `inputs` in the arithmetic of the first input's element
/// type. `result` is the element type of the result, by default the same.
mlir::Value elementwise(NodeImporter &n, mlir::ValueRange inputs, ScalarBody body,
                        mlir::Type result = {});

/// Sets output 0 to `elementwise` over all the node's inputs.
mlir::LogicalResult setElementwise(NodeImporter &n, ScalarBody body, mlir::Type result = {});

/// The two operands of a binary operator, made to broadcast by numpy's rule.
/// Before opset 7 that is not the default: `axis` places the second operand.
mlir::FailureOr<std::pair<mlir::Value, mlir::Value>> binaryOperands(NodeImporter &n);

//===----------------------------------------------------------------------===//
// Axes and shapes
//===----------------------------------------------------------------------===//

mlir::RankedTensorType tensorType(mlir::Value value);
llvm::ArrayRef<int64_t> shapeOf(mlir::Value value);
mlir::Type elementOf(mlir::Value value);
/// The type of `value` with another shape.
mlir::RankedTensorType withShape(mlir::Value value, llvm::ArrayRef<int64_t> shape);

/// `axis` counted from the front. Records a reason if it is out of range.
mlir::FailureOr<int64_t> normalizeAxis(NodeImporter &n, int64_t axis, int64_t rank);
/// The same for several, which must differ.
mlir::FailureOr<llvm::SmallVector<int64_t>>
normalizeAxes(NodeImporter &n, llvm::ArrayRef<int64_t> axes, int64_t rank);

/// Integers that older opsets pass as attribute `name` and newer ones as input
/// `index`. Empty where there is neither.
mlir::FailureOr<llvm::SmallVector<int64_t>> intsFrom(NodeImporter &n, llvm::StringRef name,
                                                     unsigned index);

/// The shape that both broadcast to. Records a reason if there is none.
mlir::FailureOr<llvm::SmallVector<int64_t>>
broadcastShapes(NodeImporter &n, llvm::ArrayRef<int64_t> a, llvm::ArrayRef<int64_t> b);

/// Sizes above this are refused: a corrupt shape must not exhaust memory.
inline constexpr int64_t kMaxElements = int64_t(1) << 31;
/// Records a reason if `shape` has a negative extent or too many elements.
mlir::LogicalResult checkShape(NodeImporter &n, llvm::ArrayRef<int64_t> shape);

/// The element type that the importer computes in for an ONNX
/// `TensorProto.DataType`: its own, but f32 for f16 and bf16. Null for types
/// without a counterpart (strings, complex numbers).
mlir::Type computeTypeOf(mlir::MLIRContext *context, int64_t onnxType);

/// 0, 1, .., count - 1.
llvm::SmallVector<int64_t> countTo(int64_t count);

/// An i64 tensor of the given shape.
mlir::Value constantIndices(NodeImporter &n, llvm::ArrayRef<int64_t> shape,
                            llvm::ArrayRef<int64_t> values);

//===----------------------------------------------------------------------===//
// Compositions that several families use
//===----------------------------------------------------------------------===//

mlir::Value reduce(NodeImporter &n, mlir::Value input, nest::ReduceKind kind,
                   llvm::ArrayRef<int64_t> axes);
mlir::Value slice(NodeImporter &n, mlir::Value input, llvm::ArrayRef<int64_t> starts,
                  llvm::ArrayRef<int64_t> steps, llvm::ArrayRef<int64_t> shape);
/// Reshapes `vector` ([C] or a scalar) so that it broadcasts along `axis` of a
/// tensor of the given rank.
mlir::Value alongAxis(NodeImporter &n, mlir::Value vector, int64_t axis, int64_t rank);

} // namespace nestor::import

#endif // NESTOR_IMPORT_UTILS_H
