# Part of Nestor. SPDX-License-Identifier: Apache-2.0
"""The runtime, a C++ extension. Everything raises `NestorError`."""
import os
from collections.abc import Iterable
from typing import Any, Literal, Protocol, SupportsFloat, final

import numpy as np
import numpy.typing as npt
from typing_extensions import Buffer

class _DLPack(Protocol):
    def __dlpack__(self) -> Any: ...
    def __dlpack_device__(self) -> tuple[int, int]: ...

@final
class TensorInfo:
    """An input or an output: dense, row-major, fixed shape."""
    @property
    def name(self) -> str: ...
    @property
    def dtype(self) -> str:
        """numpy's name, or "bfloat16", which arrays show as uint16."""
    @property
    def shape(self) -> tuple[int, ...]: ...
    @property
    def bytes(self) -> int: ...

@final
class Capacity:
    """One size of the model. Use it wherever a capacity is asked for."""
    @property
    def capacity(self) -> float:
        """Fraction of the full model's multiply-accumulates."""
    @property
    def requested(self) -> float:
        """The fraction that was asked for at compile time."""
    @property
    def macs(self) -> int:
        """Multiply-accumulates of one run."""
    @property
    def weight_bytes(self) -> int:
        """Shared weights that it reads."""
    @property
    def private_bytes(self) -> int:
        """Bytes that only it reads."""
    @property
    def delta_bytes(self) -> int:
        """What it reads of the file beyond the next smaller one."""
    @property
    def arena_bytes(self) -> int:
        """Activations and scratch of one session."""
    @property
    def accuracy(self) -> float | None:
        """Top-1 measured at compile time, 0 to 1."""
    @property
    def agreement(self) -> float | None:
        """Share of samples with the original's top-1, 0 to 1."""
    @property
    def latency_us(self) -> float | None:
        """On the compiling host, one thread."""
    @property
    def skipped(self) -> list[str]:
        """Residual blocks that it leaves out."""
    @property
    def input_extents(self) -> list[int]:
        """What it scales the input to first, one a spatial dimension; empty: nothing."""
    def __float__(self) -> float: ...

@final
class Target:
    """One image of machine code and what a CPU needs to run it."""
    @property
    def name(self) -> str:
        """x86-64-v3, aarch64+neon, ..."""
    @property
    def arch(self) -> str:
        """x86_64, aarch64."""
    @property
    def features(self) -> list[str]:
        """avx2, fma, ..."""
    @property
    def runnable(self) -> bool:
        """This CPU has all of them."""
    @property
    def selected(self) -> bool:
        """Sessions run this one."""

@final
class LiveTensor:
    """A tensor that passes from head to tail at a cut. Dense; images lie channels last."""
    @property
    def name(self) -> str:
        """ONNX node that computes it, or the model's input or output."""
    @property
    def dtype(self) -> str: ...
    @property
    def shape(self) -> tuple[int, ...]: ...
    @property
    def bytes(self) -> int: ...

@final
class Cut:
    """Where a run may be split: between blocks `index - 1` and `index`."""
    @property
    def index(self) -> int: ...
    @property
    def name(self) -> str:
        """ONNX node behind which it lies; empty for the first."""
    @property
    def live_bytes(self) -> int: ...
    @property
    def live_bytes_f16(self) -> int:
        """With floats as halves."""
    @property
    def live_bytes_int8(self) -> int:
        """With floats as one byte each."""
    @property
    def macs_before(self) -> int: ...
    @property
    def macs_after(self) -> int: ...
    @property
    def front_bytes(self) -> int:
        """Most activation bytes of any block before it."""
    @property
    def back_bytes(self) -> int:
        """And behind it."""
    @property
    def dominated(self) -> bool:
        """An earlier cut of the full capacity has no more live bytes."""
    @property
    def live(self) -> list[LiveTensor]: ...

@final
class Mixed:
    """Head and tail of different capacities that `nestorc compile --mixed` measured together."""
    @property
    def head(self) -> float: ...
    @property
    def tail(self) -> float: ...
    @property
    def cut(self) -> int: ...
    @property
    def accuracy(self) -> float:
        """Top-1, or without labels the agreement with the full capacity, 0 to 1."""

@final
class Artifact:
    """An opened .nest file. Immutable; threads may share it.

    verify="all" checks every byte that has a hash, "code" leaves the weights untouched. `target` runs the code of that
    target instead of the best one for this CPU. Native code in the file is trusted like a shared library.
    """
    @staticmethod
    def open(path: str | os.PathLike[str], *, verify: Literal["code", "all"] = "code", target: str = "") -> Artifact:
        """Maps a file."""
    @staticmethod
    def open_fd(
        fd: int, offset: int, length: int, *, verify: Literal["code", "all"] = "code", target: str = ""
    ) -> Artifact:
        """Maps a range of an open file; `offset` is a multiple of 64. The file may be closed afterwards."""
    @staticmethod
    def from_bytes(data: bytes, *, verify: Literal["code", "all"] = "code", target: str = "") -> Artifact:
        """Opens a copy of `data`."""
    def session(
        self,
        *,
        capacity: SupportsFloat = 1.0,
        threads: int = 1,
        memory_budget: int | None = None,
        blocks: tuple[int, int] | None = None,
    ) -> Session:
        """Buffers and threads to run the model. `capacity` is within 1e-3 of a stored one; threads=0 means one for every
        CPU that this process may use. Sessions share all weights.

        With a `memory_budget` in bytes, `minimum_budget` or more, the session keeps within it and reads weights ahead of
        the run. With `blocks=(first, end)` it has those blocks only, and touches no weights of others.
        """
    def variant(self, precision: str) -> Artifact:
        """The same model in another precision: "int8" where it was compiled with `--precision f32,int8`."""
    def cuts(self, capacity: SupportsFloat = 1.0) -> list[Cut]:
        """Where runs of a capacity may be split: number c lies in front of block c. Empty for files without blocks."""
    def stream_bytes(self, cut: int, *, dtype: Literal["f32", "f16", "int8"] = "f32") -> int:
        """The most bytes that `Session.run_head` gives at a cut, at any capacity."""
    def minimum_budget(self, capacity: SupportsFloat = 1.0) -> int:
        """The smallest `memory_budget` of a session that starts with that capacity."""
    @property
    def mixed(self) -> list[Mixed]:
        """Which capacities a tail may have that are not its head's."""
    @property
    def present_blocks(self) -> tuple[int, int]:
        """First and end of the blocks that the file has: all, unless `nestorc trim --blocks` left some out."""
    def verify(self) -> None:
        """Checks the hash of every section, weights included."""
    @property
    def model_name(self) -> str:
        """Name of the ONNX graph."""
    @property
    def producer(self) -> str:
        """The compiler and its version."""
    @property
    def inputs(self) -> list[TensorInfo]: ...
    @property
    def outputs(self) -> list[TensorInfo]: ...
    @property
    def capacities(self) -> list[Capacity]:
        """Ascending; the last one is the full model."""
    @property
    def targets(self) -> list[Target]: ...
    @property
    def file_bytes(self) -> int: ...
    @property
    def mapped_bytes(self) -> int:
        """Address space taken by the file and the code."""
    @property
    def complete(self) -> bool:
        """False when the file ends before its last capacities."""

@final
class Session:
    """Runs one artifact. Threads that share a session take turns; make one for each thread to run at the same time."""
    def run(
        self, feeds: dict[str, npt.NDArray[Any] | _DLPack], outputs: Iterable[str] | None = None
    ) -> dict[str, npt.NDArray[Any]]:
        """Copies in the inputs, runs, and gives new arrays of the outputs by name (of `outputs`, or of all).

        Types and shapes must be those of `Artifact.inputs`. Other Python threads run meanwhile.
        """
    def run_in_place(self) -> None:
        """Runs on what the arrays of `input` hold and shows the result in those of `output`. Copies nothing."""
    def run_head(
        self,
        cut: int,
        feeds: dict[str, npt.NDArray[Any] | _DLPack] | None = None,
        *,
        dtype: Literal["f32", "f16", "int8"] = "f32",
    ) -> bytes:
        """Runs the blocks before a cut, on `feeds` or on what the arrays of `input` hold, and gives the tensors that are
        alive there for `run_tail`, here or elsewhere: bytes that describe themselves, with floats kept as `dtype`."""
    def run_tail(
        self, cut: int, stream: Buffer, outputs: Iterable[str] | None = None
    ) -> dict[str, npt.NDArray[Any]]:
        """Runs the other blocks from what `run_head` gave, at the capacity of that head if this session ran it, otherwise
        at its own; gives outputs as `run` does. Nothing in `stream` is trusted: what is of another artifact or cut,
        truncated, or of a capacity that was not measured with this one is refused."""
    def run_blocks(
        self, first: int, end: int, stream: Buffer, *, dtype: Literal["f32", "f16", "int8"] = "f32"
    ) -> bytes:
        """Runs blocks [first, end): a part in the middle, from one cut's tensors to another's."""
    def upgrade(self, capacity: SupportsFloat) -> None:
        """Sets the capacity once its weights are in memory, which another thread sees to; until then runs go on at the
        present one. Setting a capacity or another upgrade cancels it."""
    @property
    def upgrade_progress(self) -> UpgradeProgress: ...
    def release_unused(self) -> None:
        """Gives back memory that the capacity does not need, after a change to a smaller one."""
    @property
    def last_capacity(self) -> float:
        """Of the run that computed the outputs."""
    @property
    def blocks(self) -> tuple[int, int]:
        """First and end of those that the session can run; `run` needs all."""
    @property
    def predicted(self) -> StreamPrediction | None:
        """How the session runs its capacity within its memory budget; None without one."""
    def input(self, key: int | str) -> npt.NDArray[Any]:
        """The buffer of an input as a writable array, which keeps the session alive. Nothing is copied; for other
        libraries it supports DLPack. Ask once and keep it."""
    def output(self, key: int | str) -> npt.NDArray[Any]:
        """The buffer of an output, as `input`. The next run changes it."""
    @property
    def capacity(self) -> float:
        """Of the runs that begin next. Setting it copies nothing and is allowed from any thread at any moment."""
    @capacity.setter
    def capacity(self, value: SupportsFloat, /) -> None: ...
    @property
    def threads(self) -> int: ...
    @property
    def memory_bytes(self) -> int:
        """Memory of this session: activations, scratch, inputs and outputs; with a memory budget also weights."""

@final
class UpgradeProgress:
    """How far `Session.upgrade` is."""
    @property
    def state(self) -> Literal["none", "running", "done", "cancelled", "failed"]:
        """After "failed" the next run says why."""
    @property
    def capacity(self) -> float:
        """That is upgraded to."""
    @property
    def bytes_done(self) -> int: ...
    @property
    def bytes_total(self) -> int: ...

@final
class StreamPrediction:
    """Estimates of how a session runs within its memory budget."""
    @property
    def peak_bytes(self) -> int:
        """What it holds; never above the budget."""
    @property
    def pinned_bytes(self) -> int:
        """Weights that stay from run to run."""
    @property
    def streamed_bytes(self) -> int:
        """Weights that every run reads."""
    @property
    def buffer_bytes(self) -> int:
        """Where they are read to."""
    @property
    def reads(self) -> int:
        """Parts in which they are read."""
    @property
    def us(self) -> float:
        """One run, in microseconds."""
    @property
    def stall_us(self) -> float:
        """Of that, waiting for weights."""
