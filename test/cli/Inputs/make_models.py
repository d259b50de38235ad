# Part of Nestor. SPDX-License-Identifier: Apache-2.0
"""Writes the models beside this file. Needs Debian's python3-onnx; the models
are committed, so tests do not."""
import os

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from samples import quadrants


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


def convolve(x, w, stride):
    """A 3x3 convolution with padding 1 of [N, C, H, W], for the features of `tiny`."""
    x = np.pad(x, [(0, 0), (0, 0), (1, 1), (1, 1)])
    windows = np.lib.stride_tricks.sliding_window_view(x, (3, 3), axis=(2, 3))[:, :, ::stride, ::stride]
    return np.einsum("ncijkl,ockl->noij", windows, w, optimize=True)


# Says which quadrant of an 8x8 image is brightest: random filters, and a last layer fitted to them.
filters = {"w1": (16, 3), "w2": (16, 16), "w3": (16, 16), "w4": (32, 16)}
filters = {name: (random.standard_normal((o, i, 3, 3)) * np.sqrt(2 / (9 * i))).astype(np.float32)
           for name, (o, i) in filters.items()}
images, labels = quadrants(random, 2000)
x = (images / 255 - 0.5).astype(np.float32)
a = np.maximum(convolve(x, filters["w1"], 1), 0)
b = convolve(np.maximum(convolve(a, filters["w2"], 1), 0), filters["w3"], 1)
c = np.maximum(convolve(np.maximum(a + b, 0), filters["w4"], 2), 0)
features = c.reshape(-1, 32, 2, 2, 2, 2).mean((3, 5)).reshape(len(c), 128)
features = np.c_[features, np.ones(len(c), np.float32)]
last = np.linalg.lstsq(features, 4 * np.eye(4)[labels] - 1, rcond=None)[0].T.astype(np.float32)
nodes = [
    helper.make_node("Conv", ["image", "w1"], ["c1"], name="conv1", pads=[1] * 4),
    helper.make_node("Relu", ["c1"], ["a"], name="relu1"),
    helper.make_node("Conv", ["a", "w2"], ["c2"], name="block/conv1", pads=[1] * 4),
    helper.make_node("Relu", ["c2"], ["b"], name="block/relu1"),
    helper.make_node("Conv", ["b", "w3"], ["c3"], name="block/conv2", pads=[1] * 4),
    helper.make_node("Add", ["a", "c3"], ["s"], name="block/add"),
    helper.make_node("Relu", ["s"], ["t"], name="block/relu2"),
    helper.make_node("Conv", ["t", "w4"], ["c4"], name="conv2", pads=[1] * 4, strides=[2, 2]),
    helper.make_node("Relu", ["c4"], ["u"], name="relu2"),
    helper.make_node("AveragePool", ["u"], ["p"], name="pool", kernel_shape=[2, 2], strides=[2, 2]),
    helper.make_node("Flatten", ["p"], ["f"], name="flatten"),
    helper.make_node("Gemm", ["f", "w5", "b5"], ["scores"], name="classify", transB=1),
]
weights = dict(filters, w5=last[:, :128].copy(), b5=last[:, 128].copy())
save("tiny", nodes, [floats("image", ["N", 3, 8, 8])], [floats("scores", ["N", 4])],
     [numpy_helper.from_array(value, name) for name, value in weights.items()])

tokens = {"v1": (32, 8), "v2": (4, 32)}
save("tokens", [
    helper.make_node("Cast", ["tokens"], ["f"], name="cast", to=TensorProto.FLOAT),
    helper.make_node("Gemm", ["f", "v1"], ["h"], name="hidden", transB=1),
    helper.make_node("Relu", ["h"], ["r"], name="relu1"),
    helper.make_node("Gemm", ["r", "v2"], ["y"], name="classify", transB=1),
], [helper.make_tensor_value_info("tokens", TensorProto.INT32, [1, 8])], [floats("y", [1, 4])],
     [numpy_helper.from_array(random.standard_normal(shape).astype(np.float32), name)
      for name, shape in tokens.items()])
