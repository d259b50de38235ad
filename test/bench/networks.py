#!/usr/bin/python3
# Part of Nestor. SPDX-License-Identifier: Apache-2.0
"""Exports the 14 networks of the benchmark to ONNX (opset 13, batch 1).

Weights are random, batch-norm statistics are calibrated on a random batch so
that activations keep an ordinary range. Needs Debian's python3-torch,
python3-torchvision and python3-onnx.

    networks.py -o DIR [NAME...]
"""
import argparse
import math
import os
import warnings

import onnx
import torch
import torch.nn.functional as F
import torchvision.models as zoo
from torch import nn

warnings.filterwarnings("ignore")
IMAGE = (1, 3, 224, 224)


class BasicBlock(nn.Module):
    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.norm1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(outputs)
        same = stride == 1 and inputs == outputs
        self.shortcut = nn.Sequential() if same else nn.Sequential(
            nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, x):
        y = self.norm2(self.conv2(F.relu(self.norm1(self.conv1(x)))))
        return F.relu(y + self.shortcut(x))


class CifarResNet(nn.Module):
    """ResNet-(6n+2) for 32x32 images, 1x1 convolutions as shortcuts."""

    def __init__(self, n):
        super().__init__()
        layers, inputs = [nn.Conv2d(3, 16, 3, 1, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU()], 16
        for outputs, stride in ((16, 1), (32, 2), (64, 2)):
            for k in range(n):
                layers.append(BasicBlock(inputs, outputs, stride if k == 0 else 1))
                inputs = outputs
        self.layers, self.classifier = nn.Sequential(*layers), nn.Linear(64, 10)

    def forward(self, x):
        return self.classifier(F.adaptive_avg_pool2d(self.layers(x), 1).flatten(1))


class DsCnn(nn.Module):
    """MLPerf-Tiny keyword spotting: 49x10 features, depthwise separable."""

    def __init__(self):
        super().__init__()

        def conv(inputs, outputs, kernel, stride, pad, groups=1):
            return [nn.Conv2d(inputs, outputs, kernel, stride, pad, groups=groups, bias=False),
                    nn.BatchNorm2d(outputs), nn.ReLU()]

        layers = conv(1, 64, (10, 4), (2, 2), (5, 1))
        for _ in range(4):
            layers += conv(64, 64, 3, 1, 1, 64) + conv(64, 64, 1, 1, 0)
        self.layers, self.classifier = nn.Sequential(*layers), nn.Linear(64, 12)

    def forward(self, x):
        return F.softmax(self.classifier(F.adaptive_avg_pool2d(self.layers(x), 1).flatten(1)), 1)


class LeNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(1, 6, 5, padding=2), nn.Conv2d(6, 16, 5)
        self.fc1, self.fc2, self.fc3 = nn.Linear(400, 120), nn.Linear(120, 84), nn.Linear(84, 10)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)
        x = F.max_pool2d(F.relu(self.conv2(x)), 2).flatten(1)
        return self.fc3(F.relu(self.fc2(F.relu(self.fc1(x)))))


class HarLstm(nn.Module):
    def __init__(self):
        super().__init__()
        self.lstm, self.classifier = nn.LSTM(9, 64, batch_first=True), nn.Linear(64, 6)
        self.register_buffer("h0", torch.zeros(1, 1, 64))

    def forward(self, x):
        _, (h, _) = self.lstm(x, (self.h0, self.h0))
        return self.classifier(h[0])


class EncoderLayer(nn.Module):
    """A BERT-style encoder layer, normalisation after the residual."""

    def __init__(self, width=384, heads=12, hidden=1536):
        super().__init__()
        self.heads, self.width = heads, width
        self.q, self.k, self.v, self.out = (nn.Linear(width, width) for _ in range(4))
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.up, self.down = nn.Linear(width, hidden), nn.Linear(hidden, width)

    def forward(self, x):
        batch, steps, head = 1, 128, self.width // self.heads

        def split(y):
            return y.reshape(batch, steps, self.heads, head).permute(0, 2, 1, 3)

        q, k, v = split(self.q(x)), split(self.k(x)), split(self.v(x))
        y = torch.softmax(q @ k.transpose(-1, -2) / math.sqrt(head), -1) @ v
        x = self.norm1(x + self.out(y.permute(0, 2, 1, 3).reshape(batch, steps, self.width)))
        return self.norm2(x + self.down(F.gelu(self.up(x))))


def shufflenet():
    """torchvision's, with the channel split and shuffle written statically."""
    def block(self, x):
        if self.stride == 1:
            half = int(x.shape[1]) // 2
            y = torch.cat((x[:, :half], self.branch2(x[:, half:])), 1)
        else:
            y = torch.cat((self.branch1(x), self.branch2(x)), 1)
        n, c, h, w = (int(v) for v in y.shape)
        return y.view(n, 2, c // 2, h, w).transpose(1, 2).reshape(n, c, h, w)

    def forward(self, x):
        x = self.stage4(self.stage3(self.stage2(self.maxpool(self.conv1(x)))))
        return self.fc(F.adaptive_avg_pool2d(self.conv5(x), 1).flatten(1))

    zoo.shufflenetv2.InvertedResidual.forward = block
    zoo.shufflenetv2.ShuffleNetV2.forward = forward
    return zoo.shufflenet_v2_x1_0()


NETWORKS = {
    "mobilenet_v2": (zoo.mobilenet_v2, IMAGE),
    "resnet18": (zoo.resnet18, IMAGE),
    "resnet50": (zoo.resnet50, IMAGE),
    "squeezenet1_1": (zoo.squeezenet1_1, IMAGE),
    "efficientnet_b0": (zoo.efficientnet_b0, IMAGE),
    "vgg16": (zoo.vgg16, IMAGE),
    "mobilenet_v3_small": (zoo.mobilenet_v3_small, IMAGE),
    "shufflenet_v2_x1_0": (shufflenet, IMAGE),
    "cifar_resnet20": (lambda: CifarResNet(3), (1, 3, 32, 32)),
    "cifar_resnet56": (lambda: CifarResNet(9), (1, 3, 32, 32)),
    "ds_cnn_kws": (DsCnn, (1, 1, 49, 10)),
    "lenet5": (LeNet, (1, 1, 28, 28)),
    "lstm_har": (HarLstm, (1, 128, 9)),
    "minilm6_384_s128": (lambda: nn.Sequential(*(EncoderLayer() for _ in range(6))), (1, 128, 384)),
}


def calibrate(model, sample):
    """Sets batch-norm statistics from one batch."""
    norms = [m for m in model.modules() if isinstance(m, nn.BatchNorm2d)]
    model.eval()
    for norm in norms:
        norm.momentum = 1.0
        norm.train()
    if norms:
        with torch.no_grad():
            model(sample)
    return model.eval()


def export(name, path):
    torch.manual_seed(0)
    make, shape = NETWORKS[name]
    model = make()
    calibrate(model, torch.randn((4,) + tuple(shape[1:])))
    torch.onnx.export(model, torch.randn(shape), path, opset_version=13, input_names=["input"],
                      output_names=["output"], do_constant_folding=True)
    onnx.checker.check_model(onnx.load(path))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-o", "--output", required=True)
    parser.add_argument("names", nargs="*", metavar="NAME", help="all by default")
    args = parser.parse_args()
    os.makedirs(args.output, exist_ok=True)
    for name in args.names or NETWORKS:
        export(name, f"{args.output}/{name}.onnx")
        print(f"{name}: {os.path.getsize(f'{args.output}/{name}.onnx')} bytes", flush=True)


if __name__ == "__main__":
    main()
