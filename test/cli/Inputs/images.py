# Part of Nestor. SPDX-License-Identifier: Apache-2.0
"""Images for inputs.test, in the folder given.

make DIR    bytes.npy (uint8, channels last) and floats.npy, the same normalised, for conv.onnx;
            for fashion_resnet.onnx a batch of four, batch.npy, and its images, 0.npy to 3.npy
split DIR   from batch.npz, what the batch gave: expect0.npz to expect3.npz, and eval.npz,
            the uint8 images with the classes that they were given"""
import sys

import numpy as np

action, folder = sys.argv[1:]
random = np.random.default_rng(2)
image = random.integers(0, 256, [1, 3, 8, 8], np.uint8)
# Rough garments: noise alone is one class to the model.
batch = random.integers(0, 20, [4, 1, 28, 28], np.uint8)
batch[0, 0, 2:26, 8:20] = 200  # A dress.
batch[1, 0, 2:26, 8:13] = batch[1, 0, 2:26, 15:20] = 200  # Trousers.
batch[2, 0, 14:22, 1:27] = 200  # A shoe.
batch[3, 0, 4:26, 3:25] = 200  # A bag.

if action == "make":
    mean = np.array([1, 2, 3], np.float32).reshape(1, 3, 1, 1)
    np.save(f"{folder}/bytes.npy", np.ascontiguousarray(image.transpose(0, 2, 3, 1)))
    np.save(f"{folder}/floats.npy", (image * np.float32(0.5) - mean) / np.float32(2))
    floats = ((batch * np.float32(1 / 255) - np.float32(0.286)) / np.float32(0.353))
    np.save(f"{folder}/batch.npy", floats.astype(np.float32))
    for i in range(4):
        np.save(f"{folder}/{i}.npy", floats[i : i + 1].astype(np.float32))
else:
    logits = np.load(f"{folder}/batch.npz")["logits"]
    for i in range(4):
        np.savez(f"{folder}/expect{i}.npz", logits=logits[i : i + 1])
    classes = logits.argmax(1)
    assert len(set(classes)) > 1, f"every image is of class {classes[0]}"
    np.savez(f"{folder}/eval.npz", image=batch, y=classes)
