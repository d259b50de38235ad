# Part of Nestor. SPDX-License-Identifier: Apache-2.0
"""RNN, GRU and LSTM at opset 22, step by step from the equations."""

import numpy as np

from cases import Case, f32, random

T, B, I, H = 4, 3, 2, 5


def sigmoid(v):
    return 1 / (1 + np.exp(-v))


def weights(name, gates, directions):
    shapes = (("w", (directions, gates * H, I)), ("r", (directions, gates * H, H)), ("b", (directions, 2 * gates * H)))
    return [random(name + part, *shape, low=-0.8, high=0.8) for part, shape in shapes]


def scan(x, step, state, reverse, lengths=None):
    """Each sequence on its own; a step maps (x, state) to a state that starts with h."""
    y, last = np.zeros((T, B, H)), []
    for b in range(B):
        steps = range(T if lengths is None else lengths[b])
        current = [s[b] for s in state]
        for t in reversed(steps) if reverse else steps:
            current = step(x[t, b], current)
            y[t, b] = current[0]
        last.append(current)
    return y, [np.stack(part) for part in zip(*last)]


def both(x, steps, state, lengths=None):
    """Forward, then reverse, stacked as ONNX does: Y [T, D, B, H] and last states [D, B, H]."""
    runs = [scan(x, step, [s[d] for s in state], d == 1, lengths) for d, step in enumerate(steps)]
    return [f32(np.stack([y for y, _ in runs], 1))] + [f32(np.stack(part)) for part in zip(*(last for _, last in runs))]


x = random("sequence", T, B, I)
lengths = np.array([4, 2, 3], np.int32)


def rnn_step(w, r, b):
    return lambda v, s: [np.tanh(w @ v + r @ s[0] + b[:H] + b[H:])]


def gru_step(w, r, b, linear_before_reset):
    def step(v, s):
        h = s[0]
        from_input, bias = w @ v + b[:3 * H], b[3 * H:]
        z = sigmoid(from_input[:H] + r[:H] @ h + bias[:H])
        reset = sigmoid(from_input[H:2 * H] + r[H:2 * H] @ h + bias[H:2 * H])
        if linear_before_reset:
            recurrent = reset * (r[2 * H:] @ h + bias[2 * H:])
        else:
            recurrent = r[2 * H:] @ (reset * h) + bias[2 * H:]
        return [(1 - z) * np.tanh(from_input[2 * H:] + recurrent) + z * h]
    return step


def lstm_step(w, r, b, peephole):
    def step(v, s):
        h, c = s
        i, o, f, g = np.split(w @ v + r @ h + b[:4 * H] + b[4 * H:], 4)
        p_i, p_o, p_f = np.split(peephole, 3)
        i, f = sigmoid(i + p_i * c), sigmoid(f + p_f * c)
        c = f * c + i * np.tanh(g)
        return [sigmoid(o + p_o * c) * np.tanh(c), c]
    return step


def doubles(*arrays):
    return [a.astype(np.float64) for a in arrays]


def zeros(directions):
    return np.zeros((directions, B, H))


w, r, b = weights("rnn", 1, 2)
steps = [rnn_step(*doubles(w[d], r[d], b[d])) for d in (0, 1)]
Case("bidirectional", "RNN", 22, [x, w, r, b], both(x, steps, [zeros(2)]), hidden_size=H, direction="bidirectional")

w, r, b = weights("gru", 3, 1)
h0 = random("gru-h", 1, B, H)
for flag in (0, 1):
    step = gru_step(*doubles(w[0], r[0], b[0]), flag)
    Case(f"linear{flag}", "GRU", 22, [x, w, r, b, lengths, h0], both(x, [step], [h0.astype(np.float64)], lengths),
         hidden_size=H, linear_before_reset=flag)

w, r, b = weights("lstm", 4, 2)
h0, c0, p = random("lstm-h", 2, B, H), random("lstm-c", 2, B, H), random("lstm-p", 2, 3 * H)
steps = [lstm_step(*doubles(w[d], r[d], b[d], p[d])) for d in (0, 1)]
Case("all", "LSTM", 22, [x, w, r, b, lengths, h0, c0, p], both(x, steps, doubles(h0, c0), lengths),
     hidden_size=H, direction="bidirectional")
step = lstm_step(*doubles(w[0], r[0], b[0]), np.zeros(3 * H))
Case("plain", "LSTM", 22, [x, w[:1], r[:1], b[:1]], both(x, [step], [zeros(1), zeros(1)]), hidden_size=H)
