//===- affinity.h - Threads on some CPUs only ----------------- -*- C++ -*-===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
#ifndef NESTOR_SRC_AFFINITY_H
#define NESTOR_SRC_AFFINITY_H

#include "nestor/status.hpp"

#include <vector>

namespace nestor::detail {

/// How many different CPUs these are, if this process may run threads on all of
/// them; otherwise the error says on which it may.
Result<unsigned> check_cpus(const std::vector<unsigned> &cpus);

/// Keeps the calling thread on CPUs that were checked. Where all of them have
/// gone offline since, it goes on where it is.
void stay_on(const std::vector<unsigned> &cpus);

} // namespace nestor::detail

#endif // NESTOR_SRC_AFFINITY_H
