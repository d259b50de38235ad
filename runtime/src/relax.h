//===- relax.h - One turn of a waiting loop ------------------- -*- C++ -*-===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
#ifndef NESTOR_SRC_RELAX_H
#define NESTOR_SRC_RELAX_H

namespace nestor::detail {

/// Tells the CPU that this thread looks at memory until another writes it.
inline void relax() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

} // namespace nestor::detail

#endif // NESTOR_SRC_RELAX_H
