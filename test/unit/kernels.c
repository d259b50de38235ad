/* Part of Nestor. SPDX-License-Identifier: Apache-2.0

   Two kernels with the ABI of runtime/format/artifact.proto, compiled to a code
   image by the host's C compiler: tests of the runtime need no Nestor compiler. */
#include <stdint.h>

/* args: x [rows, columns], w [columns], y [rows, columns]; params: rows, columns */
void scale(void *const *args, const int64_t *params, int64_t begin, int64_t end) {
  const float *x = args[0], *w = args[1];
  float *y = args[2];
  int64_t columns = params[1];
  for (int64_t row = begin; row < end; ++row)
    for (int64_t i = 0; i < columns; ++i)
      y[row * columns + i] = x[row * columns + i] * w[i];
}

/* As scale, but a grain is a panel of 16 columns, and parts are rounded up to
   tiles of two panels, as those of real kernels are. */
void scale_panels(void *const *args, const int64_t *params, int64_t begin, int64_t end) {
  const float *x = args[0], *w = args[1];
  float *y = args[2];
  int64_t rows = params[0], columns = params[1], panels = (columns + 15) / 16;
  begin = (begin + 1) / 2 * 2, end = (end + 1) / 2 * 2;
  for (int64_t i = begin * 16; i < (end < panels ? end : panels) * 16 && i < columns; ++i)
    for (int64_t row = 0; row < rows; ++row)
      y[row * columns + i] = x[row * columns + i] * w[i];
}

static const float even = 0.5f, odd = 0.75f;
/* Needs RELATIVE relocations. */
static const float *const volatile offsets[] = {&even, &odd};

/* args: x [rows, columns], y [rows, columns]; params: rows, columns */
void shift(void *const *args, const int64_t *params, int64_t begin, int64_t end) {
  const float *x = args[0];
  float *y = args[1];
  int64_t columns = params[1];
  for (int64_t i = begin * columns; i < end * columns; ++i)
    y[i] = x[i] + *offsets[i & 1];
}
