//===- nestor/embedded.h - A model linked into the program --------*- C -*-===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
//
// What `nestorc compile --emit object -o model.o` writes beside model.o: for
// platforms that refuse executable mappings, and for programs without files.
// C99 and C++.
//
//===----------------------------------------------------------------------===//
#ifndef NESTOR_EMBEDDED_H
#define NESTOR_EMBEDDED_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

// What nestorc and the library must agree on; another layout has another one.
#define NESTOR_EMBEDDED_VERSION 1

// A compiled kernel; runtime/format/artifact.proto says what it is given.
typedef void (*nestor_kernel)(void *const *args, const int64_t *params, int64_t begin, int64_t end);

// A model in the program's own memory: constant, and valid as long as the
// program runs. Programs declare it through the header that nestorc writes.
struct nestor_embedded {
  uint32_t version;           // NESTOR_EMBEDDED_VERSION of the compiler.
  uint32_t kernel_count;      // Entries in `kernels`.
  const void *artifact;       // Header, manifest and weights; 64-byte aligned.
  uint64_t artifact_bytes;
  const nestor_kernel *kernels; // In the place of code images.
};

#ifdef __cplusplus
}
#endif

#endif // NESTOR_EMBEDDED_H
