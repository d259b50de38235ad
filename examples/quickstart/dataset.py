#!/usr/bin/python3
# Part of Nestor. SPDX-License-Identifier: Apache-2.0
"""Writes Fashion-MNIST's test images (or, with --train, its training images)
as .npz: `image` float32 [N,1,28,28] as the model expects it, and, unless --count
asks for the first N images without their labels, `y` int64 [N]."""
import argparse
import gzip

import numpy as np

DATA = "/usr/share/datasets/fashion-mnist"
MEAN, STD = 0.2860, 0.3530  # as in train.py


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--train", action="store_true")
    parser.add_argument("--count", type=int, help="the first N images, unlabelled")
    parser.add_argument("-o", "--output", required=True)
    args = parser.parse_args()
    split = "train" if args.train else "t10k"
    with gzip.open(f"{DATA}/{split}-images-idx3-ubyte.gz") as f:
        images = np.frombuffer(f.read(), np.uint8, offset=16).reshape(-1, 1, 28, 28)
    with gzip.open(f"{DATA}/{split}-labels-idx1-ubyte.gz") as f:
        labels = np.frombuffer(f.read(), np.uint8, offset=8)
    x = (images.astype(np.float32) / 255 - MEAN) / STD
    arrays = {"image": x.astype(np.float32)[:args.count]}
    if args.count is None:
        arrays["y"] = labels.astype(np.int64)
    np.savez(args.output, **arrays)
    print(f"{args.output}: {len(arrays['image'])} images")


if __name__ == "__main__":
    main()
