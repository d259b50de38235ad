//===- EmitObject.h - nestorc compile --emit object -------------*- C++ -*-===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
#ifndef NESTORC_EMITOBJECT_H
#define NESTORC_EMITOBJECT_H

#include "Commands.h"

namespace nestorc {

/// The header that belongs to the object `arguments.output`.
std::string headerPath(const CompileArguments &arguments);

/// Writes the object and its header: both or none. `codeBytes` is what the
/// object has besides manifest and weights.
ExitStatus writeObject(const CompileArguments &arguments,
                       const nestor::driver::CompileResult &result, uint64_t &fileBytes,
                       uint64_t &codeBytes);

} // namespace nestorc

#endif // NESTORC_EMITOBJECT_H
