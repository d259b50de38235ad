//===- MapExporter.h - The scalar operations of one map ---------*- C++ -*-===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
//
// The scalar operations of a map become ONNX nodes on whole tensors, from what
// is yielded backwards; an activation is one node (Activations.h). Regions have
// integers without signs, ONNX tensors have them: an operation that takes its
// operands for unsigned casts them.
//
//===----------------------------------------------------------------------===//
#ifndef NESTOR_EXPORT_MAPEXPORTER_H
#define NESTOR_EXPORT_MAPEXPORTER_H

#include "compiler/export/Activations.h"
#include "compiler/export/GraphExporter.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

namespace nestor::onnx_export {

/// What a scalar of the region is, for all elements.
struct Elements {
  std::string tensor;
  mlir::Type element; ///< With the sign that regions do not have.
};

/// Which integers an operation takes its operands for.
enum class Sign { Any, Signed, Unsigned };

class MapExporter {
public:
  MapExporter(GraphExporter &g, nest::MapOp op);

  mlir::LogicalResult run();

private:
  std::string operand(mlir::Value value);
  std::string expanded(const std::string &tensor);
  Elements constant(const llvm::APInt *bits, double number, mlir::Type element);
  Elements castTo(const Elements &value, mlir::Type element);
  std::optional<Elements> get(mlir::Value scalar, mlir::Type wanted = {});
  std::optional<Elements> compute(mlir::Value scalar, mlir::Type wanted);
  std::optional<Elements> activation(const Activation &found);
  std::optional<Elements> floatFunction(mlir::Operation *scalar);
  std::optional<Elements> elementwise(mlir::Operation *scalar, llvm::StringRef name, Sign sign);
  std::optional<Elements> compare(mlir::Value lhs, mlir::Value rhs, llvm::StringRef name, Sign sign,
                                  bool negated);
  std::optional<Elements> compareFloats(mlir::arith::CmpFOp scalar);
  std::optional<Elements> compareInts(mlir::arith::CmpIOp scalar);
  std::optional<Elements> bits(mlir::Operation *scalar);
  std::optional<Elements> shift(mlir::Operation *scalar, llvm::StringRef direction);
  std::optional<Elements> convert(mlir::Operation *scalar, Sign from, Sign to);
  std::optional<Elements> select(mlir::arith::SelectOp scalar, mlir::Type wanted);

  Elements make(llvm::StringRef name, llvm::ArrayRef<std::string> inputs, mlir::Type element) {
    return {g.node(name, inputs).output(), element};
  }
  mlir::Type signedType(mlir::Type scalar, Sign sign) {
    auto integer = mlir::dyn_cast<mlir::IntegerType>(scalar);
    if (!integer || integer.getWidth() == 1 || sign != Sign::Unsigned)
      return scalar;
    return mlir::IntegerType::get(scalar.getContext(), integer.getWidth(),
                                  mlir::IntegerType::Unsigned);
  }
  std::nullopt_t refuse(mlir::Operation *scalar) {
    (void)g.unsupported(op, "there is no operator for " + scalar->getName().getStringRef());
    return std::nullopt;
  }

  GraphExporter &g;
  nest::MapOp op;
  mlir::Value leader; ///< The operand whose layout the result takes.
  Dims order;         ///< Of the result.
  llvm::DenseMap<mlir::Value, Elements> done;
  llvm::SmallDenseSet<mlir::Value> read; ///< Operands.
};

} // namespace nestor::onnx_export

#endif // NESTOR_EXPORT_MAPEXPORTER_H
