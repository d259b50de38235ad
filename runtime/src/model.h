//===- model.h - What an Artifact shares with its sessions ---- -*- C++ -*-===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
#ifndef NESTOR_SRC_MODEL_H
#define NESTOR_SRC_MODEL_H

#include "code_image.h"
#include "manifest.h"
#include "mapping.h"
#include "nestor/artifact.hpp"
#include "selection.h"

namespace nestor::detail {

/// An opened artifact. Immutable once `open` has succeeded.
class Model {
public:
  /// `name` is what messages call the file; of one that was opened by its path,
  /// the path.
  Status open(Mapping mapping, const ArtifactOptions &options, std::string name);

  /// Checks the hash of one section, or of all.
  Status verify_section(const nestor_format_Section &section) const;
  Status verify_sections() const;

  /// See Artifact::release_unused.
  void release_unused() const;

  std::string name;
  ArtifactOptions options;
  bool openedByPath = false;
  /// How many bytes the pin is of. 0 at `open`: all of the file's.
  uint64_t pinnedBytes = 0;
  Mapping file;
  ManifestOwner manifest;

  CodeImage code;
  uint32_t target = 0;   ///< Index of the target that `code` is for.
  Status codeStatus;     ///< Why there is no code to run, if so.

  std::string modelName, producer;
  std::vector<TensorInfo> inputs, outputs;
  std::vector<CapacityInfo> capacities;
  std::vector<CodeTarget> targets;
  std::vector<SectionInfo> sections;
  std::vector<GroupInfo> groups;
  std::vector<WholeInfo> whole;
  Normalization dataNormalization;
  CapacityUse use;

private:
  Status open_named();
  Status check_pin();
  void drop_weights();
  void describe();
  void describe_memory();
  void describe_groups();
  Status select_target(const std::string &wanted);
  Status load_code(const std::string &wanted);
};

} // namespace nestor::detail

#endif // NESTOR_SRC_MODEL_H
