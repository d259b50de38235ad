//===- BatchNorm.h - Layers that normalise while they train -----*- C++ -*-===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
//
// A layer computes a * conv(x, W) + b, with vectors a and b of each capacity: the
// folded form of batch norms of each capacity's own. To train, they are unfolded,
//   gamma * (conv(x, W) - mean) / deviation + beta,
// with mean and deviation of the samples at hand, per output; a filter's length
// is then of no consequence, and what one layer's change does to the next ones'
// inputs is made up for at once (Ioffe and Szegedy, ICML 2015; one for each
// capacity: Yu et al., Slimmable Neural Networks, ICLR 2019). Between training
// steps, statistics of fixed samples fold them again.
//
//===----------------------------------------------------------------------===//
#ifndef NESTOR_LEARN_BATCHNORM_H
#define NESTOR_LEARN_BATCHNORM_H

#include "compiler/learn/Parameters.h"

namespace nestor::learn {

/// The vectors of a layer: gamma and beta take the places of scale and bias.
struct NormalizedLayer {
  unsigned scale, bias; ///< Parameters.
};

/// What a layer's convolution gives before anything is added or scaled, per
/// output, [1, .., 1, outputs].
struct LayerMoments {
  NormalizedLayer layer;
  mlir::Value mean, variance;
};

/// The layers of `function` that can be normalised: convolutions with a scale and
/// a bias of their own, of at least `kLeastNormalized` values per output.
std::vector<NormalizedLayer> normalizableLayers(const ParameterizedFunction &function);
inline constexpr int64_t kLeastNormalized = 256;

/// Makes these layers normalise, so that `function` expects gamma and beta in
/// place of scale and bias.
void normalizeLayers(ParameterizedFunction &function, llvm::ArrayRef<NormalizedLayer> layers);

/// Replaces the results by mean and variance of each of these layers. A last
/// argument of one element is added: where it is 1, the layers normalise, where
/// it is 0, scale and bias are what they were.
void returnMoments(ParameterizedFunction &function, llvm::ArrayRef<NormalizedLayer> layers);

/// Variances are taken to be so much larger.
inline constexpr double kNormEpsilon = 1e-5;

} // namespace nestor::learn

#endif // NESTOR_LEARN_BATCHNORM_H
