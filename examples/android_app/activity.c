/* Part of Nestor. SPDX-License-Identifier: Apache-2.0

   The part of the app that is Java on a phone: opens the package, hands the
   model in it to the native side as (fd, offset, length), and classifies a ramp
   from 0 to 1 at every capacity. AAssetManager_open and
   AAsset_openFileDescriptor64 would find offset and length; here they come from
   the command line. */
#include "native-lib.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static int classify(struct classifier *classifier, float capacity, const float *input, float *scores) {
  char message[256];
  if (classifier_run(classifier, capacity, input, scores, message, sizeof message) != 0) {
    fprintf(stderr, "activity: %s\n", message);
    return 1;
  }
  size_t best = 0;
  for (size_t i = 1; i < classifier_output_size(classifier); ++i)
    if (scores[i] > scores[best])
      best = i;
  printf("capacity %.2f: class %zu, score %.3f\n", (double)capacity, best, (double)scores[best]);
  return 0;
}

static int classify_all(struct classifier *classifier) {
  float capacities[16];
  size_t count = classifier_capacities(classifier, capacities, 16);
  size_t size = classifier_input_size(classifier);
  float *input = malloc(size * sizeof *input);
  float *scores = malloc(classifier_output_size(classifier) * sizeof *scores);
  int failed = !input || !scores;
  for (size_t i = 0; !failed && i < size; ++i)
    input[i] = (float)i / (float)size;
  for (size_t i = 0; !failed && i < count && i < 16; ++i)
    failed = classify(classifier, capacities[i], input, scores);
  free(input);
  free(scores);
  return failed;
}

int main(int argc, char **argv) {
  if (argc != 4) {
    fprintf(stderr, "usage: activity APP.apk OFFSET LENGTH\n");
    return 2;
  }
  int fd = open(argv[1], O_RDONLY);
  if (fd < 0) {
    perror(argv[1]);
    return 1;
  }
  char message[256];
  struct classifier *classifier =
      classifier_open(fd, strtoll(argv[2], NULL, 10), strtoll(argv[3], NULL, 10), message, sizeof message);
  close(fd);
  if (!classifier) {
    fprintf(stderr, "activity: %s\n", message);
    return 1;
  }
  int failed = classify_all(classifier);
  classifier_close(classifier);
  return failed;
}
