//===- KernelTimer.cpp - Times kernels on this machine --------------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "compiler/tune/KernelTimer.h"

#include "compiler/learn/AlignedFloats.h"
#include "compiler/package/CodeImage.h"
#include "runtime/src/code_image.h"

#include "llvm/ADT/StringMap.h"
#include "llvm/Support/MathExtras.h"

#include <ctime>
#include <map>

using namespace llvm;
using namespace nestor::kernels;

namespace nestor::tune {
namespace {

/// How long the candidates of a subject take turns, and how often at least and at
/// most; and how long one of them runs until it is the turn of the next.
constexpr double kSubjectSeconds = 0.05, kTurnSeconds = 20e-6;
constexpr unsigned kLeastRounds = 3, kMostRounds = 25, kMostRepeats = 64;

using Function = void (*)(void *const *, const int64_t *, int64_t, int64_t);

double threadSeconds() {
  timespec now;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return double(now.tv_sec) + 1e-9 * double(now.tv_nsec);
}

int64_t extentOf(const KernelCall &call, size_t arg) {
  return call.args[arg].offsetBytes + evaluatePolynomial(call.spec.args[arg].bytes, call.params);
}

bool isWeight(const CallArg &arg) { return arg.kind == CallArg::Block; }

/// Floats of modest size: no kernel meets a denormal or an infinity.
learn::AlignedFloats filled(int64_t bytes) {
  learn::AlignedFloats memory(divideCeil(bytes, sizeof(float)));
  for (size_t i = 0; i < memory.size(); ++i)
    memory.data()[i] = float(i % 7) - 3;
  return memory;
}

/// Memory from which weights are taken piece by piece, round and round: until the
/// same piece is taken again it has left the caches that those of the network
/// would have left.
class WeightRing {
public:
  void reserve(int64_t bytes, WeightDistance distance) {
    size = std::max(bytes, beyond(distance));
    keepsPlace = distance == WeightDistance::Near;
    next = 0;
    if (size > int64_t(memory.size() * sizeof(float)))
      memory = filled(size);
  }
  /// Before each run of an operation.
  void begin() {
    if (keepsPlace)
      next = 0;
  }
  char *take(int64_t bytes) {
    if (next + bytes > size)
      next = 0;
    char *piece = reinterpret_cast<char *>(memory.data()) + next;
    next += int64_t(alignTo(bytes, 64));
    return piece;
  }

private:
  /// More than the cache has that such weights would be near in.
  static int64_t beyond(WeightDistance distance) {
    return distance == WeightDistance::Near  ? 0
           : distance == WeightDistance::Far ? 4 << 20
                                             : 64 << 20;
  }

  learn::AlignedFloats memory;
  int64_t size = 0, next = 0;
  bool keepsPlace = false;
};

/// The functions of all candidates, in the order of subjects, candidates, works
/// and calls.
class Functions {
public:
  Error compile(ArrayRef<Subject> subjects, mlir::MLIRContext &context);
  Function next() { return reinterpret_cast<Function>(image.function(entries[uses[position++]])); }

private:
  std::vector<size_t> uses; ///< Indices of entries.
  std::vector<uint64_t> entries;
  size_t position = 0;
  std::string elf;
  detail::CodeImage image;
};

Error Functions::compile(ArrayRef<Subject> subjects, mlir::MLIRContext &context) {
  std::vector<KernelSpec> specs;
  for (const Subject &subject : subjects)
    for (const Candidate &candidate : subject.candidates) {
      // Candidates may have different code under the same name.
      StringMap<size_t> known;
      for (const Work &work : candidate.works)
        for (const KernelCall &call : work.calls) {
          auto [entry, isNew] = known.try_emplace(call.spec.name, specs.size());
          uses.push_back(entry->second);
          if (!isNew)
            continue;
          specs.push_back(call.spec);
          specs.back().name += "_" + std::to_string(specs.size());
        }
    }
  auto images = package::buildCodeImages(specs, &hostTarget(), context);
  if (mlir::failed(images))
    return createStringError("the kernels to be timed cannot be compiled");
  elf = std::move(images->front().elf);
  entries = std::move(images->front().entries);
  Status status =
      image.load(reinterpret_cast<const uint8_t *>(elf.data()), elf.size(), /*fd=*/-1, 0);
  return status.ok() ? Error::success() : createStringError(status.message());
}

/// An operation with memory to run on.
class PreparedWork {
public:
  PreparedWork(const Work &work, Functions &functions) : count(work.count) {
    std::map<std::pair<int, unsigned>, int64_t> sizes; // By kind and index.
    for (const KernelCall &call : work.calls)
      for (auto [i, arg] : enumerate(call.args))
        if (!isWeight(arg))
          sizes[{arg.kind, arg.index}] = std::max(sizes[{arg.kind, arg.index}], extentOf(call, i));
    std::map<std::pair<int, unsigned>, int64_t> places;
    for (auto [buffer, size] : sizes) {
      places[buffer] = bytes;
      // Not a multiple of 4 KiB apart: reads would wait for writes there.
      bytes += int64_t(alignTo(size, 4096)) + 320;
    }
    for (const KernelCall &call : work.calls) {
      Step &step = steps.emplace_back(Step{functions.next(), &call, {}, 0, {}});
      step.grains = evaluatePolynomial(call.spec.grains, call.params);
      for (auto [i, arg] : enumerate(call.args)) {
        step.places.push_back(isWeight(arg) ? -1 : places[{arg.kind, arg.index}] + arg.offsetBytes);
        if (isWeight(arg))
          weights += int64_t(alignTo(extentOf(call, i), 64));
      }
      step.pointers.resize(call.args.size());
    }
  }

  int64_t activationBytes() const { return bytes; }
  int64_t weightBytes() const { return weights; }

  void place(char *activations) {
    for (Step &step : steps)
      for (auto [place, pointer] : zip(step.places, step.pointers))
        pointer = activations + std::max<int64_t>(place, 0);
  }

  /// Runs once, and decides how often a turn repeats it.
  void warmUp(WeightRing &ring) {
    double start = threadSeconds();
    run(ring);
    double once = std::max(threadSeconds() - start, 1e-9);
    repeats = unsigned(std::clamp(kTurnSeconds / once, 1.0, double(kMostRepeats)));
  }
  /// Microseconds of all operations of the kind.
  double turn(WeightRing &ring) {
    double start = threadSeconds();
    for (unsigned i = 0; i < repeats; ++i)
      run(ring);
    return 1e6 * count * (threadSeconds() - start) / repeats;
  }

private:
  struct Step {
    Function function;
    const KernelCall *call;
    SmallVector<int64_t> places; ///< In the activations; negative: weights.
    int64_t grains;
    SmallVector<void *> pointers;
  };
  void run(WeightRing &ring) {
    ring.begin();
    for (Step &step : steps) {
      for (auto [i, place] : enumerate(step.places))
        if (place < 0)
          step.pointers[i] = ring.take(extentOf(*step.call, i));
      step.function(step.pointers.data(), step.call->params.data(), 0, step.grains);
    }
  }

  unsigned count, repeats = 1;
  int64_t bytes = 0, weights = 0; ///< Of activations and of weights.
  std::vector<Step> steps;
};

using PreparedCandidate = std::vector<PreparedWork>;

Times timeSubject(MutableArrayRef<PreparedCandidate> candidates, WeightRing &weights) {
  for (PreparedCandidate &candidate : candidates)
    for (PreparedWork &work : candidate)
      work.warmUp(weights);
  Times times(candidates.size());
  double start = threadSeconds();
  for (unsigned round = 0; round < kMostRounds; ++round) {
    if (round >= kLeastRounds && threadSeconds() - start > kSubjectSeconds)
      break;
    for (auto [candidate, runs] : zip(candidates, times)) {
      double sum = 0;
      for (PreparedWork &work : candidate)
        sum += work.turn(weights);
      runs.push_back(sum);
    }
  }
  return times;
}

} // namespace

Expected<std::vector<Times>> KernelTimer::time(ArrayRef<Subject> subjects) {
  Functions functions;
  if (Error error = functions.compile(subjects, context))
    return error;
  WeightRing weights;
  learn::AlignedFloats activations;
  std::vector<Times> all;
  for (const Subject &subject : subjects) {
    std::vector<PreparedCandidate> candidates;
    int64_t activationBytes = 0, weightBytes = 0;
    for (const Candidate &candidate : subject.candidates) {
      PreparedCandidate &works = candidates.emplace_back();
      for (const Work &work : candidate.works) {
        works.emplace_back(work, functions);
        activationBytes = std::max(activationBytes, works.back().activationBytes());
        weightBytes = std::max(weightBytes, works.back().weightBytes());
      }
    }
    if (activationBytes > int64_t(activations.size() * sizeof(float)))
      activations = filled(activationBytes);
    weights.reserve(weightBytes, subject.weights);
    for (PreparedCandidate &candidate : candidates)
      for (PreparedWork &work : candidate)
        work.place(reinterpret_cast<char *>(activations.data()));
    all.push_back(timeSubject(candidates, weights));
  }
  return all;
}

} // namespace nestor::tune
