/* Part of Nestor. SPDX-License-Identifier: Apache-2.0
 *
 * The least that a C program needs: opens an artifact, runs every capacity on
 * the same input and prints the largest output. Takes models with one float
 * input and a float output. */
#include <nestor/nestor.h>

#include <stdio.h>
#include <stdlib.h>

static int fail(nestor_error *error) {
  fprintf(stderr, "c_minimal: %s\n", nestor_error_message(error));
  nestor_error_free(error);
  return EXIT_FAILURE;
}

/* A ramp from 0 to 1 in place of an image. */
static void fill(nestor_tensor *input) {
  float *values = nestor_tensor_data(input);
  size_t count = nestor_tensor_bytes(input) / sizeof *values;
  for (size_t i = 0; i < count; ++i)
    values[i] = (float)i / (float)count;
}

static size_t largest(const nestor_tensor *output) {
  const float *values = nestor_tensor_data(output);
  size_t best = 0;
  for (size_t i = 1; i < nestor_tensor_bytes(output) / sizeof *values; ++i)
    if (values[i] > values[best])
      best = i;
  return best;
}

static int is_float(const nestor_tensor *tensor) {
  nestor_tensor_info info = NESTOR_TENSOR_INFO_INIT;
  return nestor_tensor_get_info(tensor, &info, NULL) == NESTOR_OK && info.dtype == NESTOR_FLOAT32;
}

static int run_all(const nestor_artifact *artifact, nestor_session *session) {
  nestor_error *error = NULL;
  nestor_tensor *input = nestor_session_input(session, 0);
  nestor_tensor *output = nestor_session_output(session, 0);
  if (!is_float(input) || !is_float(output)) {
    fprintf(stderr, "c_minimal: the model's first input and output must be float32\n");
    return EXIT_FAILURE;
  }
  fill(input);
  for (size_t i = 0; i < nestor_artifact_capacity_count(artifact); ++i) {
    nestor_capacity_info capacity = NESTOR_CAPACITY_INFO_INIT;
    if (nestor_artifact_capacity(artifact, i, &capacity, &error) != NESTOR_OK ||
        nestor_session_set_capacity(session, capacity.capacity, &error) != NESTOR_OK ||
        nestor_session_run(session, &error) != NESTOR_OK)
      return fail(error);
    size_t best = largest(output);
    printf("capacity %.2f: class %zu, score %.3f\n", (double)capacity.capacity, best,
           (double)((const float *)nestor_tensor_data(output))[best]);
  }
  return EXIT_SUCCESS;
}

int main(int argc, char **argv) {
  nestor_artifact *artifact = NULL;
  nestor_session *session = NULL;
  nestor_error *error = NULL;
  if (argc != 2) {
    fprintf(stderr, "usage: c_minimal FILE.nest\n");
    return 2;
  }
  if (nestor_artifact_open(argv[1], NULL, &artifact, &error) != NESTOR_OK)
    return fail(error);
  int status = nestor_session_create(artifact, NULL, &session, &error) == NESTOR_OK
                   ? run_all(artifact, session)
                   : fail(error);
  nestor_session_free(session);
  nestor_artifact_free(artifact);
  return status;
}
