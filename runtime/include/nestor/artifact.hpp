//===- nestor/artifact.hpp - An opened .nest file ---------------*- C++ -*-===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
#ifndef NESTOR_ARTIFACT_HPP
#define NESTOR_ARTIFACT_HPP

#include "nestor/status.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

struct nestor_embedded;

namespace nestor {

class Calibration;
class CalibrationOptions;
class Session;
class SessionOptions;
enum class TensorEncoding : uint8_t;
struct CapacityGoal;
namespace detail {
class Model;
}

/// Element types of inputs and outputs. `boolean` is one byte, 0 or 1.
enum class DType : uint8_t {
  float32 = 1, float64, float16, bfloat16,
  int8, int16, int32, int64,
  uint8, uint16, uint32, uint64,
  boolean,
};

/// Bytes of one element.
NESTOR_API size_t size_of(DType type);
/// Spelling of numpy: "float32", "uint8", "bool", ...
NESTOR_API const char *to_string(DType type);

/// How the plan turns a uint8 input into floats: (x * scale - mean[c]) / std[c],
/// with one mean and std for all channels or one a channel.
struct Normalization {
  float scale = 1;
  std::vector<float> mean;
  std::vector<float> std;
};

/// An input or an output: dense, row-major, fixed shape.
struct TensorInfo {
  std::string name;
  DType dtype = DType::float32;
  std::vector<int64_t> dims; ///< Empty for a scalar.
  size_t bytes = 0;
  bool has_normalization = false; ///< uint8 inputs only.
  Normalization normalization;
};

/// One size of the model. The last one is the full model.
struct CapacityInfo {
  float capacity = 1;         ///< Fraction of the full model's MACs.
  uint64_t macs = 0;          ///< Multiply-accumulates of one run.
  uint64_t weight_bytes = 0;  ///< Shared weights that it reads.
  uint64_t private_bytes = 0; ///< Bytes that only it reads.
  uint64_t delta_bytes = 0;   ///< What it reads of the file beyond the next smaller one.
  uint64_t arena_bytes = 0;   ///< Activations and scratch of one session.
  uint64_t file_bytes = 0;    ///< Where the file may end and still open with this capacity.
  /// What one session keeps in memory once it has run: code, weights of this
  /// capacity and the smaller ones, activations, inputs and outputs. Further
  /// sessions share the code and the weights.
  uint64_t resident_bytes = 0;
  bool has_accuracy = false;
  float accuracy = 0;         ///< Top-1 measured at compile time, 0 to 1.
  bool has_agreement = false;
  float agreement = 0;        ///< Share of samples with the original's top-1.
  float requested = 1;        ///< The fraction that was asked for.
  float latency_us = 0;       ///< On the compiling host, one thread; 0: not stored.
  std::vector<std::string> skipped; ///< Residual blocks that it leaves out.
  /// What it scales the input to before anything else, one extent a spatial
  /// dimension; empty: it computes on the input as it is.
  std::vector<uint32_t> input_extents;
};

/// Channels that shrink together.
struct GroupInfo {
  std::string name;             ///< The ONNX node that makes them.
  uint32_t channels = 0;
  bool stream = false;          ///< On a residual connection.
  std::vector<uint32_t> widths; ///< Channels that each capacity of the complete file keeps.
};

/// Why the channels of a node do not shrink.
struct WholeInfo {
  std::string node;
  std::string reason;
};

/// One image of machine code and what a CPU needs to run it.
struct CodeTarget {
  std::string name;                  ///< x86-64-v3, aarch64+neon, ...
  std::string arch;                  ///< x86_64, aarch64.
  std::vector<std::string> features; ///< LLVM spelling: avx2, fma, ...
  bool runnable = false;             ///< This CPU has all of them.
  bool selected = false;             ///< Sessions run this one.
};

/// A range of the file.
struct SectionInfo {
  std::string name;
  uint64_t offset = 0;
  uint64_t bytes = 0;
};

/// What a kernel's pointer argument points into.
enum class Space : uint8_t { arena = 1, weights, input, output };

struct StepArgInfo {
  Space space = Space::arena;
  uint32_t index = 0;  ///< Of the shell, input or output.
  uint64_t offset = 0; ///< From its start.
  uint64_t bytes = 0;  ///< That the kernel may touch.
  bool written = false;
};

/// One kernel call of a plan.
struct StepInfo {
  std::string kernel;    ///< Symbol.
  std::string signature; ///< What it computes, for people.
  uint32_t layer = 0;    ///< Index into PlanInfo::layers.
  std::vector<StepArgInfo> args; ///< Empty where the step does not fit its kernel.
};

/// What steps stand for in the ONNX model.
struct LayerInfo {
  std::string name; ///< ONNX node names, " + " between fused ones.
  std::string op;   ///< Conv, Conv+Add+Relu, ...
  uint64_t macs = 0;
};

struct PlanInfo {
  std::vector<StepInfo> steps;
  std::vector<LayerInfo> layers;
};

/// What kind of work kernel calls do, for models of how long they take.
enum class WorkKind : uint8_t {
  other, ///< Data movement, resizing, sorting, ...
  conv,
  depthwise,
  matmul, ///< Fully connected layers too.
  recurrent,
  elementwise,
  pool, ///< Pooling, reductions, normalisation, softmax.
};

/// "conv", "matmul", ...
NESTOR_API const char *to_string(WorkKind kind);

struct WorkInfo {
  WorkKind kind = WorkKind::other;
  uint64_t macs = 0;
  uint32_t steps = 0; ///< Kernel calls.
};

/// A range of the file that holds weights.
struct WeightRange {
  uint32_t shell = 0;  ///< Capacities up to number `shell` need it.
  uint64_t offset = 0; ///< In the file.
  uint64_t bytes = 0;
};

/// A part of a plan between two cuts. Every capacity has the same blocks; one
/// that belongs to a residual block that a capacity leaves out has no work.
struct BlockInfo {
  uint32_t index = 0;
  uint32_t steps = 0; ///< Kernel calls in this file: 0 where it lacks the block.
  uint64_t macs = 0;
  uint64_t weight_bytes = 0;     ///< That it reads, those of several blocks included.
  uint64_t activation_bytes = 0; ///< Of the arena, alive at its fullest step.
  std::vector<WorkInfo> work;    ///< Kinds that occur, ascending.
  /// What the file has for this block alone, one range a shell that the
  /// capacity reads.
  std::vector<WeightRange> weights;
};

/// Blocks [first, end).
struct BlockRange {
  uint32_t first = 0;
  uint32_t end = 0;
};

/// A tensor that is alive at a cut. Dense; images lie channels last.
struct LiveTensorInfo {
  std::string name; ///< ONNX node that computes it, or the model's input or output.
  DType dtype = DType::float32;
  std::vector<int64_t> dims;
  size_t bytes = 0;
};

/// Where a run may be split: between blocks `index - 1` and `index`.
struct CutInfo {
  uint32_t index = 0;
  std::string name; ///< ONNX node behind which it lies; empty for the first.
  uint64_t live_bytes = 0;
  uint64_t live_bytes_f16 = 0;  ///< With floats as halves; other types as they are.
  uint64_t live_bytes_int8 = 0; ///< With floats as one byte each.
  uint64_t macs_before = 0;
  uint64_t macs_after = 0;
  uint64_t front_bytes = 0; ///< Most activation bytes of any block before it.
  uint64_t back_bytes = 0;  ///< And behind it.
  /// An earlier cut of the full capacity has no more live bytes, so that a
  /// faster peer makes that one better.
  bool dominated = false;
  bool single_tensor = false;
  /// Of the first cut the inputs, of the last one the outputs. Outputs that are
  /// written before a cut are alive there.
  std::vector<LiveTensorInfo> live;
};

/// Head and tail of different capacities that were measured together at a cut.
/// Where the tail has fewer channels there than the head, it reads the first ones;
/// where it has more, the others are zero.
struct MixedInfo {
  float head = 1; ///< Capacities.
  float tail = 1;
  uint32_t cut = 0;
  float accuracy = 0; ///< Top-1, or without labels the agreement with the full capacity.
};

/// How much of a file `Artifact::open` checks.
enum class Verify : uint8_t {
  code, ///< Header, manifest and the selected code image; weights stay untouched.
  all,  ///< Every byte that has a hash.
};

/// Where the bytes of a file are while an artifact is open.
enum class Load : uint8_t {
  map,  ///< In a mapping: read when touched, shared by processes.
  copy, ///< In memory of their own: what happens to the file later does not matter.
};

class ArtifactOptions {
public:
  ArtifactOptions &verify(Verify what) { return verify_ = what, *this; }
  /// Runs the code of the named target instead of the best one for this CPU.
  ArtifactOptions &target(std::string name) { return target_ = std::move(name), *this; }

  ArtifactOptions &load(Load how) { return load_ = how, *this; }
  /// Without its weights a mapped artifact takes no more address space than
  /// manifest and code: for sessions with a memory budget, which read them. A
  /// copy has them in any case; there this changes nothing.
  ArtifactOptions &map_weights(bool on) { return mapWeights_ = on, *this; }
  /// What to do about a file that is truncated during a run. (Between runs it is
  /// noticed anyway: by those that begin a clock tick, 10 ms at most, after the
  /// session's last look at it. Replacing it by rename does no harm.) Without a guard
  /// the process gets SIGBUS. With one, the run fails with `data_loss`: the first
  /// guarded artifact installs a handler for SIGBUS in this process, which passes
  /// on what is not about guarded files. A handler that the app installs later
  /// must do the same. Weights that a session with a memory budget reads give
  /// `data_loss` either way; there a guard is for manifest and code.
  ArtifactOptions &guard(bool on) { return guard_ = on, *this; }
  /// Opens the file only if this is the SHA-256 of all of its bytes, 64
  /// hexadecimal digits. Where others may write the file, use `Load::copy` too:
  /// pages of a mapping may be read after they were hashed, and sessions with a
  /// memory budget read weights anew.
  ArtifactOptions &sha256(std::string hex) { return sha256_ = std::move(hex), *this; }

  Verify verify() const { return verify_; }
  const std::string &target() const { return target_; }
  Load load() const { return load_; }
  bool map_weights() const { return mapWeights_; }
  bool guard() const { return guard_; }
  const std::string &sha256() const { return sha256_; }

private:
  bool mapWeights_ = true;
  Verify verify_ = Verify::code;
  std::string target_;
  Load load_ = Load::map;
  bool guard_ = false;
  std::string sha256_;
};

/// An opened artifact: immutable and thread-safe. Copies share the mapping,
/// which lives as long as the last copy or session; so does an open file.
///
/// Native code in the file is trusted like a shared library. Everything else
/// is not: a file that is truncated, damaged or made to deceive yields an
/// error here or in `session`, never a crash.
class NESTOR_API Artifact {
public:
  /// Maps a file.
  static Result<Artifact> open(const std::string &path,
                               const ArtifactOptions &options = {});
  /// Maps a range of an open file, such as an uncompressed entry of an app
  /// package. Its offset must be a multiple of 64. `fd` may be closed afterwards.
  static Result<Artifact> open(int fd, uint64_t offset, uint64_t length,
                               const ArtifactOptions &options = {});
  /// Uses an artifact in memory in place. The memory starts at a multiple of
  /// 64, and stays alive and unchanged for as long as the last copy or session.
  static Result<Artifact> open(const void *data, size_t size,
                               const ArtifactOptions &options = {});
  /// Uses a model that is linked into the program (nestor/embedded.hpp): no
  /// file, and no memory that is mapped executable.
  static Result<Artifact> open(const nestor_embedded &embedded,
                               const ArtifactOptions &options = {});

  /// Makes a session, after checking every kernel call of its plans against
  /// the buffers that the call touches. Sessions share all weights.
  Result<Session> session(const SessionOptions &options) const;
  Result<Session> session() const;

  const std::string &model_name() const; ///< Name of the ONNX graph.
  const std::string &producer() const;   ///< The compiler and its version.
  const std::vector<TensorInfo> &inputs() const;
  const std::vector<TensorInfo> &outputs() const;
  const std::vector<CapacityInfo> &capacities() const; ///< Ascending.
  const std::vector<CodeTarget> &targets() const;
  const std::vector<SectionInfo> &sections() const;
  const std::vector<GroupInfo> &groups() const;
  const std::vector<WholeInfo> &whole() const;
  /// How compile turned uint8 samples into floats; null if it did not.
  const Normalization *data_normalization() const;
  uint64_t file_bytes() const;
  /// Address space taken by the file and the code, in bytes.
  uint64_t mapped_bytes() const;
  /// False when the file ends before its last capacities.
  bool complete() const;

  /// The kernel calls of `capacities()[index]`; empty beyond the last one.
  PlanInfo plan(size_t index) const;
  /// Blocks of `capacities()[index]` in the order in which they run, and the
  /// cuts around them: one more, number c in front of block c. Both are empty
  /// beyond the last capacity and for files that cannot be cut.
  std::vector<BlockInfo> blocks(size_t index) const;
  std::vector<CutInfo> cuts(size_t index) const;
  /// Which capacities a tail may go on with that are not its head's, and what that
  /// is worth: what `nestorc compile --mixed` has measured.
  std::vector<MixedInfo> mixed() const;
  /// The blocks that can run: all, unless `nestorc trim --blocks` left some out.
  BlockRange present_blocks() const;
  /// Room for the tensors alive at a cut as a stream (nestor/tensors.hpp), at
  /// any capacity.
  Result<uint64_t> stream_bytes(uint32_t cut, TensorEncoding encoding) const;
  /// The smallest memory budget of a session with this capacity (within 1e-3 of
  /// a stored one) and of one with the default, which needs most.
  Result<uint64_t> minimum_budget(float capacity = 1) const;
  /// Checks the hash of every section, weights included.
  Status verify() const;

  /// The same model in another precision, "int8" where it was compiled with
  /// `--precision f32,int8`: an artifact with the same inputs, outputs and
  /// capacities. Its code and weights are touched only through it. Of an artifact
  /// in memory it is a part, so that memory must stay. Opened as this one was, or
  /// as `options` say. `not_found` without one, `corrupt` where the file ends
  /// before it.
  Result<Artifact> variant(const std::string &precision) const;
  Result<Artifact> variant(const std::string &precision, const ArtifactOptions &options) const;
  /// The same artifact with the capacities that have arrived in its file since:
  /// for a file that grows while a download appends to it, or is renamed over.
  /// The new shells are checked against their hashes; of a pinned artifact, the
  /// bytes that were pinned are checked again. This one and its sessions stay as
  /// they are. `data_loss` when the file is shorter now, or another artifact;
  /// `invalid_argument` for an artifact in memory.
  Result<Artifact> refresh() const;
  /// Gives back the memory of weights that only capacities read which no session
  /// of this artifact has selected or is upgrading to. Their pages come back when
  /// they are read again, so that calling this at any moment, from any thread, is
  /// safe. Takes system calls: call it beside the work, not in it. Only a mapped
  /// file can give back anything.
  void release_unused() const;

  /// The best capacity that meets all parts of the goal, for `set_capacity`: the
  /// most accurate, or where accuracy is not stored, the one that agrees most
  /// with the original model, or else the largest. Latencies are those of the
  /// compiling host, or of `calibration`, which must be of this artifact.
  /// `not_found` names the parts that fail and what comes closest.
  Result<float> choose_capacity(const CapacityGoal &goal) const;
  Result<float> choose_capacity(const CapacityGoal &goal, const Calibration &calibration) const;
  /// Measures every capacity on this device, on inputs of zeros. Takes a few
  /// times `CalibrationOptions::seconds`.
  Result<Calibration> calibrate(const CalibrationOptions &options) const;
  Result<Calibration> calibrate() const;

private:
  explicit Artifact(std::shared_ptr<const detail::Model> model);
  std::shared_ptr<const detail::Model> model_;
};

} // namespace nestor

#endif // NESTOR_ARTIFACT_HPP
