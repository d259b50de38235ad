//===- nestor/embedded.hpp - A model linked into the program ----*- C++ -*-===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
//
//   #include <nestor/embedded.hpp>
//   #include <nestor/nestor.hpp>
//   #include "digits.h" // nestorc compile digits.onnx --emit object -o digits.o
//
//   auto opened = nestor::Artifact::open(model_digits);
//
//===----------------------------------------------------------------------===//
#ifndef NESTOR_EMBEDDED_HPP
#define NESTOR_EMBEDDED_HPP

#include "nestor/embedded.h"

namespace nestor {

/// What `nestorc compile --emit object` declares and `Artifact::open` takes.
using Embedded = ::nestor_embedded;

} // namespace nestor

#endif // NESTOR_EMBEDDED_HPP
