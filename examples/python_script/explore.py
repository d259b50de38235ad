#!/usr/bin/env python3
# Part of Nestor. SPDX-License-Identifier: Apache-2.0
"""A look at an artifact, cell by cell: run it as a script, or open it in an editor that knows "# %%" cells.

    ./explore.py model.nest [samples.npz]
"""
# %% What is in the file
import sys
import time

import nestor
import numpy as np

artifact = nestor.Artifact.open(sys.argv[1] if len(sys.argv) > 1 else "model.nest")
print(artifact)
for tensor in artifact.inputs + artifact.outputs:
    print(" ", tensor)

# %% One session for everything: it switches in microseconds
session = artifact.session(threads=1)
image = artifact.inputs[0]
if len(sys.argv) > 2:
    samples = np.load(sys.argv[2])["x"].astype(image.dtype)
else:
    samples = np.random.default_rng(0).standard_normal((64, *image.shape[1:])).astype(image.dtype)

# %% Every capacity on the same samples, without copying results
x, y = session.input(0), session.output(0)


def classify(capacity):
    """The class of every sample and the microseconds of one run."""
    session.capacity = capacity
    classes, start = [], time.perf_counter()
    for sample in samples:
        x[0] = sample
        session.run_in_place()
        classes.append(int(y.argmax()))
    return np.array(classes), (time.perf_counter() - start) / len(samples) * 1e6


full, _ = classify(artifact.capacities[-1])
print(f"{'capacity':>8} {'MACs':>12} {'us':>8} {'agrees with the full model':>27}")
for capacity in artifact.capacities:
    classes, us = classify(capacity)
    print(f"{float(capacity):8.2f} {capacity.macs:12,} {us:8.1f} {np.mean(classes == full):27.1%}")

# %% A program written for onnxruntime changes one line
drop_in = nestor.InferenceSession(sys.argv[1] if len(sys.argv) > 1 else "model.nest")
(scores, *_) = drop_in.run(None, {drop_in.get_inputs()[0].name: samples[:1]})
print("scores of the first sample:", np.array2string(scores.ravel()[:10], precision=3))
