//===- RoundTrip.h - nest -> ONNX -> nest ------------------------*- C++ -*-===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
#ifndef NESTOR_TEST_EXPORT_ROUNDTRIP_H
#define NESTOR_TEST_EXPORT_ROUNDTRIP_H

#include "mlir/Dialect/Func/IR/FuncOps.h"

#include <gtest/gtest.h>

namespace nestor::test {

/// Exports `function`, imports the result, and compares what the reference
/// evaluator makes of both on random inputs. `ops`, where given, receives the
/// operators of the model, in order.
testing::AssertionResult roundTripKeepsResults(mlir::func::FuncOp function, unsigned seed,
                                               std::vector<std::string> *ops = nullptr);

} // namespace nestor::test

#endif // NESTOR_TEST_EXPORT_ROUNDTRIP_H
