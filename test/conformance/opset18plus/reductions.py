# Part of Nestor. SPDX-License-Identifier: Apache-2.0
"""Reductions with axes as an input, normalisations, losses."""

import numpy as np

from cases import Case, Constant, f32, random

x = random("reductions", 2, 3, 4)
x64 = x.astype(np.float64)
positive = np.abs(x64) + 0.5

REDUCTIONS = {
    "ReduceL1": lambda v, **k: np.abs(v).sum(**k),
    "ReduceL2": lambda v, **k: np.sqrt((v * v).sum(**k)),
    "ReduceLogSum": lambda v, **k: np.log(v.sum(**k)),
    "ReduceLogSumExp": lambda v, **k: np.log(np.exp(v).sum(**k)),
    "ReduceMax": lambda v, **k: v.max(**k),
    "ReduceMean": lambda v, **k: v.mean(**k),
    "ReduceMin": lambda v, **k: v.min(**k),
    "ReduceProd": lambda v, **k: v.prod(**k),
    "ReduceSumSquare": lambda v, **k: (v * v).sum(**k),
}
for op, function in REDUCTIONS.items():
    values = positive if op == "ReduceLogSum" else x64
    single = f32(values)
    values = single.astype(np.float64)
    for opset in (18, 20) if op in ("ReduceMax", "ReduceMin") else (18,):
        Case("axes", op, opset, [single, Constant([0, -1])], [f32(function(values, axis=(0, 2), keepdims=True))])
        Case("dropdims", op, opset, [single, Constant([1])], [f32(function(values, axis=1))], keepdims=0)
        Case("all", op, opset, [single], [f32(function(values, keepdims=True))])
    # Without axes, this flag makes the reduction do nothing.
    if op in ("ReduceMax", "ReduceMean", "ReduceMin", "ReduceProd"):
        Case("noop", op, 18, [single, Constant([])], [single], noop_with_empty_axes=1)

truth = np.array([[1, 1, 0], [0, 0, 0], [1, 1, 1]], bool)
Case("bool", "ReduceMax", 20, [truth, Constant([1])], [truth.any(1)], keepdims=0)
Case("bool", "ReduceMin", 20, [truth, Constant([1])], [truth.all(1)], keepdims=0)
Case("int8", "ReduceMax", 20, [np.array([[-3, 5], [-128, -7]], np.int8), Constant([1])], [np.array([5, -7], np.int8)],
     keepdims=0)


def normalized(values, axes, epsilon):
    mean = values.mean(axis=axes, keepdims=True)
    return (values - mean) / np.sqrt(values.var(axis=axes, keepdims=True) + epsilon)


image = random("image", 2, 4, 3, 3)
image64 = image.astype(np.float64)
scale, bias = random("scale", 4), random("bias", 4)
column = (slice(None), None, None)
Case("", "InstanceNormalization", 22, [image, scale, bias],
     [f32(normalized(image64, (2, 3), 1e-2) * scale[column] + bias[column])], epsilon=1e-2)
groups = normalized(image64.reshape(2, 2, 2, 3, 3), (2, 3, 4), 1e-5).reshape(image.shape)
Case("", "GroupNormalization", 21, [image, scale, bias], [f32(groups * scale[column] + bias[column])], num_groups=2)
for p in (1, 2):
    norm = (np.abs(x64) ** p).sum(axis=1, keepdims=True) ** (1 / p)
    Case(f"p{p}", "LpNormalization", 22, [x], [f32(x64 / norm)], axis=1, p=p)

scores, labels = random("scores", 3, 5), np.array([4, 0, 2])
picked = -scores[np.arange(3), labels].astype(np.float64)
weight = np.abs(random("weight", 5))
Case("mean", "NegativeLogLikelihoodLoss", 22, [scores, labels], [f32(picked.mean())])
Case("none", "NegativeLogLikelihoodLoss", 22, [scores, labels], [f32(picked)], reduction="none")
Case("weighted", "NegativeLogLikelihoodLoss", 22, [scores, labels, weight],
     [f32((picked * weight[labels]).sum() / weight[labels].sum())])
