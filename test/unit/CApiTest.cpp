//===- CApiTest.cpp - The C interface -------------------------------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
#include "ArtifactBuilder.h"
#include "CApiOutcome.h"
#include "nestor/nestor.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <memory>
#include <numeric>
#include <sched.h>
#include <thread>
#include <unistd.h>

using namespace nestor::test;

namespace {

/// The artifact of two capacities and a session of it.
class CApiTest : public testing::Test {
protected:
  void SetUp() override {
    expectOk([&](auto **error) {
      return nestor_artifact_open_memory(bytes.data(), bytes.size(), nullptr, &artifact, error);
    });
    expectOk([&](auto **error) {
      return nestor_session_create(artifact, nullptr, &session, error);
    });
    std::iota(x.begin(), x.end(), -5.0f);
  }
  void TearDown() override {
    nestor_session_free(session);
    nestor_artifact_free(artifact);
  }

  /// Copies x in, runs, and gives what came out.
  std::vector<float> run() {
    std::vector<float> y(x.size());
    size_t size = y.size() * sizeof(float);
    nestor_tensor *in = nestor_session_find_input(session, "x");
    nestor_tensor *out = nestor_session_find_output(session, "y");
    expectOk([&](auto **error) { return nestor_tensor_copy_from(in, x.data(), size, error); });
    expectOk([&](auto **error) { return nestor_session_run(session, error); });
    expectOk([&](auto **error) { return nestor_tensor_copy_to(out, y.data(), size, error); });
    return y;
  }

  static ArtifactSpec spec() {
    ArtifactSpec spec = twoCapacities(8);
    spec.capacities[0].inputExtents = {4, 8};
    return spec;
  }

  AlignedBytes bytes{spec().build()};
  nestor_artifact *artifact = nullptr;
  nestor_session *session = nullptr;
  std::vector<float> x = std::vector<float>(128);
};

TEST_F(CApiTest, ComputesTheModel) { EXPECT_EQ(run(), exampleResult(x)); }

TEST_F(CApiTest, OpensFilesAndRanges) {
  std::string path = testing::TempDir() + "c_api" + std::to_string(getpid()) + ".nest";
  std::vector<uint8_t> file = exampleArtifact().build();
  std::vector<uint8_t> package(4096 + file.size());
  std::copy(file.begin(), file.end(), package.begin() + 4096);
  writeBytes(path, package);
  int fd = open(path.c_str(), O_RDONLY);
  nestor_artifact *opened = nullptr;
  expectOk([&](auto **error) {
    return nestor_artifact_open_fd(fd, 4096, file.size(), nullptr, &opened, error);
  });
  close(fd);
  EXPECT_EQ(nestor_artifact_file_bytes(opened), file.size());
  EXPECT_GE(nestor_artifact_mapped_bytes(opened), file.size());
  EXPECT_EQ(nestor_artifact_complete(opened), 1);
  expectOk([&](auto **error) { return nestor_artifact_verify(opened, error); });
  nestor_artifact_free(opened);

  opened = nullptr;
  auto openPath = [&](auto **error) {
    return nestor_artifact_open(path.c_str(), nullptr, &opened, error);
  };
  expectError(NESTOR_CORRUPT, "not a .nest file", openPath);
  EXPECT_EQ(opened, nullptr);
  writeBytes(path, file);
  expectOk(openPath);
  nestor_artifact_free(opened);
  std::remove(path.c_str());
}

TEST_F(CApiTest, DescribesTheArtifact) {
  ASSERT_EQ(nestor_artifact_input_count(artifact), 1u);
  ASSERT_EQ(nestor_artifact_output_count(artifact), 1u);
  ASSERT_EQ(nestor_artifact_capacity_count(artifact), 2u);
  ASSERT_EQ(nestor_artifact_target_count(artifact), 1u);
  nestor_tensor_info input = NESTOR_TENSOR_INFO_INIT, output = NESTOR_TENSOR_INFO_INIT;
  expectOk([&](auto **error) { return nestor_artifact_input(artifact, 0, &input, error); });
  expectOk([&](auto **error) { return nestor_artifact_output(artifact, 0, &output, error); });
  EXPECT_STREQ(input.name, "x");
  EXPECT_STREQ(output.name, "y");
  EXPECT_EQ(input.dtype, static_cast<uint32_t>(NESTOR_FLOAT32));
  EXPECT_EQ(std::vector<int64_t>(input.dims, input.dims + input.rank),
            (std::vector<int64_t>{8, 16}));
  EXPECT_EQ(input.bytes, 512u);
  nestor_capacity_info small = NESTOR_CAPACITY_INFO_INIT;
  expectOk([&](auto **error) { return nestor_artifact_capacity(artifact, 0, &small, error); });
  EXPECT_EQ(small.capacity, 0.5f);
  EXPECT_EQ(small.accuracy, -1.0f) << "not measured";
  EXPECT_EQ(small.arena_bytes, 512u);
  EXPECT_EQ(std::vector<uint32_t>(small.input_extents,
                                  small.input_extents + small.input_extent_count),
            (std::vector<uint32_t>{4, 8}));
  nestor_capacity_info full = NESTOR_CAPACITY_INFO_INIT;
  expectOk([&](auto **error) { return nestor_artifact_capacity(artifact, 1, &full, error); });
  EXPECT_EQ(full.input_extents, nullptr);
  EXPECT_EQ(full.input_extent_count, 0u);
  nestor_target_info target = NESTOR_TARGET_INFO_INIT;
  expectOk([&](auto **error) { return nestor_artifact_target(artifact, 0, &target, error); });
  EXPECT_EQ(target.runnable, 1u);
  EXPECT_EQ(target.selected, 1u);
  expectError(NESTOR_NOT_FOUND, "no capacity 2", [&](auto **error) {
    return nestor_artifact_capacity(artifact, 2, &small, error);
  });
}

TEST_F(CApiTest, SwitchesCapacity) {
  EXPECT_EQ(nestor_session_capacity(session), 1.0f);
  expectError(NESTOR_NOT_FOUND, "0.7",
              [&](auto **error) { return nestor_session_set_capacity(session, 0.7f, error); });
  expectError(NESTOR_NOT_FOUND, "nan",
              [&](auto **error) { return nestor_session_set_capacity(session, NAN, error); });
  expectOk([&](auto **error) { return nestor_session_set_capacity(session, 0.5f, error); });
  EXPECT_EQ(nestor_session_capacity(session), 0.5f);
  std::vector<float> y = run(), expected = exampleResult(x);
  EXPECT_EQ(y[63], expected[63]);
  EXPECT_EQ(y[64], 0.0f) << "beyond the capacity's part";
}

TEST_F(CApiTest, BindsTheCallersMemory) {
  alignas(64) float memory[129] = {};
  nestor_tensor *output = nestor_session_output(session, 0);
  void *own = nestor_tensor_data(output);
  EXPECT_EQ(nestor_tensor_alignment(output), 4u);
  expectError(NESTOR_INVALID_ARGUMENT, "512 bytes", [&](auto **error) {
    return nestor_tensor_bind(output, memory, 511, error);
  });
  expectError(NESTOR_INVALID_ARGUMENT, "aligned", [&](auto **error) {
    return nestor_tensor_bind(output, reinterpret_cast<char *>(memory) + 2, 512, error);
  });
  expectOk([&](auto **error) { return nestor_tensor_bind(output, memory, 512, error); });
  run();
  EXPECT_EQ(std::vector<float>(memory, memory + 128), exampleResult(x));
  expectOk([&](auto **error) { return nestor_tensor_bind(output, nullptr, 0, error); });
  EXPECT_EQ(nestor_tensor_data(output), own);
}

TEST_F(CApiTest, SessionsOutliveTheirArtifact) {
  nestor_artifact_free(artifact);
  artifact = nullptr;
  EXPECT_EQ(run(), exampleResult(x));
}

TEST_F(CApiTest, CapacityMayChangeDuringARun) {
  std::thread switcher([&] {
    for (int i = 0; i < 1000; ++i)
      EXPECT_EQ(nestor_session_set_capacity(session, i % 2 ? 1.0f : 0.5f, nullptr), NESTOR_OK);
  });
  for (int i = 0; i < 200; ++i)
    EXPECT_EQ(nestor_session_run(session, nullptr), NESTOR_OK);
  switcher.join();
}

TEST_F(CApiTest, NullArgumentsAreErrors) {
  nestor_tensor_info info = NESTOR_TENSOR_INFO_INIT;
  nestor_tensor *input = nestor_session_input(session, 0);
  nestor_artifact *opened = nullptr;
  nestor_session *made = nullptr;
  const nestor_code bad = NESTOR_INVALID_ARGUMENT;
  auto with = [](auto function, auto... arguments) {
    return [=](auto **error) { return function(arguments..., error); };
  };
  expectError(bad, "nestor_artifact_open: path",
              with(nestor_artifact_open, nullptr, nullptr, &opened));
  expectError(bad, "artifact", with(nestor_artifact_open, "m.nest", nullptr, nullptr));
  expectError(bad, "artifact", with(nestor_artifact_open_fd, 0, 0, 0, nullptr, nullptr));
  expectError(bad, "data", with(nestor_artifact_open_memory, nullptr, 64, nullptr, &opened));
  expectError(bad, "artifact", with(nestor_artifact_open_memory, &info, 64, nullptr, nullptr));
  expectError(bad, "artifact", with(nestor_artifact_verify, nullptr));
  expectError(bad, "artifact", with(nestor_artifact_input, nullptr, 0, &info));
  expectError(bad, "info", with(nestor_artifact_input, artifact, 0, nullptr));
  expectError(bad, "info", with(nestor_artifact_output, artifact, 0, nullptr));
  expectError(bad, "info", with(nestor_artifact_capacity, artifact, 0, nullptr));
  expectError(bad, "info", with(nestor_artifact_target, artifact, 0, nullptr));
  expectError(bad, "artifact", with(nestor_session_create, nullptr, nullptr, &made));
  expectError(bad, "session", with(nestor_session_create, artifact, nullptr, nullptr));
  expectError(bad, "session", with(nestor_session_run, nullptr));
  expectError(bad, "session", with(nestor_session_set_capacity, nullptr, 1.0f));
  expectError(bad, "source", with(nestor_tensor_copy_from, input, nullptr, 512));
  expectError(bad, "target", with(nestor_tensor_copy_to, input, nullptr, 512));
  expectError(bad, "info", with(nestor_tensor_get_info, input, nullptr));
  float capacity = 0;
  uint64_t number = 0;
  size_t written = 0;
  nestor_cut_info cut = NESTOR_CUT_INFO_INIT;
  nestor_upgrade_info upgrade = NESTOR_UPGRADE_INFO_INIT;
  nestor_calibration *calibration = nullptr;
  expectError(bad, "artifact", with(nestor_artifact_cut, nullptr, 0, 0, &cut));
  expectError(bad, "info", with(nestor_artifact_cut, artifact, 0, 0, nullptr));
  expectError(bad, "artifact", with(nestor_artifact_refresh, nullptr, &opened));
  expectError(bad, "refreshed", with(nestor_artifact_refresh, artifact, nullptr));
  expectError(bad, "artifact", with(nestor_artifact_minimum_budget, nullptr, 1.0f, &number));
  expectError(bad, "bytes", with(nestor_artifact_minimum_budget, artifact, 1.0f, nullptr));
  expectError(bad, "artifact", with(nestor_artifact_stream_bytes, nullptr, 0, 1, &number));
  expectError(bad, "bytes", with(nestor_artifact_stream_bytes, artifact, 0, 1, nullptr));
  expectError(bad, "artifact", with(nestor_artifact_calibrate, nullptr, 1, 0.1, &calibration));
  expectError(bad, "calibration", with(nestor_artifact_calibrate, artifact, 1, 0.1, nullptr));
  expectError(bad, "text", with(nestor_calibration_parse, nullptr, &calibration));
  expectError(bad, "calibration", with(nestor_calibration_parse, "x", nullptr));
  expectError(bad, "artifact",
              with(nestor_artifact_choose_capacity, nullptr, nullptr, nullptr, &capacity));
  expectError(bad, "capacity",
              with(nestor_artifact_choose_capacity, artifact, nullptr, nullptr, nullptr));
  expectError(bad, "session", with(nestor_session_upgrade, nullptr, 1.0f));
  expectError(bad, "session", with(nestor_session_upgrade_progress, nullptr, &upgrade));
  expectError(bad, "info", with(nestor_session_upgrade_progress, session, nullptr));
  expectError(bad, "header", with(nestor_stream_size, nullptr, 48, &number));
  expectError(bad, "size", with(nestor_stream_size, &info, 48, nullptr));
  expectError(bad, "session", with(nestor_session_run_head, nullptr, 0, 1, &info, 48, &written));
  expectError(bad, "stream", with(nestor_session_run_head, session, 0, 1, nullptr, 48, &written));
  expectError(bad, "bytes", with(nestor_session_run_head, session, 0, 1, &info, 48, nullptr));
  expectError(bad, "session", with(nestor_session_run_tail, nullptr, 0, &info, 48));
  expectError(bad, "stream", with(nestor_session_run_tail, session, 0, nullptr, 48));
  EXPECT_EQ(nestor_artifact_open(nullptr, nullptr, nullptr, nullptr), bad) << "no error wanted";
}

TEST_F(CApiTest, NullGivesNothingWhereThereIsNoError) {
  EXPECT_STREQ(nestor_artifact_model_name(nullptr), "");
  EXPECT_STREQ(nestor_artifact_producer(nullptr), "");
  EXPECT_EQ(nestor_artifact_file_bytes(nullptr), 0u);
  EXPECT_EQ(nestor_artifact_mapped_bytes(nullptr), 0u);
  EXPECT_EQ(nestor_artifact_complete(nullptr), 0);
  EXPECT_EQ(nestor_artifact_input_count(nullptr), 0u);
  EXPECT_EQ(nestor_artifact_output_count(nullptr), 0u);
  EXPECT_EQ(nestor_artifact_capacity_count(nullptr), 0u);
  EXPECT_EQ(nestor_artifact_target_count(nullptr), 0u);
  EXPECT_EQ(nestor_session_capacity(nullptr), 0.0f);
  EXPECT_EQ(nestor_session_threads(nullptr), 0u);
  EXPECT_EQ(nestor_session_memory_bytes(nullptr), 0u);
  EXPECT_EQ(nestor_session_input(nullptr, 0), nullptr);
  EXPECT_EQ(nestor_session_output(nullptr, 0), nullptr);
  EXPECT_EQ(nestor_session_find_input(nullptr, "x"), nullptr);
  EXPECT_EQ(nestor_session_find_output(session, nullptr), nullptr);
  EXPECT_EQ(nestor_tensor_data(nullptr), nullptr);
  EXPECT_EQ(nestor_tensor_bytes(nullptr), 0u);
  EXPECT_EQ(nestor_tensor_alignment(nullptr), 0u);
  EXPECT_EQ(nestor_error_code(nullptr), NESTOR_OK);
  EXPECT_STREQ(nestor_error_message(nullptr), "");
  EXPECT_EQ(nestor_artifact_cut_count(nullptr), 0u);
  EXPECT_EQ(nestor_artifact_cut_count(artifact), 0u) << "it has no blocks";
  EXPECT_EQ(nestor_session_last_capacity(nullptr), 0.0f);
  EXPECT_STREQ(nestor_calibration_text(nullptr), "");
  nestor_session_release_unused(nullptr);
  nestor_artifact_release_unused(nullptr);
  nestor_calibration_free(nullptr);
  nestor_error_free(nullptr);
  nestor_session_free(nullptr);
  nestor_artifact_free(nullptr);
}

TEST_F(CApiTest, UnknownTensorsFailWithNotFound) {
  nestor_tensor *tensor = nestor_session_find_input(session, "z");
  EXPECT_EQ(tensor, nullptr);
  EXPECT_EQ(nestor_session_output(session, 1), nullptr);
  float value = 0;
  nestor_tensor_info info = NESTOR_TENSOR_INFO_INIT;
  const char *message = "no such input or output";
  expectError(NESTOR_NOT_FOUND, message,
              [&](auto **error) { return nestor_tensor_copy_from(tensor, &value, 4, error); });
  expectError(NESTOR_NOT_FOUND, message,
              [&](auto **error) { return nestor_tensor_copy_to(tensor, &value, 4, error); });
  expectError(NESTOR_NOT_FOUND, message,
              [&](auto **error) { return nestor_tensor_bind(tensor, &value, 4, error); });
  expectError(NESTOR_NOT_FOUND, message,
              [&](auto **error) { return nestor_tensor_get_info(tensor, &info, error); });
}

TEST_F(CApiTest, OptionsOfOtherVersions) {
  // A later struct, with a field that this library does not know.
  struct Later {
    nestor_session_options known;
    uint64_t added;
  } later = {NESTOR_SESSION_OPTIONS_INIT, 0};
  later.known.struct_size = sizeof later;
  later.known.capacity = 0.5f;
  later.known.threads = 2;
  nestor_session *made = nullptr;
  auto create = [&](auto **error) {
    return nestor_session_create(artifact, &later.known, &made, error);
  };
  expectOk(create);
  EXPECT_EQ(nestor_session_capacity(made), 0.5f);
  EXPECT_EQ(nestor_session_threads(made), 2u);
  nestor_session_free(made);
  made = nullptr;
  later.added = 1;
  expectError(NESTOR_INVALID_ARGUMENT, "update libnestor", create);
  for (size_t size : {size_t{0}, size_t{4097}, ~size_t{0}}) {
    later.known.struct_size = size;
    expectError(NESTOR_INVALID_ARGUMENT, "_INIT", create);
  }
  EXPECT_EQ(made, nullptr);
}

TEST_F(CApiTest, InfoOfOtherVersions) {
  struct Later {
    nestor_target_info known;
    uint64_t added;
  } later = {NESTOR_TARGET_INFO_INIT, 7};
  later.known.struct_size = sizeof later;
  auto target = [&](auto **error) {
    return nestor_artifact_target(artifact, 0, &later.known, error);
  };
  expectOk(target);
  EXPECT_EQ(later.known.struct_size, sizeof(nestor_target_info)) << "what was filled";
  EXPECT_EQ(later.added, 0u);
  for (size_t size : {size_t{3}, size_t{4097}, ~size_t{0}}) {
    later.known.struct_size = size;
    expectError(NESTOR_INVALID_ARGUMENT, "_INIT", target);
  }
}

/// What an app of version 1 passes, as bytes with nothing behind them.
TEST_F(CApiTest, StructsOfVersionOne) {
  struct First {
    size_t struct_size;
    float capacity;
    uint32_t threads;
  };
  auto options = std::make_unique<First>(First{sizeof(First), 0.5f, 1});
  nestor_session *made = nullptr;
  expectOk([&](auto **error) {
    return nestor_session_create(
        artifact, reinterpret_cast<nestor_session_options *>(options.get()), &made, error);
  });
  EXPECT_EQ(nestor_session_capacity(made), 0.5f);
  nestor_session_free(made);
  struct FirstCapacity {
    size_t struct_size;
    uint64_t sizes[5];
    float values[5];
    uint32_t skipped;
  };
  auto info = std::make_unique<FirstCapacity>();
  info->struct_size = sizeof(FirstCapacity);
  expectOk([&](auto **error) {
    return nestor_artifact_capacity(
        artifact, 0, reinterpret_cast<nestor_capacity_info *>(info.get()), error);
  });
  EXPECT_EQ(info->struct_size, sizeof(FirstCapacity));
  EXPECT_EQ(info->values[0], 0.5f);
}

/// Counts its calls in *context.
void runHere(void *context, uint32_t tasks, nestor_task task, void *data) {
  ++*static_cast<uint32_t *>(context);
  for (uint32_t i = 0; i < tasks; ++i)
    task(data);
}

TEST_F(CApiTest, ThreadsOfTheApp) {
  uint32_t calls = 0;
  nestor_session_options options = NESTOR_SESSION_OPTIONS_INIT;
  EXPECT_EQ(options.share_above_ns, nestor::SessionOptions().share_above_ns());
  options.threads = 3;
  options.executor = runHere;
  options.executor_context = &calls;
  options.share_above_ns = 0;
  nestor_session_free(session);
  expectOk([&](auto **error) {
    return nestor_session_create(artifact, &options, &session, error);
  });
  EXPECT_EQ(nestor_session_threads(session), 3u);
  EXPECT_EQ(run(), exampleResult(x));
  EXPECT_EQ(calls, 2u);
}

TEST_F(CApiTest, ThreadsOnSomeCpus) {
  uint32_t cpus[] = {static_cast<uint32_t>(sched_getcpu()), 100'000};
  nestor_session_options options = NESTOR_SESSION_OPTIONS_INIT;
  options.threads = 2;
  options.cpus = cpus;
  options.cpu_count = 1;
  nestor_session *made = nullptr;
  auto create = [&](auto **error) {
    return nestor_session_create(artifact, &options, &made, error);
  };
  expectOk(create);
  nestor_session_free(made);
  options.cpu_count = 2;
  expectError(NESTOR_INVALID_ARGUMENT, "cannot use CPU 100000", create);
  options.cpus = nullptr;
  expectError(NESTOR_INVALID_ARGUMENT, "cpus is null", create);
  options.cpu_count = 0;
  options.reserved = 1;
  expectError(NESTOR_INVALID_ARGUMENT, "reserved is 1", create);
}

TEST_F(CApiTest, RefusesOptionsOutOfRange) {
  nestor_artifact *opened = nullptr;
  nestor_open_options options = NESTOR_OPEN_OPTIONS_INIT;
  auto openMemory = [&](auto **error) {
    return nestor_artifact_open_memory(bytes.data(), bytes.size(), &options, &opened, error);
  };
  options.verify = 7;
  expectError(NESTOR_INVALID_ARGUMENT, "verify is 7", openMemory);
  options.verify = NESTOR_VERIFY_ALL;
  options.reserved = 1;
  expectError(NESTOR_INVALID_ARGUMENT, "reserved", openMemory);
  options.reserved = 0;
  options.load = 2;
  expectError(NESTOR_INVALID_ARGUMENT, "load is 2", openMemory);
  options.load = NESTOR_LOAD_MAP;
  options.guard = 2;
  expectError(NESTOR_INVALID_ARGUMENT, "guard is 2", openMemory);
  options.guard = 0;
  options.no_weights = 2;
  expectError(NESTOR_INVALID_ARGUMENT, "no_weights is 2", openMemory);
  options.no_weights = 0;
  options.sha256 = "abc";
  expectError(NESTOR_INVALID_ARGUMENT, "64 hexadecimal digits", openMemory);
  options.sha256 = nullptr;
  options.target = "z80";
  expectError(NESTOR_NOT_FOUND, "z80", openMemory);
  EXPECT_EQ(opened, nullptr);
}

TEST_F(CApiTest, ChoosesACapacity) {
  float chosen = 0;
  nestor_capacity_goal goal = NESTOR_CAPACITY_GOAL_INIT;
  auto choose = [&](auto **error) {
    return nestor_artifact_choose_capacity(artifact, &goal, nullptr, &chosen, error);
  };
  expectOk(choose);
  EXPECT_EQ(chosen, 1.0f);
  nestor_capacity_info small = NESTOR_CAPACITY_INFO_INIT;
  expectOk([&](auto **error) { return nestor_artifact_capacity(artifact, 0, &small, error); });
  EXPECT_GT(small.resident_bytes, small.arena_bytes);
  EXPECT_GT(small.file_bytes, 0u);
  goal.memory_bytes = 1;
  expectError(NESTOR_NOT_FOUND, "memory", choose);
  goal.memory_bytes = 0;
  goal.latency_us = 1e9f;
  expectError(NESTOR_NOT_FOUND, "latency of no capacity is known", choose);

  nestor_calibration *measured = nullptr, *read = nullptr;
  expectOk([&](auto **error) {
    return nestor_artifact_calibrate(artifact, 1, 0.001, &measured, error);
  });
  const char *text = nestor_calibration_text(measured);
  expectOk([&](auto **error) { return nestor_calibration_parse(text, &read, error); });
  EXPECT_STREQ(nestor_calibration_text(read), text);
  expectOk([&](auto **error) {
    return nestor_artifact_choose_capacity(artifact, &goal, read, &chosen, error);
  });
  EXPECT_EQ(chosen, 1.0f);
  nestor_calibration_free(measured);
  nestor_calibration_free(read);
  expectError(NESTOR_INVALID_ARGUMENT, "not a calibration",
              [&](auto **error) { return nestor_calibration_parse("x", &read, error); });
}

TEST_F(CApiTest, UpgradesInTheBackground) {
  nestor_upgrade_info info = NESTOR_UPGRADE_INFO_INIT;
  auto progress = [&](auto **error) {
    return nestor_session_upgrade_progress(session, &info, error);
  };
  expectOk(progress);
  EXPECT_EQ(info.state, static_cast<uint32_t>(NESTOR_UPGRADE_NONE));
  expectOk([&](auto **error) { return nestor_session_set_capacity(session, 0.5f, error); });
  run();
  expectOk([&](auto **error) { return nestor_session_upgrade(session, 1.0f, error); });
  do
    expectOk(progress);
  while (info.state == NESTOR_UPGRADE_RUNNING);
  EXPECT_EQ(info.state, static_cast<uint32_t>(NESTOR_UPGRADE_DONE));
  EXPECT_EQ(info.capacity, 1.0f);
  EXPECT_EQ(info.bytes_done, info.bytes_total);
  EXPECT_EQ(nestor_session_capacity(session), 1.0f);
  EXPECT_EQ(nestor_session_last_capacity(session), 0.5f);
  nestor_session_release_unused(session);
  nestor_artifact_release_unused(artifact);
  EXPECT_EQ(run(), exampleResult(x));
  expectError(NESTOR_NOT_FOUND, "0.7",
              [&](auto **error) { return nestor_session_upgrade(session, 0.7f, error); });
}

TEST(CApi, NamesCodesAndTypes) {
  EXPECT_EQ(nestor_api_version(), static_cast<uint32_t>(NESTOR_API_VERSION));
  EXPECT_STREQ(nestor_code_name(NESTOR_CORRUPT), "corrupt");
  EXPECT_STREQ(nestor_code_name(NESTOR_DATA_LOSS), "data loss");
  EXPECT_STREQ(nestor_code_name(static_cast<nestor_code>(10)), "unknown");
  EXPECT_STREQ(nestor_dtype_name(NESTOR_BOOL), "bool");
  EXPECT_STREQ(nestor_dtype_name(static_cast<nestor_dtype>(0)), "");
  EXPECT_EQ(nestor_dtype_size(NESTOR_FLOAT16), 2u);
  EXPECT_EQ(nestor_dtype_size(static_cast<nestor_dtype>(14)), 0u);
}

} // namespace
