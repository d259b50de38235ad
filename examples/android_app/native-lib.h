/* Part of Nestor. SPDX-License-Identifier: Apache-2.0

   The native side of the app: plain C, so that JNI glue, a test or another
   language can call it. A classifier is used by one thread at a time. */
#ifndef NATIVE_LIB_H
#define NATIVE_LIB_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define APP_API __attribute__((visibility("default")))

struct classifier;

/* Opens a model that is an uncompressed asset: `fd`, `offset` and `length` are
   what AAsset_openFileDescriptor64 (or Java's AssetFileDescriptor) gives. `fd`
   may be closed afterwards. Null after an error, which `message` then names. */
APP_API struct classifier *classifier_open(int fd, int64_t offset, int64_t length, char *message,
                                           size_t message_size);
APP_API void classifier_close(struct classifier *classifier);

/* How many floats the model takes and gives. */
APP_API size_t classifier_input_size(const struct classifier *classifier);
APP_API size_t classifier_output_size(const struct classifier *classifier);

/* The sizes of the model, from the smallest on; 1 is the full one. */
APP_API size_t classifier_capacities(const struct classifier *classifier, float *capacities, size_t count);

/* Runs at one of them. Returns 0, or -1 with a message. Changing the capacity
   costs microseconds; nothing is allocated. */
APP_API int classifier_run(struct classifier *classifier, float capacity, const float *input, float *output,
                           char *message, size_t message_size);

#ifdef __cplusplus
}
#endif

#endif /* NATIVE_LIB_H */
