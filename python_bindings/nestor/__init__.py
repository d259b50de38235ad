# Part of Nestor. SPDX-License-Identifier: Apache-2.0
"""Runs .nest artifacts: one file that holds several sizes of a neural network.

    artifact = nestor.Artifact.open("model.nest")
    session = artifact.session(capacity=0.5, threads=2)
    scores = session.run({"image": image})["logits"]
    session.capacity = 1.0                            # microseconds, nothing is copied

`nestor.InferenceSession` has the interface of onnxruntime's; `nestor.compile` calls the compiler where it is installed.
"""
from importlib.metadata import version as _version

from ._compile import compile
from ._error import NestorError
from ._inference_session import InferenceSession, NodeArg, SessionOptions
from ._nestor import (
    Artifact, Capacity, Cut, LiveTensor, Mixed, Session, StreamPrediction, Target, TensorInfo, UpgradeProgress,
)

__version__ = _version("nestor")
__all__ = [
    "Artifact", "Capacity", "Cut", "InferenceSession", "LiveTensor", "Mixed", "NestorError", "NodeArg", "Session",
    "SessionOptions", "StreamPrediction", "Target", "TensorInfo", "UpgradeProgress", "compile",
]
