# Part of Nestor. SPDX-License-Identifier: Apache-2.0
import os
import pickle
import re
import subprocess
import sys
from importlib import metadata

import nestor
import pytest
from conftest import ARTIFACTS, ROOT


def test_describes_what_it_holds(artifact):
    assert [(t.name, t.dtype, t.shape, t.bytes) for t in artifact.inputs] == [("x", "float32", (8, 16), 512)]
    assert [t.name for t in artifact.outputs] == ["y"]
    assert [float(c) for c in artifact.capacities] == [0.5, 1]
    small = artifact.capacities[0]
    assert (small.capacity, small.arena_bytes, small.accuracy, small.skipped) == (0.5, 512, None, [])
    assert small.input_extents == []
    assert [(t.runnable, t.selected) for t in artifact.targets] == [(True, True)]
    assert artifact.complete
    assert artifact.mapped_bytes >= artifact.file_bytes == os.path.getsize(ARTIFACTS / "two.nest")
    assert repr(artifact).endswith("capacities 0.5 1>")
    assert repr(artifact.inputs[0]) == "<nestor.TensorInfo 'x': float32 [8, 16]>"
    artifact.verify()


def test_opens_paths_ranges_and_bytes():
    path = ARTIFACTS / "two.nest"
    size = os.path.getsize(path)
    with open(path, "rb") as file:
        ranged = nestor.Artifact.open_fd(file.fileno(), 0, size, verify="all")
        data = file.read()
    copied = nestor.Artifact.from_bytes(data)
    for artifact in (nestor.Artifact.open(str(path)), nestor.Artifact.open(os.fsencode(path)), ranged, copied):
        assert artifact.file_bytes == size


@pytest.mark.parametrize("content, code, part", [
    (b"", "corrupt", "empty file"),
    (b"short", "corrupt", "truncated"),
    (b"no artifact " * 100, "corrupt", "not a .nest file"),
    (None, "not_found", "No such file"),
])
def test_says_what_is_wrong_with_a_file(tmp_path, content, code, part):
    path = tmp_path / "bad.nest"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(nestor.NestorError, match=part) as caught:
        nestor.Artifact.open(path)
    assert caught.value.code == code
    assert str(path) in str(caught.value)


def test_finds_damage():
    data = bytearray((ARTIFACTS / "two.nest").read_bytes())
    data[-1] ^= 1  # The last weight.
    damaged = nestor.Artifact.from_bytes(bytes(data))
    with pytest.raises(nestor.NestorError, match="hash") as caught:
        damaged.verify()
    assert caught.value.code == "corrupt"
    with pytest.raises(nestor.NestorError, match="hash"):
        nestor.Artifact.from_bytes(bytes(data), verify="all")


def test_tells_which_cpu_is_missing():
    artifact = nestor.Artifact.open(ARTIFACTS / "foreign.nest")
    assert not artifact.targets[0].runnable
    with pytest.raises(nestor.NestorError, match="z80") as caught:
        artifact.session()
    assert caught.value.code == "unsupported_cpu"


def test_refuses_bad_options(artifact):
    path = ARTIFACTS / "two.nest"
    for call in (lambda: nestor.Artifact.open(path, verify="some"), lambda: artifact.session(threads=-1),
                 lambda: artifact.session(threads=2**40), lambda: artifact.session(threads=100_000),
                 lambda: nestor.Artifact.open("a\0b")):
        with pytest.raises(nestor.NestorError) as caught:
            call()
        assert caught.value.code == "invalid_argument"
    with pytest.raises(nestor.NestorError, match="no code for target 'vax'"):
        nestor.Artifact.open(path, target="vax")
    with pytest.raises(TypeError):
        nestor.Artifact.open(3)


def test_errors_can_be_pickled():
    error = pickle.loads(pickle.dumps(nestor.NestorError("corrupt", "a.nest: damaged")))
    assert (error.code, str(error)) == ("corrupt", "a.nest: damaged")


def test_has_the_version_of_the_tree():
    version = re.search(r"project\(Nestor VERSION ([\d.]+)", (ROOT / "CMakeLists.txt").read_text())[1]
    assert nestor.__version__ == metadata.version("nestor") == version


def test_leaks_nothing_at_exit():
    # nanobind reports on standard error what is still alive.
    code = f"import nestor; s = nestor.Artifact.open({str(ARTIFACTS / 'two.nest')!r}).session(); v = s.input(0)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr == ""
