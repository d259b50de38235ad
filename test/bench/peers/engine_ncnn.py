# Part of Nestor. SPDX-License-Identifier: Apache-2.0
"""ncnn, converted by pnnx, with its storage in fp32."""
import os
import shutil
import subprocess
import tempfile
import time

import ncnn
import numpy as np

from peers.engines import Engine
from peers.ncnn_lstm import finish_lstm

SHORT_STORAGE = ["use_fp16_packed", "use_fp16_storage", "use_fp16_arithmetic", "use_bf16_packed", "use_bf16_storage"]


def pnnx():
    """The converter is a program; its package would import PyTorch, which it does not need."""
    site = os.path.dirname(os.path.dirname(ncnn.__file__))
    return os.path.join(site, "pnnx", "pnnx")


class Ncnn(Engine):
    @staticmethod
    def prepare(model, folder):
        name = os.path.basename(model).removesuffix(".onnx")
        converted = os.path.join(folder, name)
        if not os.path.exists(converted + ".param"):
            with tempfile.TemporaryDirectory(dir=folder) as scratch:  # It writes nine files beside the model.
                copy = shutil.copy(model, scratch)
                done = subprocess.run([pnnx(), copy, "fp16=0"], capture_output=True, text=True, cwd=scratch)
                if not os.path.exists(os.path.join(scratch, f"{name}.ncnn.param")):
                    raise RuntimeError(f"pnnx: {(done.stdout + done.stderr).strip()[-400:]}")
                finish_lstm(os.path.join(scratch, f"{name}.ncnn"))
                shutil.move(os.path.join(scratch, f"{name}.ncnn.bin"), converted + ".bin")
                shutil.move(os.path.join(scratch, f"{name}.ncnn.param"), converted + ".param")
        return converted

    def __init__(self, path, threads, feeds):
        self.net = self.load(path, threads)
        self.path, self.threads = path, threads
        # Without the batch, which its tensors do not have.
        self.feeds = [(name, ncnn.Mat(array[0]), array) for name, array in zip(self.net.input_names(), feeds.values())]
        # pnnx calls outputs so; what nobody reads is listed, too.
        self.names = [name for name in self.net.output_names() if name.startswith("out")]
        self.results = []

    @staticmethod
    def load(path, threads, lightmode=True):
        ncnn.set_omp_dynamic(0)
        ncnn.set_omp_num_threads(threads)
        net = ncnn.Net()
        net.opt.num_threads, net.opt.lightmode, net.opt.use_vulkan_compute = threads, lightmode, False
        for option in SHORT_STORAGE:
            setattr(net.opt, option, False)
        if net.load_param(path + ".param") != 0 or net.load_model(path + ".bin") != 0:
            raise RuntimeError(f"ncnn cannot load {path}.param")
        return net

    def run(self):
        extractor = self.net.create_extractor()
        for name, mat, _ in self.feeds:
            extractor.input(name, mat)
        self.results = [extractor.extract(name) for name in self.names]

    def outputs(self):
        for name, (code, _) in zip(self.names, self.results):
            if code != 0:
                raise RuntimeError(f"ncnn cannot compute {name}")
        return [np.array(mat)[None] for _, mat in self.results]

    @staticmethod
    def version():
        return ncnn.__version__

    def layers(self, seconds):
        """Extracts one layer after the other, each of which computes only what is missing."""
        net = self.load(self.path, self.threads, lightmode=False)
        layers = [layer for layer in net.layers() if layer.tops and layer.type != "Input"]
        blobs, times = net.blobs(), {}
        for _ in range(10):
            extractor = net.create_extractor()
            for name, mat, _ in self.feeds:
                extractor.input(name, mat)
            for layer in layers:
                start = time.perf_counter_ns()
                extractor.extract(blobs[layer.tops[0]].name, 1)  # 1: in the layout that it has.
                times.setdefault(layer.name, []).append(time.perf_counter_ns() - start)
        return [(layer.name, layer.type, float(np.median(times[layer.name])) / 1e3) for layer in layers]


ENGINE = Ncnn
