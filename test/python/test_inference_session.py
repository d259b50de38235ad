# Part of Nestor. SPDX-License-Identifier: Apache-2.0
"""What programs written for onnxruntime call."""
import types

import nestor
import numpy as np
import pytest
from conftest import ARTIFACTS, ROOT, expected


def test_is_called_as_onnxruntime_is(x):
    options = nestor.SessionOptions()
    options.intra_op_num_threads = 1
    session = nestor.InferenceSession(str(ARTIFACTS / "two.nest"), options, providers=["CPUExecutionProvider"])
    node = session.get_inputs()[0]
    assert (node.name, node.shape, node.type) == ("x", [8, 16], "tensor(float)")
    label = session.get_outputs()[0].name
    (y,) = session.run([label], {node.name: x})
    np.testing.assert_array_equal(y, expected(x))
    np.testing.assert_array_equal(session.run(None, {node.name: x})[0], expected(x))
    assert session.get_providers() == ["CPUExecutionProvider"]


def test_gives_outputs_in_the_order_asked_for():
    session = nestor.InferenceSession(ROOT / "test/data/v1.nest")
    feeds = dict(np.load(ROOT / "test/data/v1_input.npz"))
    scores, features = session.run(None, feeds)
    assert (scores.shape, features.shape) == ((1, 10), (1, 80))
    swapped = session.run(["features", "scores"], feeds)
    np.testing.assert_array_equal(swapped[0], features)
    np.testing.assert_array_equal(swapped[1], scores)


def test_takes_bytes_and_foreign_options(x):
    foreign = types.SimpleNamespace(intra_op_num_threads=2)
    session = nestor.InferenceSession((ARTIFACTS / "two.nest").read_bytes(), foreign, capacity=0.5)
    assert session.capacity == 0.5
    session.capacity = 1
    np.testing.assert_array_equal(session.run(None, {"x": x})[0], expected(x))


def test_warns_where_there_is_no_such_provider():
    with pytest.warns(UserWarning, match="CUDAExecutionProvider"):
        nestor.InferenceSession(ARTIFACTS / "two.nest", providers=[("CUDAExecutionProvider", {})])


def test_spells_types_as_onnx():
    session = nestor.InferenceSession(ARTIFACTS / "types.nest")
    assert [node.type for node in session.get_outputs()] == [
        f"tensor({name})" for name in ("float", "double", "float16", "bfloat16", "int8", "int16", "int32", "int64",
                                       "uint8", "uint16", "uint32", "uint64", "bool")]


def test_an_onnx_file_is_no_artifact():
    with pytest.raises(nestor.NestorError, match="not a .nest file"):
        nestor.InferenceSession(ROOT / "examples/quickstart/fashion_resnet.onnx")
