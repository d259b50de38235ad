# Part of Nestor. SPDX-License-Identifier: Apache-2.0
import shlex

import nestor
import numpy as np
import pytest
from conftest import ARTIFACTS, ROOT


@pytest.fixture
def fake(tmp_path, monkeypatch):
    """A nestorc that writes its arguments to a file and does what the test says."""
    def make(script):
        path = tmp_path / "nestorc"
        path.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" >{shlex.quote(str(tmp_path))}/arguments\n{script}\n')
        path.chmod(0o755)
        monkeypatch.setenv("NESTORC", str(path))
        return lambda: (tmp_path / "arguments").read_text().splitlines()
    return make


def test_passes_flags_on(fake, tmp_path):
    output = tmp_path / "a.nest"
    arguments = fake(f"cp {shlex.quote(str(ARTIFACTS / 'two.nest'))} {shlex.quote(str(output))}")
    artifact = nestor.compile(
        "a.onnx", output, capacities=[0.25, 1], shape={"x": (1, 3), "y": [2]}, target=["x86-64-v3", "aarch64+neon"],
        no_skips=True, skips=False, data=tmp_path / "d.npz", seed=7, report=None, scale=0.5)
    assert [float(c) for c in artifact.capacities] == [0.5, 1]
    assert arguments() == [
        "compile", "a.onnx", "-o", str(output), "--capacities", "0.25,1", "--shape", "x=1,3", "--shape", "y=2",
        "--target", "x86-64-v3", "--target", "aarch64+neon", "--no-skips", "--data", str(tmp_path / "d.npz"),
        "--seed", "7", "--scale", "0.5"]


@pytest.mark.parametrize("status, code", [
    (1, "check_failed"), (2, "invalid_argument"), (3, "unsupported_model"), (4, "corrupt"), (5, "internal_error")])
def test_raises_the_messages(fake, tmp_path, status, code):
    fake(f"echo 'a.onnx: what is wrong' >&2; exit {status}")
    with pytest.raises(nestor.NestorError, match="^a.onnx: what is wrong$") as caught:
        nestor.compile("a.onnx", tmp_path / "a.nest")
    assert caught.value.code == code


def test_says_so_when_there_is_no_message(fake, tmp_path):
    fake("exit 9")
    with pytest.raises(nestor.NestorError, match="ended with status 9"):
        nestor.compile("a.onnx", tmp_path / "a.nest")


def test_says_how_to_find_the_compiler(monkeypatch, tmp_path):
    monkeypatch.setenv("NESTORC", str(tmp_path / "absent"))
    with pytest.raises(nestor.NestorError, match="absent is no program") as caught:
        nestor.compile("a.onnx", "a.nest")
    assert caught.value.code == "not_found"
    monkeypatch.delenv("NESTORC")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(nestor.NestorError, match="set NESTORC"):
        nestor.compile("a.onnx", "a.nest")


def test_compiles(nestorc, tmp_path):
    artifact = nestor.compile(ROOT / "test/cli/Inputs/conv.onnx", tmp_path / "a.nest", capacities=[1])
    (tensor,) = artifact.inputs
    results = artifact.session().run({tensor.name: np.zeros(tensor.shape, tensor.dtype)})
    assert [value.shape for value in results.values()] == [output.shape for output in artifact.outputs]


def test_passes_on_what_nestorc_says(nestorc, tmp_path):
    with pytest.raises(nestor.NestorError, match="absent.onnx"):
        nestor.compile(tmp_path / "absent.onnx", tmp_path / "a.nest")
    assert not (tmp_path / "a.nest").exists()
