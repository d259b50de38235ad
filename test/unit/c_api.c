/* Part of Nestor. SPDX-License-Identifier: Apache-2.0
 *
 * nestor.h as a C program uses it, compiled as strict C99 with every warning
 * an error. Runs an artifact whose first input and output are floats and
 * prints the index of the largest output; CApiTest.cpp tests the rest. */
#include <nestor/nestor.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int fail(nestor_error *error) {
  fprintf(stderr, "c_api: %s: %s\n", nestor_code_name(nestor_error_code(error)),
          nestor_error_message(error));
  nestor_error_free(error);
  return EXIT_FAILURE;
}

static int run(nestor_session *session) {
  nestor_error *error = NULL;
  nestor_tensor *input = nestor_session_input(session, 0);
  nestor_tensor *output = nestor_session_output(session, 0);
  nestor_tensor_info info = NESTOR_TENSOR_INFO_INIT;
  if (nestor_tensor_get_info(output, &info, &error) != NESTOR_OK)
    return fail(error);
  float *x = nestor_tensor_data(input);
  for (size_t i = 0; i < nestor_tensor_bytes(input) / sizeof *x; ++i)
    x[i] = (float)(i % 7) / 7;
  if (nestor_session_run(session, &error) != NESTOR_OK)
    return fail(error);
  const float *y = nestor_tensor_data(output);
  size_t best = 0;
  for (size_t i = 0; i < info.bytes / sizeof *y; ++i)
    if (y[i] > y[best])
      best = i;
  printf("%s of rank %zu: largest at %zu\n", info.name, info.rank, best);
  return EXIT_SUCCESS;
}

int main(int argc, char **argv) {
  nestor_artifact *artifact = NULL;
  nestor_session *session = NULL;
  nestor_error *error = NULL;
  nestor_open_options open_options = NESTOR_OPEN_OPTIONS_INIT;
  nestor_session_options session_options = NESTOR_SESSION_OPTIONS_INIT;
  if (argc != 2) {
    fprintf(stderr, "usage: c_api FILE.nest\n");
    return 2;
  }
  open_options.verify = NESTOR_VERIFY_ALL;
  session_options.threads = 2;
  if (nestor_artifact_open("/nowhere.nest", NULL, &artifact, &error) != NESTOR_NOT_FOUND ||
      artifact != NULL || strstr(nestor_error_message(error), "/nowhere.nest") == NULL) {
    fprintf(stderr, "c_api: a missing file gave: %s\n", nestor_error_message(error));
    return EXIT_FAILURE;
  }
  nestor_error_free(error);
  if (nestor_artifact_open(argv[1], &open_options, &artifact, &error) != NESTOR_OK ||
      nestor_session_create(artifact, &session_options, &session, &error) != NESTOR_OK)
    return fail(error);
  nestor_artifact_free(artifact); /* The session keeps what it needs. */
  int status = run(session);
  nestor_session_free(session);
  return status;
}
