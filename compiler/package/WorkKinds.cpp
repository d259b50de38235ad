//===- WorkKinds.cpp - What kind of work a step does ----------------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "compiler/package/Plan.h"

#include "compiler/ir/Convolutions.h"

#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;

namespace nestor::package {

format::WorkKind workKind(Operation *op) {
  return llvm::TypeSwitch<Operation *, format::WorkKind>(op)
      .Case([](nest::ConvOp conv) {
        return nest::isDepthwise(conv) ? format::WORK_DEPTHWISE : format::WORK_CONV;
      })
      .Case<nest::ConvTransposeOp, nest::ConvFilterGradOp>(
          [](Operation *) { return format::WORK_CONV; })
      .Case([](nest::MatmulOp) { return format::WORK_MATMUL; })
      .Case<nest::LstmOp, nest::GruOp, nest::RnnOp>(
          [](Operation *) { return format::WORK_RECURRENT; })
      .Case([](nest::MapOp) { return format::WORK_ELEMENTWISE; })
      .Case<nest::PoolOp, nest::PoolGradOp, nest::MaxPoolIndicesOp, nest::ReduceOp,
            nest::ArgReduceOp, nest::SoftmaxOp, nest::NormOp, nest::LrnOp>(
          [](Operation *) { return format::WORK_POOL; })
      .Default([](Operation *) { return format::WORK_OTHER; });
}

} // namespace nestor::package
