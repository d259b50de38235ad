# Part of Nestor. SPDX-License-Identifier: Apache-2.0
"""Element-wise operators: activations, trigonometry, casts, bits, tests."""

import math

import numpy as np
from onnx import TensorProto

from cases import Case, f32, random

x = random("elementwise", 2, 3, 4)
x64 = x.astype(np.float64)
erf = np.vectorize(math.erf)
softplus = np.log1p(np.exp(x64))

# Activations with their default attributes at 22, and given ones.
Case("", "Elu", 22, [x], [f32(np.where(x64 < 0, np.expm1(x64), x64))])
Case("alpha", "Elu", 22, [x], [f32(np.where(x64 < 0, 0.5 * np.expm1(x64), x64))], alpha=0.5)
SELU_ALPHA, SELU_GAMMA = 1.67326319217681884765625, 1.05070102214813232421875
Case("", "Selu", 22, [x], [f32(SELU_GAMMA * np.where(x64 < 0, SELU_ALPHA * np.expm1(x64), x64))])
Case("", "HardSigmoid", 22, [x], [f32(np.clip(0.2 * x64 + 0.5, 0, 1))])
Case("attributes", "HardSigmoid", 22, [x], [f32(np.clip(0.5 * x64 + 0.25, 0, 1))], alpha=0.5, beta=0.25)
Case("", "HardSwish", 22, [x * 3], [f32(x64 * 3 * np.clip(x64 * 3 / 6 + 0.5, 0, 1))])
Case("", "Softplus", 22, [x], [f32(softplus)])
Case("", "Softsign", 22, [x], [f32(x64 / (1 + np.abs(x64)))])
Case("", "ThresholdedRelu", 22, [x], [np.where(x > 0.5, x, 0).astype(np.float32)], alpha=0.5)
for opset in (18, 22):
    Case("", "Mish", opset, [x], [f32(x64 * np.tanh(softplus))])
Case("", "Gelu", 20, [x], [f32(0.5 * x64 * (1 + erf(x64 / math.sqrt(2))))])
Case("tanh", "Gelu", 20, [x],
     [f32(0.5 * x64 * (1 + np.tanh(math.sqrt(2 / math.pi) * (x64 + 0.044715 * x64**3))))], approximate="tanh")
Case("", "Dropout", 22, [x], [x])

# Trigonometry, inside each domain.
unit, above_one = x / 2.5, np.abs(x) + 1.25
for op, values, function in (
    ("Acos", unit, np.arccos), ("Acosh", above_one, np.arccosh), ("Asin", unit, np.arcsin),
    ("Asinh", x, np.arcsinh), ("Atan", x, np.arctan), ("Atanh", unit, np.arctanh), ("Cos", x, np.cos),
    ("Cosh", x, np.cosh), ("Sin", x, np.sin), ("Sinh", x, np.sinh), ("Tan", unit, np.tan),
):
    Case("", op, 22, [values], [f32(function(values.astype(np.float64)))])
Case("", "Round", 22, [f32([0.5, 1.5, 2.5, -0.5, -1.5, -2.3, 1.7])], [f32([0, 2, 2, -0.0, -2, -2, 2])])

# Tests and comparisons.
special = f32([1, np.nan, np.inf, -np.inf, 0, -7])
Case("", "IsNaN", 20, [special], [np.array([0, 1, 0, 0, 0, 0], bool)])
Case("", "IsInf", 20, [special], [np.array([0, 0, 1, 1, 0, 0], bool)])
Case("positive", "IsInf", 20, [special], [np.array([0, 0, 1, 0, 0, 0], bool)], detect_negative=0)
Case("negative", "IsInf", 20, [special], [np.array([0, 0, 0, 1, 0, 0], bool)], detect_positive=0)
Case("int64", "Equal", 19, [np.array([[1, 2], [3, 4]], np.int64), np.array([1, 4], np.int64)],
     [np.array([[1, 0], [0, 1]], bool)])
Case("bool", "Equal", 19, [np.array([0, 0, 1, 1], bool), np.array([0, 1, 0, 1], bool)],
     [np.array([1, 0, 0, 1], bool)])

# Bits.
a, b = np.array([[0b1100, 7, -1]], np.int32), np.array([[0b1010], [0x7F]], np.int32)
Case("", "BitwiseAnd", 18, [a, b], [np.array([[8, 2, 10], [12, 7, 127]], np.int32)])
Case("", "BitwiseOr", 18, [a, b], [np.array([[14, 15, -1], [127, 127, -1]], np.int32)])
Case("", "BitwiseXor", 18, [a, b], [np.array([[6, 13, -11], [115, 120, -128]], np.int32)])
Case("", "BitwiseNot", 18, [a], [np.array([[-13, -8, 0]], np.int32)])
Case("uint8", "BitwiseNot", 18, [np.array([0, 1, 255], np.uint8)], [np.array([255, 254, 0], np.uint8)])
Case("uint64", "BitwiseAnd", 18, [np.array([2**64 - 1], np.uint64), np.array([2**63 + 5], np.uint64)],
     [np.array([2**63 + 5], np.uint64)])

# Casts: floats to integers truncate, anything but zero is true.
numbers = f32([-2.7, -0.5, 0, 0.5, 1, 2.7])
for opset in (19, 21):
    Case("to-int32", "Cast", opset, [numbers], [np.array([-2, 0, 0, 0, 1, 2], np.int32)], to=TensorProto.INT32)
    Case("to-bool", "Cast", opset, [numbers], [np.array([1, 1, 0, 1, 1, 1], bool)], to=TensorProto.BOOL)
    Case("to-double", "Cast", opset, [np.array([200, 0, 255], np.uint8)], [np.array([200, 0, 255], np.float64)],
         to=TensorProto.DOUBLE)
    Case("to-float16", "Cast", opset, [f32([1.0009765625, 65504, 1e6, 2**-24])],
         [np.array([1.0009765625, 65504, np.inf, 2**-24], np.float16)], to=TensorProto.FLOAT16)
    Case("", "CastLike", opset, [numbers, np.array([1], np.int64)], [np.array([-2, 0, 0, 0, 1, 2], np.int64)])
