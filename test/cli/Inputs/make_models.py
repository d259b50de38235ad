# Part of Nestor. SPDX-License-Identifier: Apache-2.0
"""Writes the models beside this file. Needs Debian's python3-onnx; the models
are committed, so tests do not."""
import os

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper


def save(name, nodes, inputs, outputs, initializers=(), opset=13):
    graph = helper.make_graph(nodes, name, inputs, outputs, list(initializers))
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])
    model.ir_version = 8
    model.producer_name = ""
    onnx.save(model, os.path.join(os.path.dirname(os.path.abspath(__file__)), name + ".onnx"))


def floats(name, shape):
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)


random = np.random.default_rng(1)
weights = numpy_helper.from_array(random.standard_normal((8, 3, 3, 3)).astype(np.float32), "w")
bias = numpy_helper.from_array(random.standard_normal(8).astype(np.float32), "b")
conv = [
    helper.make_node("Conv", ["x", "w", "b"], ["c"], name="conv1", pads=[1, 1, 1, 1]),
    helper.make_node("Relu", ["c"], ["y"], name="relu1"),
]
save("conv", conv, [floats("x", [1, 3, 8, 8])], [floats("y", [1, 8, 8, 8])], [weights, bias])
save("dynamic", conv, [floats("x", ["N", 3, "H", "W"])], [floats("y", ["N", 8, "H", "W"])],
     [weights, bias])
save("unsupported", [
    helper.make_node("Relu", ["x"], ["a"], name="fine"),
    helper.make_node("NoSuchOperator", ["a"], ["b"], name="first"),
    helper.make_node("Unique", ["b"], ["y"], name="second"),
], [floats("x", [4])], [floats("y", [4])])
save("wrong_type", [helper.make_node("Conv", ["x", "w"], ["y"], name="conv1")],
     [helper.make_tensor_value_info("x", TensorProto.INT64, [1, 3, 8, 8])],
     [floats("y", [1, 8, 6, 6])], [weights])
save("huge", [helper.make_node("Relu", ["x"], ["y"], name="relu1")],
     [floats("x", [1 << 40, 1 << 40])], [floats("y", [1 << 40, 1 << 40])])
