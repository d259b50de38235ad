//===- PackSpec.h - The packing kernel --------------------------*- C++ -*-===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
#ifndef NESTOR_KERNELS_PACKSPEC_H
#define NESTOR_KERNELS_PACKSPEC_H

#include "compiler/ir/Winograd.h"
#include "compiler/kernels/Kernel.h"

namespace nestor::kernels {

/// Arguments: source [matrices, inputs, groups * outputs] (`transposed`: one
/// group, [matrices, outputs, inputs]), result [groups * panels, matrices,
/// inputs, 16]. Parameters: matrices, inputs, outputs, groups, panels.
KernelSpec packKernel(bool transposed);

/// Packs and transforms filters of 3 x 3 taps for Winograd's algorithm; `matrix`
/// is its G, of n rows. Arguments: source [9, inputs, outputs], result [panels,
/// n * n, inputs, 16]. Parameters: inputs, outputs, panels.
KernelSpec winogradPackKernel(const nest::Matrix &matrix);

} // namespace nestor::kernels

#endif // NESTOR_KERNELS_PACKSPEC_H
