//===- refresh.cpp - A file that has grown --------------------------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
#include "error.h"
#include "model.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <sys/stat.h>

namespace nestor {

using namespace detail;

static Status became_shorter(uint64_t now, uint64_t before) {
  return error(StatusCode::data_loss,
               "the file has become shorter: %llu bytes, %llu when it was opened",
               static_cast<unsigned long long>(now), static_cast<unsigned long long>(before));
}

/// The bytes that the file has now.
static Result<Mapping> map_again(const Model &old) {
  if (old.openedByPath)
    return Mapping::file(old.name.c_str(), old.options);
  Result<uint64_t> size = regular_file_size(old.file.fd());
  if (!size.ok())
    return size.status();
  uint64_t offset = old.file.file_offset();
  if (size.value() < offset + old.file.size())
    return became_shorter(size.value(), offset + old.file.size());
  // What follows the artifact in a package is not ours.
  uint64_t length = std::min(old.manifest.file_size(), size.value() - offset);
  return Mapping::range(old.file.fd(), offset, length, old.options);
}

static bool same_file(const Mapping &a, const Mapping &b) {
  struct stat first, second;
  return fstat(a.fd(), &first) == 0 && fstat(b.fd(), &second) == 0 &&
         first.st_dev == second.st_dev && first.st_ino == second.st_ino;
}

/// Opens the new bytes, which must be what the old model was opened from and
/// more.
static Result<std::shared_ptr<const Model>> open_again(const Model &old, Mapping mapping) {
  if (mapping.size() < old.file.size())
    return became_shorter(mapping.size(), old.file.size());
  // Of the same file, the old shells were there all the time.
  uint32_t firstNew = same_file(old.file, mapping) ? old.manifest.shells() : 0;
  auto model = std::make_shared<Model>();
  model->openedByPath = old.openedByPath;
  model->pinnedBytes = old.pinnedBytes;
  NESTOR_RETURN_IF_ERROR(model->open(std::move(mapping), old.options, old.name));
  if (model->manifest.hash() != old.manifest.hash() ||
      model->manifest.file_size() != old.manifest.file_size())
    return error(StatusCode::data_loss,
                 "the file was replaced by another artifact; open it with Artifact::open");
  for (uint32_t shell = firstNew; shell < model->manifest.shells(); ++shell)
    NESTOR_RETURN_IF_ERROR(model->verify_section(
        *find_section(*model->manifest, nestor_format_SectionKind_WEIGHTS, shell)));
  return std::shared_ptr<const Model>(std::move(model));
}

Result<Artifact> Artifact::refresh() const {
  if (model_->file.fd() < 0)
    return error(StatusCode::invalid_argument, "an artifact in memory has no file to read again; "
                                               "open the new bytes with Artifact::open");
  Result<Mapping> mapping = map_again(*model_);
  if (!mapping.ok())
    return with_prefix(model_->name, mapping.status());
  auto model = open_again(*model_, std::move(mapping).value());
  return model.ok() ? Result<Artifact>(Artifact(std::move(model).value()))
                    : with_prefix(model_->name, model.status());
}

} // namespace nestor
