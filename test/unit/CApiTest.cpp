//===- CApiTest.cpp - The C interface -------------------------------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
#include "ArtifactBuilder.h"
#include "nestor/nestor.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <numeric>
#include <thread>
#include <unistd.h>

using namespace nestor::test;

namespace {

/// The code and the message of a call, whose error is freed.
struct Outcome {
  nestor_code code;
  std::string message;
};

template <typename Call> Outcome outcome(Call call) {
  // Not initialised to null on purpose: a call always writes it.
  auto *error = reinterpret_cast<nestor_error *>(uintptr_t{1});
  nestor_code code = call(&error);
  EXPECT_EQ(nestor_error_code(error), code);
  EXPECT_EQ(error == nullptr, code == NESTOR_OK);
  Outcome result = {code, nestor_error_message(error)};
  nestor_error_free(error);
  return result;
}

template <typename Call> void expectError(nestor_code code, const char *part, Call call) {
  Outcome result = outcome(call);
  EXPECT_EQ(result.code, code) << result.message;
  EXPECT_NE(result.message.find(part), std::string::npos) << result.message;
}

template <typename Call> void expectOk(Call call) {
  Outcome result = outcome(call);
  EXPECT_EQ(result.code, NESTOR_OK) << result.message;
}

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

  AlignedBytes bytes{twoCapacities(8).build()};
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
  } later = {{sizeof(Later), 0.5f, 2}, 0};
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
  options.target = "z80";
  expectError(NESTOR_NOT_FOUND, "z80", openMemory);
  EXPECT_EQ(opened, nullptr);
}

TEST(CApi, NamesCodesAndTypes) {
  EXPECT_EQ(nestor_api_version(), static_cast<uint32_t>(NESTOR_API_VERSION));
  EXPECT_STREQ(nestor_code_name(NESTOR_CORRUPT), "corrupt");
  EXPECT_STREQ(nestor_code_name(static_cast<nestor_code>(9)), "unknown");
  EXPECT_STREQ(nestor_dtype_name(NESTOR_BOOL), "bool");
  EXPECT_STREQ(nestor_dtype_name(static_cast<nestor_dtype>(0)), "");
  EXPECT_EQ(nestor_dtype_size(NESTOR_FLOAT16), 2u);
  EXPECT_EQ(nestor_dtype_size(static_cast<nestor_dtype>(14)), 0u);
}

} // namespace
