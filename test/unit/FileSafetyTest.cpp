//===- FileSafetyTest.cpp - Files that change while they are open ---------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
#include "ArtifactBuilder.h"
#include "nestor/nestor.hpp"
#include "runtime/src/clock.h"
#include "runtime/src/mapping.h"
#include "runtime/src/sha256.h"

#include <atomic>
#include <csignal>
#include <cstring>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <thread>
#include <unistd.h>

using namespace nestor;
using namespace nestor::test;

namespace {

class FileSafetyTest : public testing::Test {
protected:
  void SetUp() override {
    path = testing::TempDir() + "safety" + std::to_string(getpid()) + ".nest";
    writeBytes(path, whole);
  }
  void TearDown() override { std::remove(path.c_str()); }

  /// Without the weights. Afterwards sessions look at it.
  void truncateFile() const {
    ASSERT_EQ(truncate(path.c_str(), shortened), 0);
    for (uint64_t tick = detail::clock_tick(); detail::clock_tick() == tick;)
      std::this_thread::yield();
  }

  static void expectLoss(const Status &status) {
    EXPECT_EQ(status.code(), StatusCode::data_loss) << status.message();
    EXPECT_NE(status.message().find("truncated"), std::string::npos) << status.message();
    EXPECT_NE(status.message().find("rename"), std::string::npos) << "the cure";
  }
  static bool computes(Session &session) {
    std::vector<float> x(8 * 16, 2), y(x.size());
    return session.input(0).copy_from(x).ok() && session.run().ok() &&
           session.output(0).copy_to(y).ok() && y == exampleResult(x);
  }

  const std::vector<uint8_t> whole = exampleArtifact().build();
  const off_t shortened = static_cast<off_t>(whole.size() - 64);
  std::string path;
};

TEST_F(FileSafetyTest, ATruncatedFileIsSeenBeforeARun) {
  Artifact artifact = Artifact::open(path).value();
  Session session = artifact.session().value();
  ASSERT_TRUE(computes(session));
  truncateFile();
  Status status = session.run();
  expectLoss(status);
  EXPECT_NE(status.message().find(path), std::string::npos) << status.message();
  uint64_t times[2];
  expectLoss(session.run_timed(times, 2));
}

TEST_F(FileSafetyTest, SoIsATruncatedPackage) {
  int fd = open(path.c_str(), O_RDONLY);
  Session session = Artifact::open(fd, 0, whole.size()).value().session().value();
  EXPECT_EQ(lseek(fd, 0, SEEK_CUR), 0);
  ASSERT_TRUE(computes(session));
  EXPECT_EQ(lseek(fd, 0, SEEK_CUR), 0) << "the app's place in its file stays";
  close(fd);
  truncateFile();
  expectLoss(session.run());
}

TEST_F(FileSafetyTest, AReplacedFileDoesNoHarm) {
  Session session = Artifact::open(path).value().session().value();
  writeBytes(path + ".new", {1, 2, 3});
  ASSERT_EQ(std::rename((path + ".new").c_str(), path.c_str()), 0);
  EXPECT_TRUE(computes(session));
}

TEST_F(FileSafetyTest, ACopyDoesNotNeedItsFile) {
  for (bool byPath : {true, false}) {
    writeBytes(path, whole);
    ArtifactOptions copy = ArtifactOptions().load(Load::copy);
    int fd = open(path.c_str(), O_RDONLY);
    Session session = (byPath ? Artifact::open(path, copy) : Artifact::open(fd, 0, whole.size(), copy))
                          .value()
                          .session()
                          .value();
    close(fd);
    ASSERT_EQ(truncate(path.c_str(), 0), 0);
    EXPECT_TRUE(computes(session));
  }
}

/// A copy has its weights in memory, whoever reads them.
TEST_F(FileSafetyTest, ACopyWithoutMappedWeightsHasThem) {
  ArtifactSpec spec = streamedArtifact();
  writeBytes(path, spec.build());
  Artifact artifact =
      Artifact::open(path, ArtifactOptions().load(Load::copy).map_weights(false)).value();
  Session resident = artifact.session().value();
  Session streamed =
      artifact.session(SessionOptions().memory_budget(artifact.minimum_budget().value())).value();
  ASSERT_EQ(truncate(path.c_str(), 0), 0);
  std::vector<float> x = streamedInput(spec), expected(x.size()), y(x.size());
  ASSERT_TRUE(resident.input(0).copy_from(x).ok() && streamed.input(0).copy_from(x).ok());
  ASSERT_TRUE(resident.run().ok());
  Status status = streamed.run();
  ASSERT_TRUE(status.ok()) << status.message();
  ASSERT_TRUE(resident.output(0).copy_to(expected).ok() && streamed.output(0).copy_to(y).ok());
  EXPECT_EQ(y, expected);
  EXPECT_TRUE(artifact.verify().ok());
}

/// Memory whose first access truncates the artifact: the input of a run that
/// loses its weights in the middle.
struct Trap {
  static constexpr size_t size = 64 * 1024;
  explicit Trap(const std::string &file, off_t length) {
    memory = mmap(nullptr, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    victim = file.c_str();
    shortened = length;
    struct sigaction action = {};
    action.sa_sigaction = spring;
    action.sa_flags = SA_SIGINFO;
    sigaction(SIGSEGV, &action, &previous);
  }
  ~Trap() {
    sigaction(SIGSEGV, &previous, nullptr);
    munmap(memory, size);
  }
  static void spring(int, siginfo_t *, void *) {
    if (mprotect(memory, size, PROT_READ | PROT_WRITE) != 0 || truncate(victim, shortened) != 0)
      _exit(3);
    ++sprung;
  }
  static inline void *memory = nullptr;
  static inline const char *victim = nullptr;
  static inline off_t shortened = 0;
  static inline std::atomic<int> sprung{0};
  struct sigaction previous;
};

TEST_F(FileSafetyTest, AGuardedRunFailsWhenItsFileIsTruncated) {
  Artifact artifact = Artifact::open(path, ArtifactOptions().guard(true)).value();
  Session session = artifact.session().value(), other = artifact.session().value();
  ASSERT_TRUE(computes(session));
  {
    // A whole section of pages, so that the weights' own page is lost.
    Trap trap(path, static_cast<off_t>(format::kSectionAlignment));
    ASSERT_TRUE(session.input(0).bind(Trap::memory, Trap::size).ok());
    expectLoss(session.run());
    EXPECT_EQ(Trap::sprung, 1);
    ASSERT_TRUE(session.input(0).bind(nullptr, 0).ok());
  }
  // Zeros took the place of the weights, so the artifact is lost for good.
  writeBytes(path, whole);
  expectLoss(session.run());
  expectLoss(other.run());
  Session again = Artifact::open(path, ArtifactOptions().guard(true)).value().session().value();
  EXPECT_TRUE(computes(again));
}

/// The reader cannot be ahead by all of the weights, since they do not fit.
TEST_F(FileSafetyTest, SoDoesARunThatReadsItsWeights) {
  ArtifactSpec spec = streamedArtifact();
  for (bool guarded : {false, true}) {
    writeBytes(path, spec.build());
    Artifact artifact =
        Artifact::open(path, ArtifactOptions().map_weights(false).guard(guarded)).value();
    SessionOptions within = SessionOptions().memory_budget(artifact.minimum_budget().value());
    Session session = artifact.session(within).value();
    // Code stays there for whom no guard copies it.
    uint64_t end = guarded ? format::kSectionAlignment : artifact.sections()[1].offset;
    Trap trap(path, static_cast<off_t>(end));
    ASSERT_TRUE(session.input(0).bind(Trap::memory, Trap::size).ok());
    Trap::sprung = 0;
    Status status = session.run();
    expectLoss(status);
    EXPECT_EQ(Trap::sprung, 1);
    EXPECT_NE(status.message().find(path), std::string::npos) << status.message();
    expectLoss(session.run());
  }
}

/// Whichever notices first, the check before the run or the guard in it.
TEST_F(FileSafetyTest, AGuardedFileMayBeTruncatedAtAnyMoment) {
  for (int round = 0; round < 20; ++round) {
    writeBytes(path, whole);
    Artifact artifact = Artifact::open(path, ArtifactOptions().guard(true)).value();
    std::vector<std::thread> runners;
    for (int i = 0; i < 2; ++i)
      runners.emplace_back([artifact] {
        Session session = artifact.session().value();
        Status status;
        while (status.ok())
          status = session.run();
        expectLoss(status);
      });
    ASSERT_EQ(truncate(path.c_str(), round % 2 ? 0 : 70'000), 0);
    for (std::thread &runner : runners)
      runner.join();
  }
}

TEST_F(FileSafetyTest, GuardsMappingsOnly) {
  Artifact copy =
      Artifact::open(path, ArtifactOptions().guard(true).load(Load::copy)).value();
  ASSERT_EQ(truncate(path.c_str(), 0), 0);
  Session session = copy.session().value();
  EXPECT_TRUE(computes(session));
}

/// Touches a page of a file that has ended: SIGBUS in a mapping of our own.
[[noreturn]] void touchLostPage() {
  std::string path = testing::TempDir() + "lost" + std::to_string(getpid());
  writeBytes(path, std::vector<uint8_t>(4096, 1));
  int fd = open(path.c_str(), O_RDWR);
  void *page = mmap(nullptr, 4096, PROT_READ, MAP_SHARED, fd, 0);
  std::remove(path.c_str());
  if (ftruncate(fd, 0) == 0)
    (void)*static_cast<volatile const char *>(page);
  _exit(1);
}

extern "C" void exitWith42(int, siginfo_t *, void *) { _exit(42); }
extern "C" void exitWith43(int) { _exit(43); }

void handle(void (*handler)(int)) {
  struct sigaction action = {};
  action.sa_handler = handler;
  sigaction(SIGBUS, &action, nullptr);
}

TEST_F(FileSafetyTest, OtherFaultsGoToTheHandlerBefore) {
  auto inChild = [&](auto install) {
    install();
    Result<Artifact> artifact = Artifact::open(path, ArtifactOptions().guard(true));
    if (artifact.ok())
      touchLostPage();
    _exit(2);
  };
  EXPECT_EXIT(inChild([] {
                struct sigaction action = {};
                action.sa_sigaction = exitWith42;
                action.sa_flags = SA_SIGINFO;
                sigaction(SIGBUS, &action, nullptr);
              }),
              testing::ExitedWithCode(42), "");
  EXPECT_EXIT(inChild([] { handle(exitWith43); }), testing::ExitedWithCode(43), "");
  EXPECT_EXIT(inChild([] { handle(SIG_DFL); }), testing::KilledBySignal(SIGBUS), "");
  EXPECT_EXIT(inChild([] { handle(SIG_IGN); }), testing::KilledBySignal(SIGBUS), "");
}

/// Behind what is left of a mapping, pages are others'.
TEST_F(FileSafetyTest, WithoutWeightsOnlyTheFrontIsGuarded) {
  ASSERT_GT(whole.size(), 2 * detail::page_size());
  auto inChild = [&] {
    ArtifactOptions guarded = ArtifactOptions().guard(true);
    detail::Mapping mapping = detail::Mapping::file(path.c_str(), guarded).value();
    mapping.keep_front(100);
    void *behind = const_cast<uint8_t *>(mapping.data()) + detail::page_size();
    int fd = open(path.c_str(), O_RDONLY);
    void *other = mmap(behind, detail::page_size(), PROT_READ, MAP_SHARED | MAP_FIXED, fd, 0);
    if (other != behind || mapping.front() != 100 || truncate(path.c_str(), 0) != 0)
      _exit(2);
    (void)*static_cast<const volatile uint8_t *>(mapping.data());
    if (mapping.check_guard().code() != StatusCode::data_loss)
      _exit(3);
    (void)*static_cast<const volatile uint8_t *>(behind);
    _exit(4);
  };
  EXPECT_EXIT((handle(SIG_DFL), inChild()), testing::KilledBySignal(SIGBUS), "");
}

TEST_F(FileSafetyTest, SignalsThatAreSentGoThereToo) {
  auto inChild = [&](void (*before)(int)) {
    handle(before);
    Artifact artifact = Artifact::open(path, ArtifactOptions().guard(true)).value();
    raise(SIGBUS);
    Session session = artifact.session().value();
    truncateFile();
    _exit(session.run().code() == StatusCode::data_loss ? 5 : 6);
  };
  EXPECT_EXIT(inChild(SIG_DFL), testing::KilledBySignal(SIGBUS), "");
  EXPECT_EXIT(inChild(SIG_IGN), testing::ExitedWithCode(5), "");
}

void (*currentHandler())(int, siginfo_t *, void *) {
  struct sigaction action = {};
  sigaction(SIGBUS, nullptr, &action);
  return action.sa_flags & SA_SIGINFO ? action.sa_sigaction : nullptr;
}

TEST_F(FileSafetyTest, TheLastGuardLeavesNoHandler) {
  struct sigaction action = {}, before = {};
  action.sa_sigaction = exitWith42;
  action.sa_flags = SA_SIGINFO;
  sigaction(SIGBUS, &action, &before);
  {
    Artifact first = Artifact::open(path, ArtifactOptions().guard(true)).value();
    EXPECT_NE(currentHandler(), exitWith42);
    Artifact second = Artifact::open(path, ArtifactOptions().guard(true)).value();
  }
  EXPECT_EQ(currentHandler(), exitWith42);
  {
    Artifact again = Artifact::open(path, ArtifactOptions().guard(true)).value();
    sigaction(SIGBUS, &action, nullptr); // The app's, over ours.
  }
  EXPECT_EQ(currentHandler(), exitWith42) << "which is not ours to take away";
  handle(SIG_DFL);
  {
    Artifact again = Artifact::open(path, ArtifactOptions().guard(true)).value();
    EXPECT_NE(currentHandler(), nullptr) << "the app took all handlers away";
  }
  EXPECT_EQ(currentHandler(), nullptr);
  sigaction(SIGBUS, &before, nullptr);
}

TEST_F(FileSafetyTest, GuardedRangesAreUsedAgain) {
  for (int round = 0; round < 3; ++round) {
    writeBytes(path, whole);
    ArtifactOptions guarded = ArtifactOptions().guard(true);
    detail::Mapping mapping = detail::Mapping::file(path.c_str(), guarded).value();
    EXPECT_TRUE(mapping.check().ok());
    ASSERT_EQ(truncate(path.c_str(), 0), 0);
    EXPECT_TRUE(mapping.check_guard().ok()) << "nothing was missed yet";
    EXPECT_EQ(mapping.data()[mapping.size() - 1], 0);
    EXPECT_FALSE(mapping.check_guard().ok());
  }
}

TEST_F(FileSafetyTest, PinsAreChecked) {
  std::string pin = detail::to_hex(detail::sha256(whole.data(), whole.size()));
  for (auto [load, weights] : {std::pair(Load::map, true), std::pair(Load::map, false),
                               std::pair(Load::copy, true), std::pair(Load::copy, false)}) {
    ArtifactOptions options = ArtifactOptions().load(load).map_weights(weights);
    EXPECT_TRUE(Artifact::open(path, options.sha256(pin)).ok());
    Status wrong = Artifact::open(path, options.sha256(std::string(64, 'a'))).status();
    EXPECT_EQ(wrong.code(), StatusCode::corrupt);
    EXPECT_NE(wrong.message().find(pin), std::string::npos) << wrong.message();
    EXPECT_EQ(Artifact::open(path, options.sha256("abc")).status().code(),
              StatusCode::invalid_argument);
  }
}

} // namespace
