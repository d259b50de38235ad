//===- StepUnits.h - How large a step is for each value ---------*- C++ -*-===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
#ifndef NESTOR_LEARN_STEPUNITS_H
#define NESTOR_LEARN_STEPUNITS_H

#include "compiler/learn/ParameterBlock.h"

namespace nestor::learn {

/// For each value of a block what a step of 1 is: the root mean square of the
/// values that belong together, which are the filter of one output, the scales
/// of a layer, its biases. Folding batch norms leaves filters whose outputs
/// differ in size by orders of magnitude; a step that suits all of them is a
/// share of each. (Weight normalisation, Salimans and Kingma, NeurIPS 2016,
/// reaches the same by another parameterisation.)
AlignedFloats stepUnits(const ParameterSet &set, const ParameterBlock &layout);

} // namespace nestor::learn

#endif // NESTOR_LEARN_STEPUNITS_H
