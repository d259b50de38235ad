# Part of Nestor. SPDX-License-Identifier: Apache-2.0
"""Heads and tails, memory budgets, upgrades: what a session does beyond whole runs."""
import time

import nestor
import numpy as np
import pytest
from conftest import ARTIFACTS, run_threads


@pytest.fixture
def streamed():
    """Four blocks over x [1, 8192]; capacity 0.5 computes the first half of the columns, each from its own alone."""
    return nestor.Artifact.open(ARTIFACTS / "streamed.nest")


@pytest.fixture
def wide():
    return (np.arange(8192, dtype=np.float32) % 251 - 125.5).reshape(1, 8192)


def whole(artifact, x, capacity=1.0):
    return artifact.session(capacity=capacity).run({"x": x})["y"]


@pytest.mark.parametrize("capacity", [0.5, 1.0])
def test_head_and_tail_are_the_whole(streamed, wide, capacity):
    phone, server = streamed.session(capacity=capacity), streamed.session(capacity=capacity, threads=2)
    for cut in streamed.cuts(capacity):
        stream = phone.run_head(cut.index, {"x": wide})
        assert type(stream) is bytes and len(stream) <= streamed.stream_bytes(cut.index)
        for form in (stream, bytearray(stream), memoryview(stream), np.frombuffer(stream, np.uint8)):
            result = server.run_tail(cut.index, form)
            np.testing.assert_array_equal(result["y"], whole(streamed, wide, capacity))
    assert server.run_tail(4, stream, []) == {}
    assert server.last_capacity == capacity


def test_a_head_runs_on_the_views_too(streamed, wide):
    session = streamed.session()
    session.input("x")[:] = wide
    np.testing.assert_array_equal(session.run_tail(2, session.run_head(2))["y"], whole(streamed, wide))


def test_streams_can_be_smaller(streamed, wide):
    session = streamed.session()
    y = whole(streamed, wide)
    for dtype, size in (("f16", 2), ("int8", 1)):
        stream = session.run_head(2, {"x": wide}, dtype=dtype)
        assert len(stream) == streamed.stream_bytes(2, dtype=dtype) < 8192 * size + 200
        np.testing.assert_allclose(session.run_tail(2, stream)["y"], y, atol=abs(y).max() / 40)


def test_sessions_of_blocks(streamed, wide):
    first, middle, last = (streamed.session(blocks=part) for part in ((0, 1), (1, 3), (3, 4)))
    assert middle.blocks == (1, 3) and streamed.present_blocks == (0, 4)
    stream = middle.run_blocks(1, 3, first.run_head(1, {"x": wide}))
    np.testing.assert_array_equal(last.run_tail(3, stream)["y"], whole(streamed, wide))
    for call, part in ((lambda: first.run({"x": wide}), "blocks 0:1 of 4"),
                       (lambda: first.run_head(2), "blocks 0:1 of 4, not 0:2"),
                       (lambda: streamed.session(blocks=(3, 5)), "there are no blocks 3:5")):
        with pytest.raises(nestor.NestorError, match=part):
            call()


def test_capacities_that_were_measured_together(streamed, wide):
    assert [(pair.head, pair.tail, pair.cut, pair.accuracy) for pair in streamed.mixed] == [
        (0.5, 1, 2, 0.25), (1, 0.5, 2, 0.5)]
    small, full = streamed.session(capacity=0.5), streamed.session()
    y = full.run_tail(2, small.run_head(2, {"x": wide}))["y"]
    np.testing.assert_array_equal(y[:, :4096], whole(streamed, wide)[:, :4096])
    assert not y[:, 4096:].any(), "channels that the head lacks are zero"
    y = small.run_tail(2, full.run_head(2, {"x": wide}))["y"]
    np.testing.assert_array_equal(y, whole(streamed, wide, 0.5))
    with pytest.raises(nestor.NestorError, match="measured together at cut 1"):
        small.run_tail(1, full.run_head(1))


def test_refuses_what_does_not_belong(streamed, artifact, wide):
    session = streamed.session()
    stream = session.run_head(2, {"x": wide})
    for call, code, part in (
        (lambda: session.run_head(9), "invalid_argument", "no cut 9"),
        (lambda: session.run_head(-1), "invalid_argument", "no cut -1"),
        (lambda: session.run_head(2, dtype="f8"), "invalid_argument", "'f32', 'f16' or 'int8', not 'f8'"),
        (lambda: session.run_head(2, {"z": wide}), "invalid_argument", "input 'x' is missing"),
        (lambda: session.run_tail(3, stream), "invalid_argument", "cut 2, not of cut 3"),
        (lambda: session.run_tail(2, stream[:-1]), "corrupt", "truncated"),
        (lambda: session.run_tail(2, b""), "corrupt", "less than a header"),
        (lambda: session.run_tail(2, stream, ["z"]), "not_found", "no output 'z'"),
        (lambda: artifact.session().run_head(0), "invalid_argument", "no cut"),
        (lambda: streamed.cuts(0.7), "not_found", "no capacity 0.7"),
    ):
        with pytest.raises(nestor.NestorError) as caught:
            call()
        assert caught.value.code == code
        assert part in str(caught.value)
    with pytest.raises(TypeError, match="bytes-like"):
        session.run_tail(2, 3)


def test_tells_its_cuts(streamed, artifact):
    cuts = streamed.cuts()
    assert [cut.index for cut in cuts] == [0, 1, 2, 3, 4]
    cut = cuts[2]
    assert (cut.live_bytes, cut.live_bytes_f16, cut.live_bytes_int8) == (4 * 8192, 2 * 8192, 8192)
    assert [(t.name, t.dtype, t.shape, t.bytes) for t in cut.live] == [("live", "float32", (1, 8192), 4 * 8192)]
    assert cut.macs_before == cut.macs_after > 0
    assert streamed.cuts(streamed.capacities[0])[2].live_bytes == 4 * 4096
    assert artifact.cuts() == [] and artifact.mixed == []


def test_runs_within_a_budget(streamed, wide):
    least = streamed.minimum_budget()
    assert streamed.minimum_budget(0.5) <= least
    session = streamed.session(memory_budget=least)
    np.testing.assert_array_equal(session.run({"x": wide})["y"], whole(streamed, wide))
    assert session.memory_bytes <= least
    assert session.predicted.peak_bytes <= least
    assert session.predicted.streamed_bytes > 0 and session.predicted.reads > 0
    assert streamed.session().predicted is None
    for budget in (least - 1, 0):
        with pytest.raises(nestor.NestorError, match="needs at least"):
            streamed.session(memory_budget=budget)
    with pytest.raises(TypeError):
        streamed.session(memory_budget=-1)


def test_upgrades_beside_runs(streamed, wide):
    session = streamed.session(capacity=0.5)
    assert session.upgrade_progress.state == "none"
    session.run({"x": wide})
    session.upgrade(1)
    deadline = time.monotonic() + 30
    while session.upgrade_progress.state == "running":
        session.run({"x": wide})
        assert time.monotonic() < deadline
    progress = session.upgrade_progress
    assert (progress.state, progress.capacity) == ("done", 1) and progress.bytes_done == progress.bytes_total > 0
    assert session.last_capacity == 0.5 or session.last_capacity == 1
    assert session.capacity == 1
    np.testing.assert_array_equal(session.run({"x": wide})["y"], whole(streamed, wide))
    assert session.last_capacity == 1
    session.capacity = 0.5
    session.release_unused()
    np.testing.assert_array_equal(session.run({"x": wide})["y"][:, :4096], whole(streamed, wide)[:, :4096])
    with pytest.raises(nestor.NestorError, match="no capacity 0.7"):
        session.upgrade(0.7)


def test_threads_that_share_a_tail_take_turns(streamed, wide):
    head, tail = streamed.session(), streamed.session()
    streams = [head.run_head(2, {"x": wide + number}) for number in range(3)]
    expected = [whole(streamed, wide + number) for number in range(3)]
    wrong = []

    def work(number):
        for _ in range(20):
            if not np.array_equal(tail.run_tail(2, streams[number])["y"], expected[number]):
                wrong.append(number)

    run_threads(3, work)
    assert wrong == []
