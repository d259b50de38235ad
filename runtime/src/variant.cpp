//===- variant.cpp - The same model in another precision ------------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
#include "error.h"
#include "manifest.h"
#include "model.h"

#include <algorithm>
#include <memory>
#include <string>
#include <utility>

namespace nestor {

using namespace detail;

static const nestor_format_Section *find_variant(const Manifest &manifest,
                                                 const std::string &precision) {
  for (pb_size_t i = 0; i < manifest.sections_count; ++i)
    if (raw(manifest.sections[i].kind) == nestor_format_SectionKind_VARIANT &&
        precision == text(manifest.sections[i].name))
      return &manifest.sections[i];
  return nullptr;
}

Result<Artifact> Artifact::variant(const std::string &precision) const {
  ArtifactOptions options = model_->options;
  options.sha256({}); // Where there is a pin, the variant's bytes are under it.
  return variant(precision, options);
}

Result<Artifact> Artifact::variant(const std::string &precision,
                                   const ArtifactOptions &options) const {
  const nestor_format_Section *section = find_variant(*model_->manifest, precision);
  if (!section)
    return error(StatusCode::not_found, "%s has no %.20s: compile it with --precision f32,%.20s",
                 model_->name.c_str(), precision.c_str(), precision.c_str());
  // Sections lie in the file as it should be; it may end early.
  uint64_t there = std::max(model_->file.size(), section->offset) - section->offset;
  if (there == 0)
    return error(StatusCode::corrupt, "%s: the file is cut and ends before its variant %.20s",
                 model_->name.c_str(), precision.c_str());
  uint64_t bytes = std::min(section->size, there);
  std::string name = model_->name + " (" + precision + ")";
  auto model = std::make_shared<Model>();
  Result<Mapping> mapping =
      model_->file.fd() < 0
          ? Result<Mapping>(Mapping::memory(model_->file.data() + section->offset, bytes))
          : Mapping::range(model_->file.fd(), model_->file.file_offset() + section->offset, bytes,
                           options);
  if (!mapping.ok())
    return with_prefix(name, mapping.status());
  NESTOR_RETURN_IF_ERROR(model->open(std::move(mapping).value(), options, std::move(name)));
  return Artifact(std::shared_ptr<const Model>(std::move(model)));
}

} // namespace nestor
