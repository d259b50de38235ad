//===- nestor/nestor.hpp - The Nestor runtime -------------------*- C++ -*-===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
//
//   auto opened = nestor::Artifact::open("m.nest");
//   if (!opened.ok()) return report(opened.status());
//   auto created = opened.value().session(nestor::SessionOptions().threads(2));
//   if (!created.ok()) return report(created.status());
//   nestor::Session &session = created.value();
//   if (auto s = session.input("x").copy_from(pixels); !s.ok()) // std::vector<float>
//     return report(s);
//   if (auto s = session.run(); !s.ok()) return report(s);
//   const float *scores = session.output(0).data_as<float>();
//
//===----------------------------------------------------------------------===//
#ifndef NESTOR_NESTOR_HPP
#define NESTOR_NESTOR_HPP

#include "nestor/artifact.hpp"
#include "nestor/calibration.hpp"
#include "nestor/session.hpp"
#include "nestor/status.hpp"
#include "nestor/tensors.hpp"

#endif // NESTOR_NESTOR_HPP
