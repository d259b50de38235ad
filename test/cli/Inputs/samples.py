# Part of Nestor. SPDX-License-Identifier: Apache-2.0
"""Samples for tiny.onnx: 8x8 images whose brightest quadrant is their class.

samples.py OUT.npz COUNT SEED [WHAT...]: uint8 images with labels y, or, by WHAT,
  unlabelled   no y                       floats     as the model takes them
  x            named x, not image         last       channels last
  nan          floats, a NaN in sample 3  classes    the label of sample 5 is 4
  wide         8x9 images                 ints       int64 images
  short        one label too few          other      under a name that the model lacks"""
import sys

import numpy as np


def quadrants(random, count):
    labels = random.integers(0, 4, count)
    images = random.integers(0, 120, [count, 3, 8, 8])
    for image, label in zip(images, labels):
        top, left = label // 2 * 4, label % 2 * 4
        image[:, top : top + 4, left : left + 4] += 20
    return images.astype(np.uint8), labels


def main():
    out, count, seed, what = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4:]
    images, labels = quadrants(np.random.default_rng(seed), count)
    if "floats" in what or "nan" in what:
        images = (images / 255 - 0.5).astype(np.float32)
    if "nan" in what:
        images[3, 1, 2, 3] = np.nan
    if "classes" in what:
        labels[5] = 4
    if "wide" in what:
        images = np.repeat(images, 2, axis=3)[..., :9]
    if "last" in what:
        images = images.transpose(0, 2, 3, 1)
    if "ints" in what:
        images = images.astype(np.int64)
    if "short" in what:
        labels = labels[:-1]
    name = "x" if "x" in what else "other" if "other" in what else "image"
    arrays = {name: images} if "unlabelled" in what else {name: images, "y": labels}
    np.savez(out, **arrays)


if __name__ == "__main__":
    main()
