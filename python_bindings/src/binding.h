//===- binding.h - What the parts of the extension share ------ -*- C++ -*-===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
#ifndef NESTOR_PYTHON_BINDING_H
#define NESTOR_PYTHON_BINDING_H

#include <nanobind/nanobind.h>
#include <nestor/nestor.hpp>

namespace nestor::python {

namespace nb = nanobind;

/// An artifact and, if it was opened from bytes, the memory that it lies in.
struct OpenedArtifact {
  std::shared_ptr<void> memory;
  Artifact artifact;
};

/// Throws the status as a Python `NestorError`, unless it is ok.
void check(const Status &status);
/// Throws a `NestorError`.
[[noreturn]] void fail(StatusCode code, const std::string &message);

/// numpy's name of the type that arrays of this one have. numpy has no
/// bfloat16, whose bits are seen as uint16.
const char *numpy_name(DType type);
/// "float32 [1, 3, 16, 16]", as messages say it.
std::string describe(const TensorInfo &tensor);

/// Dimensions as a tuple.
nb::tuple shape_of(const std::vector<int64_t> &dims);

/// Adds what an artifact says of its cuts.
void bind_cuts(nb::module_ &module, nb::class_<OpenedArtifact> &artifact);
/// Adds the class Session, and `Artifact.session`.
void bind_session(nb::module_ &module, nb::class_<OpenedArtifact> &artifact);

} // namespace nestor::python

#endif // NESTOR_PYTHON_BINDING_H
