// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
// Compares a model that is linked in (fashion.o, which the scripts that build this make) with an
// artifact of it, bit for bit, at every capacity.
#include "fashion.h"

#include <nestor/embedded.hpp>
#include <nestor/nestor.hpp>

#include <cstdio>
#include <cstring>
#include <vector>

static int report(const nestor::Status &status) {
  std::fprintf(stderr, "compare: %s\n", status.message().c_str());
  return 1;
}

int main(int argc, char **argv) {
  if (argc != 2)
    return 2;
  auto file = nestor::Artifact::open(argv[1]), embedded = nestor::Artifact::open(model_fashion);
  if (!file.ok() || !embedded.ok())
    return report(file.ok() ? embedded.status() : file.status());
  auto expected = file.value().session(), result = embedded.value().session();
  if (!expected.ok() || !result.ok())
    return report(expected.ok() ? result.status() : expected.status());
  std::vector<float> input(expected.value().input(0).bytes() / sizeof(float));
  for (size_t i = 0; i < input.size(); ++i)
    input[i] = static_cast<float>(i % 97) / 97;
  for (const nestor::CapacityInfo &info : file.value().capacities()) {
    for (nestor::Session *session : {&expected.value(), &result.value()}) {
      nestor::Status status = session->set_capacity(info.capacity);
      if (status.ok())
        status = session->input(0).copy_from(input);
      if (status.ok())
        status = session->run();
      if (!status.ok())
        return report(status);
    }
    nestor::Tensor a = expected.value().output(0), b = result.value().output(0);
    if (a.bytes() != b.bytes() || std::memcmp(a.data(), b.data(), a.bytes()) != 0)
      return std::fprintf(stderr, "compare: capacity %g differs\n", info.capacity), 1;
  }
  return 0;
}
