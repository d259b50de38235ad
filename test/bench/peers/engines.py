# Part of Nestor. SPDX-License-Identifier: Apache-2.0
"""What an engine is, and which there are."""
import abc
import importlib

# In the order of the columns. The library itself is imported by the worker only.
MODULES = {name: f"peers.engine_{name}" for name in ("nestor", "onnxruntime", "ncnn", "mnn", "openvino")}
PEERS = [name for name in MODULES if name != "nestor"]


class Engine(abc.ABC):
    """One network, loaded, with its input in the caller's memory.

    A run goes from inputs in the caller's memory to outputs that the caller can
    read, with the fewest copies that the engine's interface allows; all compute
    in fp32 and start with as many threads as they are told.
    """

    @staticmethod
    @abc.abstractmethod
    def prepare(model, folder):
        """Converts an ONNX file ahead of time: the path that the constructor takes.

        What is in `folder` already is kept. Raises RuntimeError with the
        converter's message where the network cannot be converted.
        """

    @abc.abstractmethod
    def __init__(self, path, threads, feeds):
        """`feeds` are the inputs by name, fp32 arrays, which stay alive and unchanged."""

    @abc.abstractmethod
    def run(self):
        """One inference: what is timed."""

    @abc.abstractmethod
    def outputs(self):
        """The outputs of the last run as arrays, in the order of the ONNX file."""

    @staticmethod
    @abc.abstractmethod
    def version():
        """Of the library."""

    def layers(self, seconds):
        """Where a run spends its time: a list of (layer, kind, microseconds), in order."""
        raise RuntimeError("this engine tells no times of its layers")


def engine(name):
    """The class of an engine; imports its library."""
    return importlib.import_module(MODULES[name]).ENGINE
