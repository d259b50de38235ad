//===- Compile.h - From an ONNX model to an artifact ------------*- C++ -*-===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
//
// The pipeline of `nestorc compile`, as a library: import, passes, plan,
// machine code, artifact. Nothing here prints or exits.
//
//===----------------------------------------------------------------------===//
#ifndef NESTOR_DRIVER_COMPILE_H
#define NESTOR_DRIVER_COMPILE_H

#include "compiler/driver/CameraInput.h"
#include "compiler/import/Import.h"
#include "compiler/learn/Nest.h"
#include "compiler/package/CodeImage.h"
#include "compiler/package/Plan.h"
#include "compiler/package/Writer.h"

#include "llvm/Support/MemoryBuffer.h"

#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace nestor::tune {
class Tuner;
}

namespace nestor::driver {

/// How a command ended: the exit codes of the command line.
enum class ExitStatus {
  Ok = 0,
  CheckFailed = 1, ///< A comparison came out wrong.
  Usage = 2,       ///< Flags or data that do not fit the model.
  Unsupported = 3, ///< A model that parses but cannot be compiled.
  Corrupt = 4,     ///< A file that cannot be read.
  Internal = 5,    ///< A bug of the compiler.
};

/// What to hand out: the IR to stop at, for people who debug the compiler, or a
/// form of the result.
enum class Stage {
  Import,   ///< As imported from ONNX.
  Optimize, ///< After all passes: what the plan is made of.
  Artifact,
  Object,   ///< For static linking; the compile is the same as for an artifact.
};

/// How much room weights may take to be faster.
enum class Optimize {
  Size,     ///< None: every weight is stored once, as it is.
  Balanced, ///< A quarter more, where that saves most time.
  Latency,  ///< Whatever is fastest.
};

/// What filters are stored in; arithmetic is of f32 in any case.
enum class WeightType { F32, F16, BF16 };

struct CompileOptions {
  import::ImportOptions import;
  std::vector<CameraInput> cameraInputs;
  std::vector<const kernels::TargetInfo *> targets; ///< Empty: this host.
  /// How capacities are made, with samples that fit the imported model
  /// (Samples.h); the default is the full capacity alone.
  learn::NestOptions nest;
  /// Fuse also what a cut lies between; the cut is then lost.
  bool fuseAcrossCuts = false;
  Optimize optimize = Optimize::Balanced;
  /// Whether convolutions may be computed by Winograd's or Strassen's algorithm,
  /// which round more and spread infinities to neighbours.
  bool winograd = true;
  WeightType weights = WeightType::F32;
  /// Measures what tables decide otherwise; null: the tables do.
  tune::Tuner *tuner = nullptr;
  /// Besides f32, a variant whose convolutions compute on bytes, with ranges that
  /// are measured on these samples of the imported model.
  const learn::Dataset *int8Samples = nullptr;
  /// How uint8 images became floats; stored in the artifact for `eval`.
  std::optional<learn::Normalization> normalization;
  Stage stopAt = Stage::Artifact;
  /// Called with the name of each stage as it begins.
  std::function<void(llvm::StringRef)> progress;
};

/// The same model in another precision; see VARIANT in runtime/format/artifact.proto.
struct CompiledVariant {
  std::string precision;
  mlir::OwningOpRef<mlir::ModuleOp> module; ///< As in CompileResult.
  package::Plan plan;
  std::vector<package::CodeImage> images;
};

/// A compiled model, or why there is none.
struct CompileResult {
  ExitStatus status = ExitStatus::Ok;
  std::string message;                          ///< For people, where status is not Ok.
  std::vector<import::Unsupported> unsupported; ///< Where status is Unsupported.
  std::vector<std::string> notes;               ///< What the user should know in any case.
  learn::NestReport nesting; ///< Without groups where there is one capacity.

  /// The module as far as it came; owns what `plan` refers to. The context is
  /// that of the caller.
  mlir::OwningOpRef<mlir::ModuleOp> module;
  package::Plan plan;
  std::vector<package::CodeImage> images;
  std::vector<CompiledVariant> variants;

  bool ok() const { return status == ExitStatus::Ok; }
};

/// A context with the dialects that a compile needs, all loaded.
std::unique_ptr<mlir::MLIRContext> createContext();

/// Imports an ONNX file, or reads a .mlir file of the nest dialect such as the
/// reproducer of an internal error.
import::ImportResult importModel(llvm::StringRef path, const CompileOptions &options,
                                 mlir::MLIRContext &context);

/// Compiles what was imported; where that failed, the result says so. In two
/// steps with `importModel` for those who choose options by the model.
CompileResult compileImported(import::ImportResult imported, const CompileOptions &options,
                              mlir::MLIRContext &context);

/// Both steps.
CompileResult compileFile(llvm::StringRef path, const CompileOptions &options,
                          mlir::MLIRContext &context);

/// Compiles an ONNX model in memory; `directory` is where external data lies.
CompileResult compileBytes(llvm::StringRef bytes, llvm::StringRef directory,
                           const CompileOptions &options, mlir::MLIRContext &context);

/// Compiles `func.func @main` of a module.
CompileResult compileModule(mlir::OwningOpRef<mlir::ModuleOp> module,
                            const CompileOptions &options, mlir::MLIRContext &context);

/// The variants of `result`, which must be ok, as artifacts in `memory`.
std::vector<package::Variant>
variantsOf(CompileResult &result, std::vector<std::unique_ptr<llvm::MemoryBuffer>> &memory);

/// The artifact in memory, aligned so that the runtime opens it in place.
/// `result` must be ok.
std::unique_ptr<llvm::MemoryBuffer> toMemory(CompileResult &result);

} // namespace nestor::driver

#endif // NESTOR_DRIVER_COMPILE_H
