//===- NestDialect.cpp - The nest dialect ---------------------------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "compiler/ir/NestDialect.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/DialectImplementation.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace nestor::nest;

#include "compiler/ir/NestDialect.cpp.inc"
#include "compiler/ir/NestEnums.cpp.inc"
#define GET_ATTRDEF_CLASSES
#include "compiler/ir/NestAttrs.cpp.inc"

void NestDialect::initialize() {
  addOperations<
#define GET_OP_LIST
#include "compiler/ir/NestOps.cpp.inc"
      >();
  addAttributes<
#define GET_ATTRDEF_LIST
#include "compiler/ir/NestAttrs.cpp.inc"
      >();
}

Operation *NestDialect::materializeConstant(OpBuilder &builder, Attribute value, Type type,
                                            Location loc) {
  auto elements = dyn_cast<ElementsAttr>(value);
  if (!elements || elements.getType() != type)
    return nullptr;
  return ConstOp::create(builder, loc, elements);
}
