# Part of Nestor. SPDX-License-Identifier: Apache-2.0
"""The interface of onnxruntime, so that a program changes one line to run a .nest file."""
from __future__ import annotations

import os
import warnings
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, SupportsFloat

import numpy.typing as npt

from ._nestor import Artifact, TensorInfo

_ONNX_TYPES = {"float32": "float", "float64": "double"}  # The others are called alike.


class NodeArg(NamedTuple):
    """Name, shape and type of an input or output; the type is spelled as in "tensor(float)"."""

    name: str
    shape: list[int]
    type: str


class SessionOptions:
    """Those of onnxruntime that mean something here; onnxruntime's own object will do too."""

    intra_op_num_threads: int = 0
    """Threads of a run; 0: one for every CPU that this process may use."""


def _node_arg(tensor: TensorInfo) -> NodeArg:
    return NodeArg(tensor.name, list(tensor.shape), f"tensor({_ONNX_TYPES.get(tensor.dtype, tensor.dtype)})")


class InferenceSession:
    """Runs a .nest file with the calls of `onnxruntime.InferenceSession`.

    `path_or_bytes` is a path or the file's contents. Beyond onnxruntime there is `capacity`, here and as a property.
    Threads may share it and take turns. Raises `NestorError`.
    """

    def __init__(
        self,
        path_or_bytes: str | os.PathLike[str] | bytes,
        sess_options: Any = None,
        providers: Sequence[Any] | None = None,
        provider_options: Sequence[Any] | None = None,
        *,
        capacity: SupportsFloat = 1.0,
    ) -> None:
        names = [provider if isinstance(provider, str) else provider[0] for provider in providers or ()]
        if names and "CPUExecutionProvider" not in names:
            warnings.warn(f"nestor runs on the CPU, not on {', '.join(names)}", stacklevel=2)
        options = SessionOptions() if sess_options is None else sess_options
        if isinstance(path_or_bytes, bytes):
            self._artifact = Artifact.from_bytes(path_or_bytes)
        else:
            self._artifact = Artifact.open(path_or_bytes)
        self._session = self._artifact.session(capacity=capacity, threads=options.intra_op_num_threads)

    def run(
        self, output_names: Sequence[str] | None, input_feed: Mapping[str, npt.NDArray[Any]], run_options: Any = None
    ) -> list[npt.NDArray[Any]]:
        """The outputs that are named, in that order; all for None."""
        results = self._session.run(dict(input_feed), output_names or None)
        return [results[name] for name in output_names] if output_names else list(results.values())

    def get_inputs(self) -> list[NodeArg]:
        return [_node_arg(tensor) for tensor in self._artifact.inputs]

    def get_outputs(self) -> list[NodeArg]:
        return [_node_arg(tensor) for tensor in self._artifact.outputs]

    def get_providers(self) -> list[str]:
        return ["CPUExecutionProvider"]

    @property
    def capacity(self) -> float:
        """Of the runs that begin next; may be set at any moment."""
        return self._session.capacity

    @capacity.setter
    def capacity(self, value: SupportsFloat) -> None:
        self._session.capacity = value
