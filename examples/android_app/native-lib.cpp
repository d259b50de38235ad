// Part of Nestor. SPDX-License-Identifier: Apache-2.0
#include "native-lib.h"

#include <nestor/nestor.hpp>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <new>
#include <unistd.h>

namespace {

/// Assets are as aligned as the packager has put them (zipalign: 4 bytes
/// unless told otherwise). Where that is too little to map one, it is read into
/// memory of this alignment.
constexpr int64_t kAlignment = 64;

struct FreeMemory {
  void operator()(void *memory) const { std::free(memory); }
};

std::nullptr_t report(const nestor::Status &status, char *message, size_t size) {
  std::snprintf(message, size, "%s", status.message().c_str());
  return nullptr;
}

bool read_all(int fd, int64_t offset, int64_t length, char *target) {
  while (length > 0) {
    ssize_t count = pread(fd, target, static_cast<size_t>(length), static_cast<off_t>(offset));
    if (count <= 0)
      return false;
    target += count;
    offset += count;
    length -= count;
  }
  return true;
}

} // namespace

struct classifier {
  // Before the session, which uses it to the end.
  std::unique_ptr<void, FreeMemory> memory;
  nestor::Artifact artifact;
  nestor::Session session;
};

static nestor::Result<nestor::Artifact> open_model(int fd, int64_t offset, int64_t length,
                                                   std::unique_ptr<void, FreeMemory> &memory) {
  using nestor::Status;
  using nestor::StatusCode;
  if (offset < 0 || length <= 0 || length > INT64_MAX - kAlignment)
    return Status(StatusCode::invalid_argument, "the asset has no valid offset and length");
  if (offset % kAlignment == 0)
    return nestor::Artifact::open(fd, static_cast<uint64_t>(offset), static_cast<uint64_t>(length));
  void *address = nullptr;
  if (posix_memalign(&address, kAlignment, static_cast<size_t>(length)) != 0)
    return Status(StatusCode::out_of_memory, "no memory for the model");
  memory.reset(address);
  if (!read_all(fd, offset, length, static_cast<char *>(address)))
    return Status(StatusCode::io_error, "the asset cannot be read");
  return nestor::Artifact::open(address, static_cast<size_t>(length));
}

classifier *classifier_open(int fd, int64_t offset, int64_t length, char *message,
                            size_t message_size) {
  std::unique_ptr<void, FreeMemory> memory;
  auto opened = open_model(fd, offset, length, memory);
  if (!opened.ok())
    return report(opened.status(), message, message_size);
  auto made = opened.value().session();
  if (!made.ok())
    return report(made.status(), message, message_size);
  const nestor::Artifact &artifact = opened.value();
  if (artifact.inputs().size() != 1 || artifact.outputs().size() != 1 ||
      artifact.inputs()[0].dtype != nestor::DType::float32 ||
      artifact.outputs()[0].dtype != nestor::DType::float32)
    return report(nestor::Status(nestor::StatusCode::invalid_argument,
                                 "the model has not one input and one output of floats"),
                  message, message_size);
  return new (std::nothrow) classifier{std::move(memory), artifact, std::move(made).value()};
}

void classifier_close(classifier *classifier) { delete classifier; }

size_t classifier_input_size(const classifier *classifier) {
  return classifier->session.input(0).bytes() / sizeof(float);
}
size_t classifier_output_size(const classifier *classifier) {
  return classifier->session.output(0).bytes() / sizeof(float);
}

size_t classifier_capacities(const classifier *classifier, float *capacities, size_t count) {
  const auto &known = classifier->artifact.capacities();
  for (size_t i = 0; i < std::min(count, known.size()); ++i)
    capacities[i] = known[i].capacity;
  return known.size();
}

int classifier_run(classifier *classifier, float capacity, const float *input, float *output,
                   char *message, size_t message_size) {
  nestor::Session &session = classifier->session;
  nestor::Status status = session.set_capacity(capacity);
  if (status.ok())
    status = session.input(0).copy_from(input, session.input(0).bytes());
  if (status.ok())
    status = session.run();
  if (status.ok())
    status = session.output(0).copy_to(output, session.output(0).bytes());
  if (status.ok())
    return 0;
  report(status, message, message_size);
  return -1;
}
