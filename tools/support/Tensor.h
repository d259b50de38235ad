//===- Tensor.h - Arrays of files and tensors of artifacts ---- -*- C++ -*-===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
#ifndef NESTOR_TOOLS_SUPPORT_TENSOR_H
#define NESTOR_TOOLS_SUPPORT_TENSOR_H

#include "nestor/artifact.hpp"
#include "tools/support/Npz.h"

namespace nestor::support {

/// numpy's short name of a type: f4, u1, ...; empty for bfloat16.
std::string npyDtype(DType type);

/// "float32 [1, 3, 224, 224]".
std::string describe(const TensorInfo &info);
std::string describe(const NpyArray &array);

/// The elements of an array or a tensor as doubles.
std::vector<double> toDoubles(const std::string &dtype, const void *data, size_t count);

} // namespace nestor::support

#endif // NESTOR_TOOLS_SUPPORT_TENSOR_H
