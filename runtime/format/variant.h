//===- variant.h - The same model in another precision ----------*- C++ -*-===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
//
// A variant is a whole .nest artifact (header, manifest, code, shells, graph) in
// a section of another one, named after its precision: "int8". It has the same
// inputs, outputs and capacities, and code and shells of its own. So a session in
// one precision touches nothing of another, a variant can be opened like any range
// of a file, and readers that know no variants skip the section. It lies behind
// the shells: a file that ends before or in it has the others whole.
//
//===----------------------------------------------------------------------===//
#ifndef NESTOR_FORMAT_VARIANT_H
#define NESTOR_FORMAT_VARIANT_H

#include <cstdint>

namespace nestor::format {

/// The kind of such a section (Section.kind); `index` counts them.
inline constexpr uint32_t kVariantSection = 4;

} // namespace nestor::format

#endif // NESTOR_FORMAT_VARIANT_H
