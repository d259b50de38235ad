//===- AllocationCount.cpp - What goes through operator new ---------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
#include "AllocationCount.h"

#include <atomic>
#include <cstdlib>
#include <malloc.h>
#include <new>

static std::atomic<size_t> allocations{0}, bytes{0};

__attribute__((noinline)) void *operator new(size_t size) {
  void *memory = std::malloc(size ? size : 1);
  if (!memory)
    std::abort();
  ++allocations;
  bytes += malloc_usable_size(memory);
  return memory;
}

__attribute__((noinline)) void operator delete(void *memory) noexcept {
  if (memory)
    bytes -= malloc_usable_size(memory);
  std::free(memory);
}

__attribute__((noinline)) void operator delete(void *memory, size_t) noexcept {
  operator delete(memory);
}

namespace nestor::test {

size_t allocationCount() { return allocations; }
size_t allocatedBytes() { return bytes; }

} // namespace nestor::test
