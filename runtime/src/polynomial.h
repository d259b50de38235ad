//===- polynomial.h - Extents of kernel arguments ------------- -*- C++ -*-===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
#ifndef NESTOR_SRC_POLYNOMIAL_H
#define NESTOR_SRC_POLYNOMIAL_H

#include "checked.h"
#include "runtime/format/artifact.pb.h"

namespace nestor::detail {

/// False on overflow. The factors were checked with the manifest; `params` has
/// as many as the kernel.
[[nodiscard]] inline bool evaluate(const nestor_format_Polynomial &polynomial,
                                   const int64_t *params, int64_t &result) {
  int64_t sum = 0;
  for (pb_size_t i = 0; i < polynomial.terms_count; ++i) {
    const nestor_format_Term &term = polynomial.terms[i];
    int64_t product = term.coefficient;
    for (pb_size_t j = 0; j < term.factors_count; ++j)
      if (!checked_mul(product, params[term.factors[j]], product))
        return false;
    if (!checked_add(sum, product, sum))
      return false;
  }
  result = sum;
  return true;
}

} // namespace nestor::detail

#endif // NESTOR_SRC_POLYNOMIAL_H
