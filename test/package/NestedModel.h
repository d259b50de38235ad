//===- NestedModel.h - A small network in several capacities ----*- C++ -*-===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
#ifndef NESTOR_TEST_PACKAGE_NESTEDMODEL_H
#define NESTOR_TEST_PACKAGE_NESTEDMODEL_H

#include <string>

namespace nestor::test {

/// A nested module (compiler/ir/Nested.h) of three capacities: convolutions,
/// a depthwise one, a concat, a fully connected layer, vectors of their own
/// for each capacity.
std::string nestedModel();

/// Elements of its input, tensor<1x9x9x3xf32>, and of its output.
constexpr size_t nestedModelInputs = 9 * 9 * 3, nestedModelOutputs = 10;

} // namespace nestor::test

#endif // NESTOR_TEST_PACKAGE_NESTEDMODEL_H
