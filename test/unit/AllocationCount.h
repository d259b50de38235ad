//===- AllocationCount.h - What goes through operator new ----- -*- C++ -*-===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
#ifndef NESTOR_TEST_UNIT_ALLOCATIONCOUNT_H
#define NESTOR_TEST_UNIT_ALLOCATIONCOUNT_H

#include <cstddef>

namespace nestor::test {

/// Allocations of this process so far, and bytes that are allocated now.
size_t allocationCount();
size_t allocatedBytes();

} // namespace nestor::test

#endif // NESTOR_TEST_UNIT_ALLOCATIONCOUNT_H
