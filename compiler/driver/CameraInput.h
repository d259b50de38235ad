//===- CameraInput.h - uint8 images as inputs -------------------*- C++ -*-===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
#ifndef NESTOR_DRIVER_CAMERAINPUT_H
#define NESTOR_DRIVER_CAMERAINPUT_H

#include "mlir/Dialect/Func/IR/FuncOps.h"

#include <string>
#include <vector>

namespace nestor::driver {

/// An input that the application gives as uint8, channels last, and that the
/// model receives as (x * scale - mean) / std.
struct CameraInput {
  std::string name;
  float scale = 1;
  std::vector<float> mean{0}; ///< One value, or one a channel.
  std::vector<float> std{1};
};

/// Changes the input of `main` accordingly. A [N, 1|3|4, H, W] input becomes
/// [N, H, W, C]; one that has its channels last already only changes its type.
/// Fails with an error at `main` where the input cannot be an image.
mlir::LogicalResult applyCameraInput(mlir::func::FuncOp main, const CameraInput &input);

} // namespace nestor::driver

#endif // NESTOR_DRIVER_CAMERAINPUT_H
