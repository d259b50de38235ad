//===- NestDialect.td - The nest dialect -------------------*- tablegen -*-===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
#ifndef NESTOR_IR_NESTDIALECT_TD
#define NESTOR_IR_NESTDIALECT_TD

include "mlir/IR/OpBase.td"

def Nest_Dialect : Dialect {
  let name = "nest";
  let cppNamespace = "::nestor::nest";
  let summary = "Neural networks as tensors of static shape, channels last.";
  let description = [{
    One operation is one step that a kernel could do. Shapes are static.
    Convolutions and poolings are channels-last; the importer brings ONNX's
    channels-first tensors into that form with `nest.transpose`, and
    `--propagate-layout` removes most of those again.

    Everything that is computed element by element is one operation,
    `nest.map`, whose region holds `arith` and `math` operations on scalars.
    The same kind of region is the epilogue of convolutions and matrix
    products, so fusing an activation is moving a region.

    Locations carry the ONNX node names: a `NameLoc` for one node, a `FusedLoc`
    of them for several.

    Tensors of `f16` and `bf16` exist at the model's boundary only: the
    importer computes in `f32`. Unsigned tensors are `tensor<..xui8>`; inside
    regions every integer is signless. `i1` tensors take one byte an element.
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::math::MathDialect"];
  let useDefaultAttributePrinterParser = 1;
  let hasConstantMaterializer = 1;
}

class Nest_Op<string mnemonic, list<Trait> traits = []>
    : Op<Nest_Dialect, mnemonic, traits>;

#endif // NESTOR_IR_NESTDIALECT_TD
