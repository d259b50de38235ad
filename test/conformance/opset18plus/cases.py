# Part of Nestor. SPDX-License-Identifier: Apache-2.0
"""What a test case is, and how it is written: the layout of ONNX's own test data."""

import pathlib
import zlib

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

#: All cases, in the order of definition.
CASES = []


class Constant:
    """An input that the model holds as an initializer (axes, pads, a shape)."""

    def __init__(self, values, dtype=np.int64):
        self.array = np.array(values, dtype)


class Case:
    """One node, its inputs (None where left out) and the outputs it must have."""

    def __init__(self, name, op, opset, inputs, outputs, **attributes):
        self.name = f"{op}-{opset}" + (f"-{name}" if name else "")
        self.node_inputs = [None if x is None else x if isinstance(x, Constant) else np.asarray(x) for x in inputs]
        self.outputs = [None if y is None else np.asarray(y) for y in outputs]
        self.op, self.opset, self.attributes = op, opset, attributes
        CASES.append(self)

    def model(self):
        inputs, outputs, initializers, operands = [], [], [], []
        for i, value in enumerate(self.node_inputs):
            name = "" if value is None else f"x{i}"
            operands.append(name)
            if isinstance(value, Constant):
                initializers.append(numpy_helper.from_array(value.array, name))
            elif value is not None:
                inputs.append(describe(name, value))
        results = []
        for i, value in enumerate(self.outputs):
            results.append("" if value is None else f"y{i}")
            if value is not None:
                outputs.append(describe(results[-1], value))
        node = helper.make_node(self.op, operands, results, name="node", **self.attributes)
        graph = helper.make_graph([node], self.name, inputs, outputs, initializers)
        model = helper.make_model(graph, producer_name="nestor", ir_version=10,
                                  opset_imports=[helper.make_opsetid("", self.opset)])
        onnx.checker.check_model(model, full_check=True)
        return model

    def feeds(self):
        return {f"x{i}": x for i, x in enumerate(self.node_inputs)
                if x is not None and not isinstance(x, Constant)}

    def write(self, root):
        directory = pathlib.Path(root) / self.op / self.name
        data = directory / "test_data_set_0"
        data.mkdir(parents=True, exist_ok=True)
        (directory / "model.onnx").write_bytes(self.model().SerializeToString(deterministic=True))
        for i, (name, value) in enumerate(self.feeds().items()):
            write_tensor(data / f"input_{i}.pb", name, value)
        for i, value in enumerate(y for y in self.outputs if y is not None):
            write_tensor(data / f"output_{i}.pb", f"y{i}", value)


def describe(name, value):
    return helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(value.dtype), value.shape)


def write_tensor(path, name, value):
    path.write_bytes(numpy_helper.from_array(value, name).SerializeToString(deterministic=True))


def random(name, *shape, low=-2.0, high=2.0):
    """Reproducible f32 values, different for each name."""
    generator = np.random.default_rng(zlib.crc32(name.encode()))
    return generator.uniform(low, high, shape).astype(np.float32)


def f32(values):
    return np.asarray(values, np.float32)


def graph(name, nodes, outputs):
    """A subgraph without inputs, for If and Loop."""
    return helper.make_graph(nodes, name, [], outputs)


FLOAT = TensorProto.FLOAT
