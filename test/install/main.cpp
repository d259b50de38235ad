// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
// An app as a user writes it: includes only the installed header. Runs an
// artifact with one float input and one float output on a ramp from 0 to 1,
// and prints the index and the value of the largest output.
#include <nestor/nestor.hpp>

#include <algorithm>
#include <cstdio>
#include <vector>

static int report(const nestor::Status &status) {
  std::fprintf(stderr, "app: %s\n", status.message().c_str());
  return 1;
}

int main(int argc, char **argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: app FILE.nest\n");
    return 2;
  }
  auto opened = nestor::Artifact::open(argv[1]);
  if (!opened.ok())
    return report(opened.status());
  auto made = opened.value().session(nestor::SessionOptions().threads(2));
  if (!made.ok())
    return report(made.status());
  nestor::Session session = std::move(made.value());

  std::vector<float> image(session.input(0).bytes() / sizeof(float));
  for (size_t i = 0; i < image.size(); ++i)
    image[i] = static_cast<float>(i) / static_cast<float>(image.size());
  if (auto status = session.input(0).copy_from(image); !status.ok())
    return report(status);
  if (auto status = session.run(); !status.ok())
    return report(status);

  std::vector<float> scores(session.output(0).bytes() / sizeof(float));
  if (auto status = session.output(0).copy_to(scores); !status.ok())
    return report(status);
  auto best = std::max_element(scores.begin(), scores.end());
  std::printf("class %td, score %.3f\n", best - scores.begin(), static_cast<double>(*best));
  return 0;
}
