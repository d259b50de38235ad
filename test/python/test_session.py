# Part of Nestor. SPDX-License-Identifier: Apache-2.0
import gc
import sys
import threading

import nestor
import numpy as np
import pytest
from conftest import ARTIFACTS, ROOT, expected, run_threads


def test_runs_on_arrays(artifact, x):
    session = artifact.session(threads=2)
    results = session.run({"x": x})
    assert list(results) == ["y"]
    np.testing.assert_array_equal(results["y"], expected(x))
    again = session.run({"x": x + 1}, ["y"])
    np.testing.assert_array_equal(results["y"], expected(x))  # Results are no views.
    np.testing.assert_array_equal(again["y"], expected(x + 1))
    assert session.run({"x": x}, []) == {}
    np.testing.assert_array_equal(session.run({"x": x}, ["y", "y"])["y"], expected(x))
    assert session.threads == 2
    assert session.memory_bytes >= 3 * 512


def test_computes_what_torch_does():
    session = nestor.Artifact.open(ROOT / "test/data/v1.nest").session()
    results = session.run(dict(np.load(ROOT / "test/data/v1_input.npz")))
    for name, value in np.load(ROOT / "test/data/v1_expected.npz").items():
        np.testing.assert_allclose(results[name], value, rtol=1e-5, atol=1e-5)


def test_takes_any_strides(artifact, x):
    session = artifact.session()
    wide = np.zeros((16, 32), np.float32)
    wide[::2, ::2] = x
    for value in (np.asfortranarray(x), wide[::2, ::2], x[::-1][::-1]):
        np.testing.assert_array_equal(session.run({"x": value})["y"], expected(x))


def test_takes_dlpack(artifact, x):
    class Foreign:  # An array of another library.
        dtype, shape = x.dtype, x.shape

        def __dlpack__(self, **options):
            return x.__dlpack__(**options)

        def __dlpack_device__(self):
            return x.__dlpack_device__()

    np.testing.assert_array_equal(artifact.session().run({"x": Foreign()})["y"], expected(x))


@pytest.mark.parametrize("value, part", [
    ([1.0], "takes float32 [8, 16], not list"),
    (None, "not NoneType"),
    ("x", "not str"),
    (np.zeros((8, 16)), "not float64: convert it with numpy.asarray(value, 'float32')"),
    (np.zeros((8, 16), ">f4"), "not >f4: convert it"),
    (np.zeros((8, 16), object), "not object: convert it"),
    (np.zeros((8, 15), np.float32), "not the shape (8, 15)"),
    (np.zeros((8, 16, 1), np.float32), "not the shape (8, 16, 1)"),
    (np.float32(3), "not the shape ()"),
])
def test_says_what_an_input_takes(artifact, value, part):
    with pytest.raises(nestor.NestorError) as caught:
        artifact.session().run({"x": value})
    assert caught.value.code == "invalid_argument"
    assert str(caught.value).startswith("input 'x' takes float32 [8, 16], not ")
    assert part in str(caught.value)


def test_names_what_there_is(artifact, x):
    session = artifact.session()
    for call, code, part in (
        (lambda: session.run({}), "invalid_argument", "input 'x' is missing; it takes float32 [8, 16]"),
        (lambda: session.run({"x": x, "z": x}), "not_found", "there is no input 'z'; there are: x"),
        (lambda: session.run({"x": x, 3: x}), "not_found", "there is no input '3'"),
        (lambda: session.run({"x": x}, ["z"]), "not_found", "there is no output 'z'; there are: y"),
        (lambda: session.input("z"), "not_found", "there is no input 'z'"),
        (lambda: session.input(-1), "not_found", "there is no input -1"),
        (lambda: session.output(1), "not_found", "there is no output 1"),
        (lambda: artifact.session(capacity=0.3), "not_found", "no capacity 0.3"),
    ):
        with pytest.raises(nestor.NestorError) as caught:
            call()
        assert caught.value.code == code
        assert part in str(caught.value)
    with pytest.raises(TypeError):
        session.run([x])


def test_switches_capacity(artifact, x):
    session = artifact.session(capacity=0.5)
    assert session.capacity == 0.5
    y = session.run({"x": x})["y"]
    np.testing.assert_array_equal(y[:4], expected(x)[:4])
    assert not y[4:].any(), "beyond the capacity's part"
    with pytest.raises(nestor.NestorError, match="no capacity 0.7"):
        session.capacity = 0.7
    session.capacity = artifact.capacities[-1]
    assert session.capacity == 1
    assert artifact.session(capacity=artifact.capacities[0]).capacity == 0.5
    np.testing.assert_array_equal(session.run({"x": x})["y"], expected(x))


def test_views_share_the_session_s_memory(artifact, x):
    session = artifact.session()
    source, result = session.input("x"), session.output(0)
    assert source.flags.writeable and source.flags.c_contiguous and source.ctypes.data % 64 == 0
    source[:] = x
    session.run_in_place()
    np.testing.assert_array_equal(result, expected(x))
    source += 1
    session.run_in_place()
    np.testing.assert_array_equal(result, expected(x + 1))
    assert session.input(0).ctypes.data == source.ctypes.data


def test_views_are_dlpack(artifact, x):
    session = artifact.session()
    other = np.from_dlpack(session.input("x"))
    session.input("x")[:] = x
    np.testing.assert_array_equal(other, x)


def test_views_keep_the_session_alive(x):
    session = nestor.Artifact.from_bytes((ARTIFACTS / "two.nest").read_bytes()).session()
    source, result, other = session.input("x"), session.output("y"), np.from_dlpack(session.output("y"))
    gc.collect()
    source[:] = x  # The artifact and the bytes are gone; the session still runs on them.
    session.run_in_place()
    del session
    gc.collect()
    source += 1  # Unmapped memory would end the process.
    np.testing.assert_array_equal(result, expected(x))
    del result
    gc.collect()
    np.testing.assert_array_equal(other, expected(x))


def test_sees_every_type():
    session = nestor.Artifact.open(ARTIFACTS / "types.nest").session()
    # numpy has no bfloat16, whose bits are shown.
    names = ["float32", "float64", "float16", "uint16", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32",
             "uint64", "bool"]
    for index, name in enumerate(names):
        assert (session.input(index).dtype, session.input(index).shape) == (np.dtype(name), (2, 3))
        assert session.output(f"out{index + 1}").dtype == np.dtype(name)
    assert session.input("scalar").shape == ()
    feeds = {f"in{index + 1}": np.full((2, 3), index, name) for index, name in enumerate(names)}
    results = session.run(feeds | {"scalar": np.array(2.5, np.float32)})
    assert [results[f"out{index + 1}"].dtype for index in range(len(names))] == [np.dtype(name) for name in names]
    assert session.input("scalar") == 2.5
    np.testing.assert_array_equal(session.input("in8"), np.full((2, 3), 7))


def test_threads_that_share_a_session_take_turns():
    session = nestor.Artifact.open(ARTIFACTS / "large.nest").session(threads=2)
    wrong = []

    def work(number):
        x = np.full((20_000, 16), number, np.float32)
        for _ in range(20):
            if not np.array_equal(session.run({"x": x})["y"], expected(x)):
                wrong.append(number)

    run_threads(4, work)
    assert wrong == []


@pytest.mark.parametrize("call", ["run", "run_in_place"])
def test_other_threads_run_during_a_run(call):
    session = nestor.Artifact.open(ARTIFACTS / "large.nest").session()
    arguments = [{"x": np.zeros((20_000, 16), np.float32)}] if call == "run" else []
    begin, ran = threading.Event(), []
    thread = threading.Thread(target=lambda: (begin.wait(), ran.append(True)))
    interval = sys.getswitchinterval()
    try:
        # From here on a thread gets the interpreter only when another gives it up.
        sys.setswitchinterval(1000)
        thread.start()
        begin.set()
        for _ in range(2000):
            getattr(session, call)(*arguments)
            if ran:
                break
        assert ran
    finally:
        sys.setswitchinterval(interval)
        thread.join()
