//===- embedded.cpp - Opening a model that is linked in -------------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
#include "nestor/embedded.hpp"
#include "error.h"
#include "model.h"

namespace nestor {

using namespace detail;

Result<Artifact> Artifact::open(const Embedded &embedded, const ArtifactOptions &options) {
  const char *name = "embedded model";
  if (embedded.version != NESTOR_EMBEDDED_VERSION)
    return error(StatusCode::incompatible,
                 "%s: it has version %u, this library reads %u: compile the model with the nestorc "
                 "of this release",
                 name, embedded.version, unsigned{NESTOR_EMBEDDED_VERSION});
  if (!embedded.artifact || !embedded.kernels)
    return error(StatusCode::invalid_argument, "%s: artifact or kernels is null", name);
  auto model = std::make_shared<Model>();
  model->code.link(embedded.kernels, embedded.kernel_count);
  NESTOR_RETURN_IF_ERROR(
      model->open(Mapping::memory(embedded.artifact, embedded.artifact_bytes), options, name));
  return Artifact(std::shared_ptr<const Model>(std::move(model)));
}

} // namespace nestor
