# Part of Nestor. SPDX-License-Identifier: Apache-2.0
"""Operators with subgraphs that run several times."""

import numpy as np
from onnx import TensorProto, helper

from cases import FLOAT, Case, Constant, random


def info(name, shape, dtype=FLOAT):
    return helper.make_tensor_value_info(name, dtype, shape)


start, rows = random("control", 3), random("control-rows", 4, 3)
sums = start + np.cumsum(rows.astype(np.float64), 0)

# Doubles the state three times and collects what it was.
doubling = helper.make_graph(
    [helper.make_node("Add", ["state", "state"], ["next"]), helper.make_node("Identity", ["state"], ["before"]),
     helper.make_node("Identity", ["keep"], ["keep_out"])],
    "body", [info("i", [], TensorProto.INT64), info("keep", [], TensorProto.BOOL), info("state", [3])],
    [info("keep_out", [], TensorProto.BOOL), info("next", [3]), info("before", [3])])
# Running sums of the rows.
summing = helper.make_graph(
    [helper.make_node("Add", ["state", "row"], ["next"]), helper.make_node("Identity", ["next"], ["sum"])],
    "body", [info("state", [3]), info("row", [3])], [info("next", [3]), info("sum", [3])])
for opset in (19, 21):
    Case("", "Loop", opset, [Constant(3), Constant(True, bool), start],
         [start * 8, np.stack([start, start * 2, start * 4])], body=doubling)
    Case("", "Scan", opset, [start, rows], [sums[-1].astype(np.float32), sums.astype(np.float32)],
         body=summing, num_scan_inputs=1)
