//===- CompileData.cpp - The samples of one compile -----------------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "CompileData.h"

#include "compiler/driver/Samples.h"

using namespace llvm;
using nestor::learn::Dataset;
using nestor::support::NpyArray;
using nestor::support::NpzArchive;

namespace nestorc {
namespace {

/// Without --eval, agreement is measured with so many samples of --data.
constexpr int64_t kMeasuredOfData = 1000;

ExitStatus readArchive(StringRef flag, const std::string &path, NpzArchive &archive) {
  std::string problem = nestor::support::readNpz(path, archive);
  if (problem.empty())
    return ExitStatus::Ok;
  printError((flag + ": " + problem).str());
  return ExitStatus::Corrupt;
}

/// The first samples of every array but the labels.
NpzArchive firstSamples(const NpzArchive &archive) {
  NpzArchive first;
  for (const auto &[name, array] : archive) {
    if (name == "y")
      continue;
    NpyArray part{array.dtype, array.shape, {}};
    part.shape[0] = std::min(part.shape[0], kMeasuredOfData);
    size_t bytes = part.elements() * array.itemSize();
    part.data.assign(array.data.begin(), array.data.begin() + bytes);
    first.emplace_back(name, std::move(part));
  }
  return first;
}

class Reader {
public:
  Reader(const CompileArguments &arguments, mlir::func::FuncOp main)
      : arguments(arguments), main(main) {}

  ExitStatus read(StringRef flag, const std::string &path, NpzArchive &archive,
                  std::optional<Dataset> &samples) {
    if (ExitStatus status = readArchive(flag, path, archive); status != ExitStatus::Ok)
      return status;
    Expected<Dataset> found =
        nestor::driver::samplesFor(main, archive, arguments.nest.normalization);
    std::string problem = found ? "" : toString(found.takeError());
    if (problem.empty() && flag == "--eval")
      problem = checkCamera(archive);
    if (!problem.empty()) {
      printError((flag + ": " + path + ": " + problem).str());
      return ExitStatus::Usage;
    }
    samples = std::move(*found);
    return ExitStatus::Ok;
  }

private:
  /// The artifact can be given nothing but bytes where an input is uint8.
  std::string checkCamera(const NpzArchive &archive) {
    for (const nestor::driver::CameraInput &input : arguments.cameraInputs) {
      const NpyArray *array = nestor::support::findArray(archive, input.name);
      if (!array)
        array = nestor::support::findArray(archive, "x");
      if (array && array->dtype != "u1")
        return "'" + input.name +
               "' will take uint8 images (--uint8-input), so the samples must "
               "be uint8 too, not " +
               array->dtype;
    }
    return "";
  }

  const CompileArguments &arguments;
  mlir::func::FuncOp main;
};

/// Whether some array that is given to an input holds bytes.
bool hasBytes(const NpzArchive &archive) {
  return any_of(archive,
                [](const auto &entry) { return entry.first != "y" && entry.second.dtype == "u1"; });
}

} // namespace

ExitStatus readCompileData(const CompileArguments &arguments, mlir::func::FuncOp main,
                           CompileData &data) {
  const NestArguments &nest = arguments.nest;
  Reader reader(arguments, main);
  NpzArchive archive;
  bool bytes = false;
  if (!nest.data.empty()) {
    if (ExitStatus status = reader.read("--data", nest.data, archive, data.recovery);
        status != ExitStatus::Ok)
      return status;
    bytes = hasBytes(archive);
    data.measured = firstSamples(archive);
  }
  if (!nest.eval.empty()) {
    std::optional<Dataset> eval;
    if (ExitStatus status = reader.read("--eval", nest.eval, archive, eval);
        status != ExitStatus::Ok)
      return status;
    bytes |= hasBytes(archive);
    data.evalSamples = eval->size();
    data.evalSeen = data.recovery ? countShared(*eval, *data.recovery) : 0;
    data.measured = std::move(archive);
    data.heldOut = true;
  }
  if (nest.normalization && arguments.cameraInputs.empty() && !bytes) {
    printError("--scale, --mean, --std: the samples are floats already; they are for uint8 images");
    return ExitStatus::Usage;
  }
  return ExitStatus::Ok;
}

} // namespace nestorc
