#!/usr/bin/env python3
# Part of Nestor. SPDX-License-Identifier: Apache-2.0
"""Training speed against PyTorch: forward and backward of the softmax cross-entropy.

    test/bench/run_training.py [--repeats 7] [--steps 3] [NAME]

NAME is a network of networks.py (cifar_resnet20). Nestor trains it with batch norms folded, as it does in recovery;
torch runs channels_last, once with batch norms folded too and once with them in training mode. The engines take turns
of --steps steps, so that a change of the machine's speed meets all of them; the ratio is the median over the turns.
Needs Debian's python3-torch and python3-torchvision, and the target nestor_train_bench.
"""
import argparse
import copy
import os
import statistics
import subprocess
import sys
import time

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

import networks

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
WORK = os.path.join(HERE, "work")


def fold(model):
    """Batch norms into the convolutions before them, wherever those are neighbours in the order of definition."""
    model = copy.deepcopy(model).eval()
    for module in list(model.modules()):
        children = list(module.named_children())
        for (name, conv), (after, norm) in zip(children, children[1:]):
            if isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                setattr(module, name, fuse_conv_bn_eval(conv, norm))
                setattr(module, after, nn.Identity())
    return model


class Torch:
    def __init__(self, model, images, labels):
        self.model = model.to(memory_format=torch.channels_last)
        self.images = images.contiguous(memory_format=torch.channels_last)
        self.labels = labels
        self.loss = self.time(1)[0]

    def time(self, steps):
        start = time.perf_counter()
        for _ in range(steps):
            self.model.zero_grad(set_to_none=True)
            loss = F.cross_entropy(self.model(self.images), self.labels)
            loss.backward()
        return loss.item(), (time.perf_counter() - start) / steps


class Nestor:
    def __init__(self, binary, model, images, threads):
        path = os.path.join(WORK, "images.f32")
        images.numpy().astype(np.float32).tofile(path)
        self.process = subprocess.Popen([binary, model, str(len(images)), str(threads), path], text=True,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.loss = self.time(1)[0]

    def time(self, steps):
        self.process.stdin.write(f"{steps}\n")
        self.process.stdin.flush()
        reply = self.process.stdout.readline()
        if not reply:
            sys.exit("run_training: nestor_train_bench ended; its message is above")
        loss, seconds = map(float, reply.split())
        return loss, seconds


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binaries", default=os.path.join(ROOT, "build", "release", "bin"))
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--steps", type=int, default=3, help="per engine and repeat")
    parser.add_argument("name", nargs="?", default="cifar_resnet20")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    os.makedirs(os.path.join(WORK, "networks"), exist_ok=True)
    onnx = os.path.join(WORK, "networks", f"{args.name}.onnx")
    networks.export(args.name, onnx)
    torch.manual_seed(0)
    make, shape = networks.NETWORKS[args.name]
    model = networks.calibrate(make(), torch.randn((4,) + tuple(shape[1:])))
    images = torch.randn((args.batch,) + tuple(shape[1:]))
    classes = model(images[:1]).shape[1]
    labels = torch.arange(args.batch) % classes
    engines = {
        "nestor": Nestor(os.path.join(args.binaries, "nestor_train_bench"), onnx, images, args.threads),
        "torch, folded": Torch(fold(model), images, labels),
        "torch, batch norm": Torch(copy.deepcopy(model).train(), images, labels),
    }
    if abs(engines["nestor"].loss - engines["torch, folded"].loss) > 1e-3 * abs(engines["nestor"].loss):
        sys.exit(f"run_training: the losses differ: {engines['nestor'].loss}, {engines['torch, folded'].loss}")
    times = {name: [] for name in engines}
    for _ in range(args.repeats):
        for name, engine in engines.items():
            times[name].append(engine.time(args.steps)[1])
    print("| engine | images/s (best / median) | Nestor / engine |\n|---|---|---|")
    for name, runs in times.items():
        ratio = statistics.median(a / b for a, b in zip(runs, times["nestor"]))
        print(f"| {name} | {args.batch / min(runs):.0f} / {args.batch / statistics.median(runs):.0f} | {ratio:.2f} |")


if __name__ == "__main__":
    main()
