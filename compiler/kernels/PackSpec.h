//===- PackSpec.h - The packing kernel --------------------------*- C++ -*-===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
#ifndef NESTOR_KERNELS_PACKSPEC_H
#define NESTOR_KERNELS_PACKSPEC_H

#include "compiler/kernels/Kernel.h"

namespace nestor::kernels {

/// Arguments: source [matrices, inputs, groups * outputs] (`transposed`: one
/// group, [matrices, outputs, inputs]), result [groups * panels, matrices,
/// inputs, 16]. Parameters: matrices, inputs, outputs, groups, panels.
KernelSpec packKernel(bool transposed);

} // namespace nestor::kernels

#endif // NESTOR_KERNELS_PACKSPEC_H
