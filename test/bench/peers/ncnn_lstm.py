# Part of Nestor. SPDX-License-Identifier: Apache-2.0
"""Finishes what pnnx leaves of an ONNX LSTM.

pnnx writes ONNX's LSTM with its weights as inputs, which ncnn does not have. The
layer is rewritten with weights of its own, for networks of one LSTM, forward,
that starts from zero, and of which the last state is used.
"""
import numpy as np

ONNX_GATES_IN_NCNN_ORDER = [0, 2, 1, 3]  # Input, forget, output, cell; ONNX has input, output, forget, cell.
RAW = np.zeros(1, np.uint32).tobytes()  # Before weights: they are floats.


class Layer:
    def __init__(self, line):
        self.type, self.name, bottoms, tops, *rest = line.split()
        self.bottoms, rest = rest[:int(bottoms)], rest[int(bottoms):]
        self.tops, self.parameters = rest[:int(tops)], rest[int(tops):]

    def elements(self):
        """Of a MemoryData: the product of its extents."""
        return int(np.prod([int(parameter.split("=")[1]) for parameter in self.parameters]))

    def line(self):
        return " ".join([self.type, self.name, str(len(self.bottoms)), str(len(self.tops)), *self.bottoms, *self.tops,
                         *self.parameters])


def finish_lstm(base):
    """Rewrites base.param and base.bin; leaves files without an LSTM as they are."""
    with open(base + ".param") as file:
        magic, _, *lines = file.read().splitlines()
    layers = [Layer(line) for line in lines]
    lstm = next((layer for layer in layers if layer.type == "LSTM"), None)
    if lstm is None or len(lstm.bottoms) < 4:
        return
    with open(base + ".bin", "rb") as file:
        constants, rest = {}, file.read()
    for layer in layers:
        if layer.type == "MemoryData":  # They lie before the weights of other layers.
            size = 4 * layer.elements()
            constants[layer.tops[0]], rest = np.frombuffer(rest[:size], np.float32), rest[size:]
    input_weights, state_weights, biases = (constants[name] for name in lstm.bottoms[1:4])
    hidden = len(biases) // 8

    def gates(array):
        return array.reshape(4, hidden, -1)[ONNX_GATES_IN_NCNN_ORDER].tobytes()

    with open(base + ".bin", "wb") as file:
        for weights in (input_weights, sum(np.split(biases, 2)), state_weights):
            file.write(RAW + gates(weights))
        file.write(rest)
    source = next(layer for layer in layers if layer.type == "Input")
    user = next(layer for layer in layers if layer.type == "InnerProduct")
    user.bottoms = ["state"]
    inner = f"LSTM lstm 1 3 {source.tops[0]} all state cell 0={hidden} 1={len(input_weights)} 2=0"
    with open(base + ".param", "w") as file:
        file.write("\n".join([magic, "3 5", source.line(), inner, user.line()]) + "\n")
