# Part of Nestor. SPDX-License-Identifier: Apache-2.0
"""Quantised operators: nearest even, then saturation."""

import numpy as np

from cases import Case, f32

x = f32([[-1.0, -0.26, 0.0, 0.24], [0.74, 1.26, 100, -100]])
for opset in (19, 21):
    scale, zero = np.float32(0.5), np.uint8(128)
    q = np.clip(np.rint(x / scale) + 128, 0, 255).astype(np.uint8)
    Case("uint8", "QuantizeLinear", opset, [x, scale, zero], [q])
    Case("uint8", "DequantizeLinear", opset, [q, scale, zero], [(q.astype(np.float32) - 128) * scale])
    scales, zeros = f32([0.5, 0.25]), np.array([1, -3], np.int8)
    q = np.clip(np.rint(x / scales[:, None]) + zeros[:, None], -128, 127).astype(np.int8)
    Case("axis", "QuantizeLinear", opset, [x, scales, zeros], [q], axis=0)
    Case("axis", "DequantizeLinear", opset, [q, scales, zeros],
         [f32((q.astype(np.int32) - zeros[:, None]) * scales[:, None])], axis=0)
fine = np.float32(0.001)
q = np.clip(np.rint(x / fine), -32768, 32767).astype(np.int16)
Case("int16", "QuantizeLinear", 21, [x, fine, np.int16(0)], [q])
Case("int16", "DequantizeLinear", 21, [q, fine, np.int16(0)], [q.astype(np.float32) * fine])

a, b = np.array([[1, 200], [30, 4]], np.uint8), np.array([[5, 6, 7], [80, 9, 255]], np.uint8)
real = (a.astype(np.int32) - 2) @ (b.astype(np.int32) - 4) * (0.5 * 0.25 / 8)
Case("", "QLinearMatMul", 21,
     [a, np.float32(0.5), np.uint8(2), b, np.float32(0.25), np.uint8(4), np.float32(8), np.uint8(100)],
     [np.clip(np.rint(real) + 100, 0, 255).astype(np.uint8)])
