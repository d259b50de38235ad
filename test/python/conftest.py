# Part of Nestor. SPDX-License-Identifier: Apache-2.0
"""What the tests share. run.sh sets the environment and writes the artifacts of test/unit/write_artifacts.cpp."""
import os
import pathlib
import threading

import nestor
import numpy as np
import pytest

ROOT = pathlib.Path(os.environ["NESTOR_TEST_ROOT"])
ARTIFACTS = pathlib.Path(os.environ["NESTOR_TEST_ARTIFACTS"])


def expected(x):
    """What two.nest and large.nest compute."""
    return x * np.arange(1, 17, dtype=np.float32) + np.tile(np.float32([0.5, 0.75]), 8)


def run_threads(count, work):
    """work(0), work(1), ... at the same time."""
    threads = [threading.Thread(target=work, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


@pytest.fixture
def artifact():
    return nestor.Artifact.open(ARTIFACTS / "two.nest")


@pytest.fixture
def x():
    return np.arange(8 * 16, dtype=np.float32).reshape(8, 16)


@pytest.fixture
def nestorc(monkeypatch):
    path = os.environ.get("NESTOR_TEST_NESTORC")
    if not path:
        pytest.skip("needs nestorc: the build has none")
    monkeypatch.setenv("NESTORC", path)
    return path
