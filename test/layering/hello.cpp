// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
// Hello, world; with a model where WITH_NESTOR is defined. test/layering.sh
// compares the sizes of both.
#include <cstdio>

#ifdef WITH_NESTOR
#include <nestor/nestor.hpp>

static int run(const char *path) {
  auto opened = nestor::Artifact::open(path);
  if (!opened.ok())
    return std::puts(opened.status().message().c_str());
  auto made = opened.value().session(nestor::SessionOptions().threads(2));
  if (!made.ok())
    return std::puts(made.status().message().c_str());
  nestor::Status status = made.value().set_capacity(1);
  if (status.ok())
    status = made.value().run();
  return std::puts(status.message().c_str());
}
#else
static int run(const char *path) { return std::puts(path); }
#endif

int main(int argc, char **argv) {
  std::puts("Hello, world");
  return argc > 1 ? run(argv[1]) : 0;
}
