# Part of Nestor. SPDX-License-Identifier: Apache-2.0
"""MNN. A run copies in and out, since that is where its layouts are made and undone."""
import os
import subprocess
import sys
import time

import MNN
import MNN.expr
import MNN.nn
import numpy as np

from peers.engines import Engine


def host_tensor(array):
    return MNN.Tensor(array.shape, MNN.Halide_Type_Float, array, MNN.Tensor_DimensionType_Caffe)


class Mnn(Engine):
    @staticmethod
    def prepare(model, folder):
        converted = os.path.join(folder, os.path.basename(model).replace(".onnx", ".mnn"))
        if not os.path.exists(converted):
            command = [os.path.join(os.path.dirname(sys.executable), "mnnconvert"), "-f", "ONNX", "--modelFile", model,
                       "--MNNModel", converted, "--bizCode", "bench"]
            done = subprocess.run(command, capture_output=True, text=True)
            if not os.path.exists(converted):  # It exits with 0 whatever happens.
                raise RuntimeError(f"mnnconvert: {(done.stdout + done.stderr).strip()[-400:]}")
        return converted

    def __init__(self, path, threads, feeds):
        self.module = None
        self.interpreter = MNN.Interpreter(path)
        # "normal" is fp32; "low" would take bf16 where the CPU has it.
        self.session = self.interpreter.createSession({"backend": "CPU", "precision": "normal", "numThread": threads})
        inputs = self.interpreter.getSessionInputAll(self.session)
        for name, array in feeds.items():
            if tuple(inputs[name].getShape()) != array.shape:
                self.interpreter.resizeTensor(inputs[name], array.shape)
                self.interpreter.resizeSession(self.session)
        self.feeds = [(inputs[name], host_tensor(array), array) for name, array in feeds.items()]
        self.results = []
        for tensor in self.interpreter.getSessionOutputAll(self.session).values():
            array = np.zeros(tensor.getShape(), np.float32)
            self.results.append((tensor, host_tensor(array)))
            if array.size == 0:  # Networks with loops inside, such as LSTM, have no session.
                self.open_module(path, threads)

    def open_module(self, path, threads):
        names = [list(tensors(self.session)) for tensors in (self.interpreter.getSessionInputAll,
                                                             self.interpreter.getSessionOutputAll)]
        manager = MNN.nn.create_runtime_manager(({"backend": 0, "precision": "normal", "numThread": threads},))
        self.module = MNN.nn.load_module_from_file(path, *names, runtime_manager=manager)
        self.variables = []
        for _, _, array in self.feeds:
            self.variables.append(MNN.expr.const(array.flatten().tolist(), list(array.shape), MNN.expr.NCHW))

    def run_module(self):
        self.results = [variable.read() for variable in self.module.forward(self.variables)]

    def run(self):
        if self.module:
            return self.run_module()
        for tensor, host, _ in self.feeds:
            tensor.copyFrom(host)
        self.interpreter.runSession(self.session)
        for tensor, host in self.results:
            tensor.copyToHostTensor(host)

    def outputs(self):
        if self.module:
            return [np.array(result) for result in self.results]
        return [np.array(host.getNumpyData()) for _, host in self.results]

    @staticmethod
    def version():
        return MNN.version()

    def layers(self, seconds):
        if self.module:
            return super().layers(seconds)
        order, times, started = [], {}, [0]

        def begin(tensors, info):
            started[0] = time.perf_counter_ns()
            return True

        def end(tensors, info):
            spent = time.perf_counter_ns() - started[0]
            key = (info.getName(), info.getType())
            if key not in times:
                order.append(key)
            times.setdefault(key, []).append(spent)
            return True

        for tensor, host, _ in self.feeds:
            tensor.copyFrom(host)
        for _ in range(20):
            self.interpreter.runSessionWithCallBackInfo(self.session, begin, end)
        return [(*key, float(np.median(times[key])) / 1e3) for key in order]


ENGINE = Mnn
