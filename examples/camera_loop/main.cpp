// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
// A loop over camera frames (synthetic ones) that keeps its frame time by
// changing the capacity of the model. In the middle third the app has other
// work to do, as when it records or draws: the capacity goes down, and up again
// afterwards.
#include "governor.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>

using Clock = std::chrono::steady_clock;

static double us_since(Clock::time_point start) {
  return std::chrono::duration<double, std::micro>(Clock::now() - start).count();
}

static int fail(const std::string &message) {
  std::fprintf(stderr, "camera_loop: %s\n", message.c_str());
  return EXIT_FAILURE;
}

/// A bright bar that moves by one element a frame.
static void draw(const nestor::Tensor &image, int frame) {
  bool bytes = image.info().dtype == nestor::DType::uint8;
  size_t count = image.bytes() / nestor::size_of(image.info().dtype);
  for (size_t i = 0; i < count; ++i) {
    float value = (i + static_cast<size_t>(frame)) % 28 < 8 ? 1.0f : 0.1f;
    if (bytes)
      image.data_as<uint8_t>()[i] = static_cast<uint8_t>(255 * value);
    else
      image.data_as<float>()[i] = value;
  }
}

/// What else the app does in a frame.
static void work_for(double us) {
  for (Clock::time_point start = Clock::now(); us_since(start) < us;) {
  }
}

/// The model's time at full capacity: the fastest of some runs, as others may
/// have been disturbed.
static double calibrate(nestor::Session &session) {
  double fastest = 1e9;
  for (int i = 0; i < 25; ++i) {
    Clock::time_point start = Clock::now();
    (void)session.run(); // The loop reports errors.
    fastest = std::min(fastest, us_since(start));
  }
  return fastest;
}

/// Counts what the loop did.
struct Tally {
  std::vector<int> frames; ///< By capacity.
  int late = 0, switches = 0;
};

static void print(const Tally &tally, const std::vector<nestor::CapacityInfo> &capacities) {
  std::printf("%d late frames, %d switches; frames at capacity", tally.late, tally.switches);
  for (size_t i = 0; i < capacities.size(); ++i)
    std::printf(" %.2f: %d", static_cast<double>(capacities[i].capacity), tally.frames[i]);
  std::printf("\n");
}

static nestor::Status loop(nestor::Session &session,
                           const std::vector<nestor::CapacityInfo> &capacities, int frames) {
  double budgetUs = 2 * calibrate(session);
  std::printf("a frame may take %.2f ms\n", budgetUs / 1000);
  Governor governor(capacities, budgetUs);
  Tally tally = {std::vector<int>(capacities.size())};
  for (int frame = 0; frame < frames; ++frame) {
    bool busy = frame >= frames / 3 && frame < 2 * frames / 3;
    Clock::time_point start = Clock::now();
    draw(session.input(0), frame);
    work_for(busy ? 0.7 * budgetUs : 0);
    double otherUs = us_since(start);
    if (nestor::Status status = session.run(); !status.ok())
      return status;
    double frameUs = us_since(start);
    size_t before = governor.current(), after = governor.next(frameUs - otherUs, otherUs);
    ++tally.frames[before];
    tally.late += frameUs > budgetUs;
    if (after == before)
      continue;
    ++tally.switches;
    std::printf("frame %d took %.2f ms, %.2f of them other work: capacity %.2f -> %.2f\n", frame,
                frameUs / 1000, otherUs / 1000, static_cast<double>(capacities[before].capacity),
                static_cast<double>(capacities[after].capacity));
    // Microseconds: the next frame already runs the other size.
    if (nestor::Status status = session.set_capacity(capacities[after].capacity); !status.ok())
      return status;
  }
  print(tally, capacities);
  return nestor::Status();
}

int main(int argc, char **argv) {
  if (argc < 2 || argc > 3) {
    std::fprintf(stderr, "usage: camera_loop FILE.nest [FRAMES]\n");
    return 2;
  }
  int frames = argc == 3 ? std::atoi(argv[2]) : 300;
  auto opened = nestor::Artifact::open(argv[1]);
  if (!opened.ok())
    return fail(opened.status().message());
  const std::vector<nestor::CapacityInfo> &capacities = opened.value().capacities();
  auto made = opened.value().session();
  if (!made.ok())
    return fail(made.status().message());
  nestor::Session session = std::move(made).value();
  nestor::Tensor image = session.input(0);
  if (!image.valid() || (image.info().dtype != nestor::DType::float32 &&
                         image.info().dtype != nestor::DType::uint8))
    return fail("the model's first input must be float32 or uint8");
  nestor::Status status = loop(session, capacities, frames);
  return status.ok() ? EXIT_SUCCESS : fail(status.message());
}
