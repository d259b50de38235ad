# Part of Nestor. SPDX-License-Identifier: Apache-2.0
"""OpenVINO, for the latency of one request. It would take bf16 where the CPU has it."""
import openvino

from peers.engines import Engine


class OpenVino(Engine):
    @staticmethod
    def prepare(model, folder):
        return model

    def __init__(self, path, threads, feeds, profiled=False):
        self.path, self.threads, self.feeds = path, threads, feeds
        options = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32", "NUM_STREAMS": 1,
                   "INFERENCE_NUM_THREADS": threads, "ENABLE_CPU_PINNING": False, "PERF_COUNT": profiled}
        self.model = openvino.Core().compile_model(path, "CPU", options)
        self.request = self.model.create_infer_request()
        for name, array in feeds.items():
            self.request.set_tensor(name, openvino.Tensor(array, shared_memory=True))

    def run(self):
        self.request.infer(share_outputs=True)

    def outputs(self):
        return [self.request.get_tensor(output).data for output in self.model.outputs]

    @staticmethod
    def version():
        return openvino.__version__

    def layers(self, seconds):
        profiled = OpenVino(self.path, self.threads, self.feeds, profiled=True)
        for _ in range(20):
            profiled.run()
        return [(node.node_name, f"{node.node_type} {node.exec_type}", node.real_time.total_seconds() * 1e6)
                for node in profiled.request.profiling_info if node.real_time.total_seconds() > 0]


ENGINE = OpenVino
