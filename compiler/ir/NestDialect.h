//===- NestDialect.h - The nest dialect -------------------------*- C++ -*-===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
#ifndef NESTOR_IR_NESTDIALECT_H
#define NESTOR_IR_NESTDIALECT_H

#include "mlir/Bytecode/BytecodeOpInterface.h"
#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/Dialect.h"
#include "mlir/IR/OpDefinition.h"
#include "mlir/IR/OpImplementation.h"
#include "mlir/Interfaces/ControlFlowInterfaces.h"
#include "mlir/Interfaces/InferTypeOpInterface.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"
#include "mlir/IR/SymbolTable.h"

#include "compiler/ir/NestDialect.h.inc"
#include "compiler/ir/NestEnums.h.inc"
#define GET_ATTRDEF_CLASSES
#include "compiler/ir/NestAttrs.h.inc"
#define GET_OP_CLASSES
#include "compiler/ir/NestOps.h.inc"

#endif // NESTOR_IR_NESTDIALECT_H
