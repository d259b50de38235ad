# Part of Nestor. SPDX-License-Identifier: Apache-2.0
"""The runtime, a C++ extension. Everything raises `NestorError`."""
import os
from collections.abc import Iterable
from typing import Any, Literal, Protocol, SupportsFloat, final

import numpy as np
import numpy.typing as npt

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
    def session(self, *, capacity: SupportsFloat = 1.0, threads: int = 1) -> Session:
        """Buffers and threads to run the model. `capacity` is within 1e-3 of a stored one; threads=0 means one for every
        CPU that this process may use. Sessions share all weights."""
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
        """Memory of this session: activations, scratch, inputs and outputs."""
