# Part of Nestor. SPDX-License-Identifier: Apache-2.0
"""Operators that make, move and select elements without computing on them."""

import numpy as np
from onnx import helper, numpy_helper

from cases import FLOAT, Case, Constant, f32, graph, random

x = random("shapes", 2, 3, 4)


def constant(values):
    return numpy_helper.from_array(np.asarray(values), "value")


for opset in (19, 21):
    Case("", "Identity", opset, [x], [x])
    Case("", "Shape", opset, [x], [np.array([2, 3, 4])])
    Case("slice", "Shape", opset, [x], [np.array([3])], start=1, end=-1)
    Case("", "Size", opset, [x], [np.array(24)])
    Case("", "Constant", opset, [], [f32([1, 2])], value=constant(f32([1, 2])))
    Case("copy", "Reshape", opset, [x, Constant([0, -1])], [x.reshape(2, 12)])
    Case("allowzero", "Reshape", opset, [np.zeros((0, 3), np.float32), Constant([3, 0])],
         [np.zeros((3, 0), np.float32)], allowzero=1)
    branches = {}
    for name, value in (("then_branch", 1.0), ("else_branch", 2.0)):
        node = helper.make_node("Constant", [], [name], value=constant(f32([value, -value])))
        branches[name] = graph(name, [node], [helper.make_tensor_value_info(name, FLOAT, [2])])
    Case("true", "If", opset, [Constant(True, bool)], [f32([1, -1])], **branches)
    Case("false", "If", opset, [Constant(False, bool)], [f32([2, -2])], **branches)

for opset in (20, 21):
    Case("", "ConstantOfShape", opset, [Constant([2, 3])], [np.full((2, 3), 7, np.int32)],
         value=constant(np.array([7], np.int32)))
    Case("default", "ConstantOfShape", opset, [Constant([2])], [f32([0, 0])])

for axis in (0, 2, -1):
    rows = int(np.prod(x.shape[:axis]))
    Case(f"axis{axis}", "Flatten", 21, [x], [x.reshape(rows, -1)], axis=axis)
Case("", "Squeeze", 21, [x[:1, :, :1], Constant([0, -1])], [x[0, :, 0]])
Case("all", "Squeeze", 21, [x[:1, :, :1]], [x[0, :, 0]])
Case("", "Unsqueeze", 21, [x, Constant([0, -1])], [x[None, ..., None]])
Case("", "Transpose", 21, [x], [x.transpose(2, 0, 1)], perm=[2, 0, 1])
Case("default", "Transpose", 21, [x], [x.transpose()])
Case("", "EyeLike", 22, [x[0]], [np.eye(3, 4, 1, dtype=np.float32)], k=1)

# Split into a number of outputs: the last one takes what is left.
seven = random("split", 7, 2)
Case("num-outputs", "Split", 18, [seven], [seven[:3], seven[3:6], seven[6:]], num_outputs=3)
Case("sizes", "Split", 18, [seven, Constant([5, 2])], [seven[:5], seven[5:]], axis=0)
Case("", "CenterCropPad", 18, [x, Constant([3, 2])],
     [np.pad(x[:, :, 1:3], ((0, 0), (0, 0), (0, 0)))], axes=[1, 2])
Case("pad", "CenterCropPad", 18, [x, Constant([5])], [np.pad(x, ((0, 0), (1, 1), (0, 0)))], axes=[1])

# Pad: axes since 18, wrap since 19.
Case("axes", "Pad", 18, [x, Constant([1, 2, 0, 1]), Constant(1.5, np.float32), Constant([2, -2])],
     [np.pad(x, ((0, 0), (2, 1), (1, 0)), constant_values=1.5)])
Case("edge", "Pad", 18, [x, Constant([1, 0, 0, 0, 2, 1])], [np.pad(x, ((1, 0), (0, 2), (0, 1)), mode="edge")],
     mode="edge")
for opset in (19, 21):
    Case("wrap", "Pad", opset, [x, Constant([0, 2, 1, 0, 1, 3])],
         [np.pad(x, ((0, 0), (2, 1), (1, 3)), mode="wrap")], mode="wrap")
    Case("reflect", "Pad", opset, [x, Constant([0, 2, 1, 0, 1, 3])],
         [np.pad(x, ((0, 0), (2, 1), (1, 3)), mode="reflect")], mode="reflect")
whole = np.arange(6, dtype=np.int64).reshape(2, 3)
Case("int64", "Pad", 21, [whole, Constant([0, 1, 1, 0])], [np.pad(whole, ((0, 1), (1, 0)))])

# Scatters with a reduction, duplicates included.
data, updates = np.zeros((3, 3), np.float32), f32([[1, -2, 3], [4, 5, -6]])
for reduction, function in (("max", np.maximum), ("min", np.minimum), ("add", np.add), ("mul", np.multiply)):
    start = data + 1 if reduction == "mul" else data
    want = start.copy()
    index = np.array([[0, 2, 0], [0, 1, -1]])
    for (i, j), row in np.ndenumerate(index):
        want[row, j] = function(want[row, j], updates[i, j])
    Case(reduction, "ScatterElements", 18, [start, index, updates], [want], axis=0, reduction=reduction)
    want = start.copy()
    for row, update in zip((2, 2), updates):
        want[row] = function(want[row], update)
    Case(reduction, "ScatterND", 18, [start, np.array([[2], [2]]), updates], [want], reduction=reduction)
