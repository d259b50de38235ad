# Part of Nestor. SPDX-License-Identifier: Apache-2.0
"""A network that ends in a global pooling, and smooth images that a smaller copy shows as well.

pooled.py DIR: pooled.mlir, data.npz and many.npz"""
import sys

import numpy as np

random = np.random.default_rng(1)
SIDE, CHANNELS = 24, 32


def constant(name, shape, spread):
    values = np.array2string(random.normal(0, spread, shape), separator=", ", threshold=10**6, max_line_width=10**6)
    return f"  %{name} = nest.const dense<{values}> : tensor<{'x'.join(map(str, shape))}xf32>"


def conv(name, source, filter, extents, taps, inputs, outputs):
    both = lambda value: f"array<i64: {value}, {value}>"
    image = lambda channels: f"tensor<1x{extents}x{extents}x{channels}xf32>"
    return (f"  %{name} = nest.conv %{source}, %{filter} {{kernel = {both(taps)}, strides = {both(1)}, "
            f"dilations = {both(1)}, padBegin = {both(taps // 2)}, padEnd = {both(taps // 2)}, groups = 1}}\n"
            f"    : ({image(inputs)}, tensor<{taps}x{taps}x{inputs}x{outputs}xf32>) -> {image(outputs)} loc(\"{name}\")")


def relu(name, source):
    image = f"tensor<1x{SIDE}x{SIDE}x{CHANNELS}xf32>"
    return (f"  %{name} = nest.map %{source} : {image} -> {image} {{\n  ^bb0(%p: f32):\n"
            f"    %zero = arith.constant 0.0 : f32\n    %s = arith.maximumf %p, %zero : f32\n"
            f"    nest.yield %s : f32\n  }} loc(\"{name}\")")


model = "\n".join([
    f'func.func @main(%x: tensor<1x{SIDE}x{SIDE}x1xf32> {{nest.name = "x"}})'
    ' -> (tensor<1x1x1x8xf32> {nest.name = "scores"}) {',
    constant("f0", [3, 3, 1, CHANNELS], 0.3), constant("f1", [3, 3, CHANNELS, CHANNELS], 0.1),
    constant("f2", [1, 1, CHANNELS, 8], 1),
    conv("first", "x", "f0", SIDE, 3, 1, CHANNELS), relu("relu0", "first"),
    conv("second", "relu0", "f1", SIDE, 3, CHANNELS, CHANNELS), relu("relu1", "second"),
    f"  %mean = nest.reduce %relu1 {{kind = #nest.reduce_kind<mean>, axes = array<i64: 1, 2>}} : "
    f"(tensor<1x{SIDE}x{SIDE}x{CHANNELS}xf32>) -> tensor<1x1x1x{CHANNELS}xf32>",
    conv("scores", "mean", "f2", 1, 1, CHANNELS, 8), "  return %scores : tensor<1x1x1x8xf32>", "}", ""])
open(sys.argv[1] + "/pooled.mlir", "w").write(model)

y, x = np.mgrid[0:SIDE, 0:SIDE] * (2 * np.pi / SIDE)
waves = np.stack([np.sin(x), np.cos(x), np.sin(y), np.cos(y), np.sin(x + y), np.cos(x - y)])
images = np.tensordot(random.normal(size=[48, len(waves)]), waves, 1)
images = images[..., None].astype(np.float32)
np.savez(sys.argv[1] + "/data.npz", x=images)
np.savez(sys.argv[1] + "/many.npz", x=np.resize(images, (10000, *images.shape[1:])))
