# Part of Nestor. SPDX-License-Identifier: Apache-2.0
"""ONNX Runtime, inputs and outputs bound to the caller's memory."""
import collections
import json
import os
import tempfile
import time

import numpy as np
import onnxruntime

from peers.engines import Engine


class OnnxRuntime(Engine):
    @staticmethod
    def prepare(model, folder):
        return model

    def __init__(self, path, threads, feeds, options=None):
        self.path, self.threads, self.feeds = path, threads, feeds
        options = options or onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        self.binding = self.session.io_binding()
        for name, array in feeds.items():
            self.binding.bind_cpu_input(name, array)
        # The first run tells the shapes; the others write there.
        self.results = [onnxruntime.OrtValue.ortvalue_from_numpy(array) for array in self.session.run(None, feeds)]
        for value, result in zip(self.session.get_outputs(), self.results):
            self.binding.bind_ortvalue_output(value.name, result)

    def run(self):
        self.session.run_with_iobinding(self.binding)

    def outputs(self):
        return [result.numpy() for result in self.results]

    @staticmethod
    def version():
        return onnxruntime.__version__

    def layers(self, seconds):
        options = onnxruntime.SessionOptions()
        options.enable_profiling = True
        with tempfile.TemporaryDirectory() as folder:
            options.profile_file_prefix = os.path.join(folder, "profile")
            profiled = OnnxRuntime(self.path, self.threads, self.feeds, options)
            end = time.perf_counter() + seconds
            while time.perf_counter() < end:
                profiled.run()
            with open(profiled.session.end_profiling()) as file:
                events = json.load(file)
        times, kinds = collections.defaultdict(list), {}
        for event in events:
            if event["cat"] == "Node" and event["name"].endswith("_kernel_time"):
                name = event["name"].removesuffix("_kernel_time")
                times[name].append(event["dur"])
                kinds[name] = event["args"]["op_name"]
        return [(name, kinds[name], float(np.median(runs))) for name, runs in times.items()]


def reference(model, inputs, outputs):
    """Draws inputs for a network, and computes the outputs that all engines should have."""
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    rng = np.random.default_rng(1)
    feeds = {value.name: rng.standard_normal(value.shape).astype(np.float32) for value in session.get_inputs()}
    np.savez(inputs, **feeds)
    np.savez(outputs, *session.run(None, feeds))


ENGINE = OnnxRuntime
