#!/usr/bin/env python3
# Part of Nestor. SPDX-License-Identifier: Apache-2.0
"""Writes what v1.nest was made of: v1.onnx, v1_input.npz and v1_expected.npz
(what torch computes, not Nestor). Needs Debian's python3-torch, python3-onnx.

v1.nest pins version 1 of the format: every later runtime runs it, so it is
never written again. It was made with

    ./make_v1.py -o DIR
    nestorc compile DIR/v1.onnx --target x86-64-v2 --target aarch64+neon -o v1.nest
"""
import argparse
import os

import numpy as np
import torch
from torch import nn


class Net(nn.Module):
    """One of everything that a plan is made of: convolutions of each kind, a
    residual add, pooling, a matrix product, softmax, and two outputs."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 12, 3, 2, 1, bias=False), nn.BatchNorm2d(12), nn.ReLU())
        self.block = nn.Sequential(
            nn.Conv2d(12, 12, 3, 1, 1, groups=12), nn.ReLU6(), nn.Conv2d(12, 12, 1), nn.Hardswish())
        self.pool = nn.MaxPool2d(2)
        self.widen = nn.Conv2d(12, 20, 3, 1, 1)
        self.head = nn.Linear(20 * 4, 10)

    def forward(self, image):
        x = self.stem(image)
        x = self.pool(x + self.block(x))
        x = torch.sigmoid(self.widen(x))
        features = nn.functional.avg_pool2d(x, 2).flatten(1)
        return torch.softmax(self.head(features), 1), features


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-o", "--output", default=".", help="folder")
    folder = parser.parse_args().output
    torch.manual_seed(1)
    net = Net()
    # Batch norm with statistics of its own, as after training.
    for _ in range(8):
        net(torch.rand(16, 3, 16, 16))
    net.eval()
    image = torch.rand(1, 3, 16, 16)
    with torch.no_grad():
        scores, features = net(image)
    np.savez(os.path.join(folder, "v1_input.npz"), image=image.numpy())
    np.savez(os.path.join(folder, "v1_expected.npz"), scores=scores.numpy(), features=features.numpy())
    torch.onnx.export(net, image, os.path.join(folder, "v1.onnx"), opset_version=14,
                      input_names=["image"], output_names=["scores", "features"])


main()
