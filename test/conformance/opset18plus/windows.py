# Part of Nestor. SPDX-License-Identifier: Apache-2.0
"""Convolutions, poolings and resizes, by loops over every element of the result."""

import itertools
import math

import numpy as np

from cases import Case, Constant, f32, random


def positions(shape):
    return itertools.product(*map(range, shape))


def conv(x, w, strides, pads, dilations, groups):
    rank = x.ndim - 2
    padded = np.pad(x.astype(np.float64), [(0, 0), (0, 0)] + [(pads[i], pads[i + rank]) for i in range(rank)])
    out = [(padded.shape[i + 2] - dilations[i] * (w.shape[i + 2] - 1) - 1) // strides[i] + 1 for i in range(rank)]
    y = np.zeros((x.shape[0], w.shape[0], *out))
    per_group = w.shape[0] // groups
    for n, o, *at in positions(y.shape):
        for c, *tap in positions(w.shape[1:]):
            source = tuple(a * s + t * d for a, s, t, d in zip(at, strides, tap, dilations))
            y[(n, o, *at)] += padded[(n, o // per_group * w.shape[1] + c, *source)] * w[(o, c, *tap)]
    return y


x = random("conv", 2, 4, 6, 5)
w = random("filter", 6, 2, 3, 2)
b = random("conv-bias", 6)
Case("groups", "Conv", 22, [x, w, b],
     [f32(conv(x, w, (2, 1), (1, 0, 2, 1), (1, 2), 2) + b[:, None, None])],
     group=2, strides=[2, 1], pads=[1, 0, 2, 1], dilations=[1, 2])
line, taps = random("line", 1, 3, 9), random("taps", 2, 3, 3)
Case("1d", "Conv", 22, [line, taps], [f32(conv(line, taps, (1,), (1, 1), (1,), 1))], auto_pad="SAME_UPPER")


def conv_transpose(x, w, strides, pads, output_padding):
    rank = x.ndim - 2
    full = [(x.shape[i + 2] - 1) * strides[i] + w.shape[i + 2] + output_padding[i] for i in range(rank)]
    y = np.zeros((x.shape[0], w.shape[1], *full))
    for n, c, *at in positions(x.shape):
        for o, *tap in positions(w.shape[1:]):
            target = tuple(a * s + t for a, s, t in zip(at, strides, tap))
            y[(n, o, *target)] += float(x[(n, c, *at)]) * w[(c, o, *tap)]
    crop = tuple(slice(pads[i], full[i] - pads[i + rank]) for i in range(rank))
    return y[(slice(None), slice(None), *crop)]


w = random("transposed", 4, 3, 3, 3)
Case("", "ConvTranspose", 22, [x, w], [f32(conv_transpose(x, w, (2, 2), (1, 1, 1, 0), (1, 0)))],
     strides=[2, 2], pads=[1, 1, 1, 0], output_padding=[1, 0])


def pool(x, reduce, kernel, strides, pads=(0, 0, 0, 0), dilations=(1, 1), ceil=False):
    """`reduce` gets the taps inside the input and the number inside the padded one."""
    out = []
    for i in range(2):
        span = x.shape[i + 2] + pads[i] + pads[i + 2] - dilations[i] * (kernel[i] - 1) - 1
        extent = (math.ceil if ceil else math.floor)(span / strides[i]) + 1
        # A last window that would start in the end padding is left out.
        if ceil and (extent - 1) * strides[i] >= x.shape[i + 2] + pads[i]:
            extent -= 1
        out.append(extent)
    y = np.zeros((*x.shape[:2], *out))
    for n, c, *at in positions(y.shape):
        values, padded = [], 0
        for tap in positions(kernel):
            source = [a * s + t * d - p for a, s, t, d, p in zip(at, strides, tap, dilations, pads)]
            if all(0 <= v < e for v, e in zip(source, x.shape[2:])):
                values.append(float(x[(n, c, *source)]))
            padded += all(-pads[i] <= v < x.shape[i + 2] + pads[i + 2] for i, v in enumerate(source))
        y[(n, c, *at)] = reduce(np.array(values), padded)
    return f32(y)


def mean(values, _):
    return values.mean()


def mean_padded(values, padded):
    return values.sum() / padded


def norm(p):
    return lambda values, _: (np.abs(values) ** p).sum() ** (1 / p)


image = random("pool", 1, 2, 7, 8)
for opset in (19, 22):
    Case("dilations", "AveragePool", opset, [image], [pool(image, mean, (2, 3), (2, 1), (1, 1, 0, 1), (2, 2))],
         kernel_shape=[2, 3], strides=[2, 1], pads=[1, 1, 0, 1], dilations=[2, 2])
    Case("ceil", "AveragePool", opset, [image], [pool(image, mean, (2, 2), (2, 3), ceil=True)],
         kernel_shape=[2, 2], strides=[2, 3], ceil_mode=1)
    Case("include-pad", "AveragePool", opset, [image], [pool(image, mean_padded, (3, 3), (2, 2), (1, 1, 1, 1))],
         kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1], count_include_pad=1)
for opset in (18, 22):
    Case("", "LpPool", opset, [image], [pool(image, norm(3), (2, 3), (2, 2), (1, 0, 0, 1))],
         kernel_shape=[2, 3], strides=[2, 2], pads=[1, 0, 0, 1], p=3)
    Case("dilations", "LpPool", opset, [image], [pool(image, norm(2), (2, 2), (1, 1), dilations=(2, 3))],
         kernel_shape=[2, 2], dilations=[2, 3])
    Case("ceil", "LpPool", opset, [image], [pool(image, norm(2), (2, 2), (2, 2), ceil=True)],
         kernel_shape=[2, 2], strides=[2, 2], ceil_mode=1)
Case("", "MaxPool", 22, [image], [pool(image, lambda v, _: v.max(), (3, 2), (2, 3), (1, 0, 1, 0), ceil=True)],
     kernel_shape=[3, 2], strides=[2, 3], pads=[1, 0, 1, 0], ceil_mode=1)
Case("", "GlobalAveragePool", 22, [image], [f32(image.astype(np.float64).mean((2, 3), keepdims=True))])
Case("", "GlobalMaxPool", 22, [image], [image.max((2, 3), keepdims=True)])
Case("", "GlobalLpPool", 22, [image],
     [f32((np.abs(image.astype(np.float64)) ** 3).sum((2, 3), keepdims=True) ** (1 / 3))], p=3)
Case("", "MaxUnpool", 22, [f32([[[[1, 2], [3, 4]]]]), np.array([[[[5, 7], [13, 15]]]])],
     [f32([[[[0, 0, 0, 0], [0, 1, 0, 2], [0, 0, 0, 0], [0, 3, 0, 4]]]])], kernel_shape=[2, 2], strides=[2, 2])


def linear(row, coordinate):
    """Between the two neighbours of a coordinate, the border repeated."""
    low = math.floor(coordinate)
    at = [row[min(max(i, 0), len(row) - 1)] for i in (low, low + 1)]
    return at[0] + (coordinate - low) * (at[1] - at[0])


def resize_last(values, coordinates):
    return np.stack([np.apply_along_axis(linear, -1, values.astype(np.float64), c) for c in coordinates], -1)


small = random("resize", 1, 2, 3, 4)
wide = f32(resize_last(small, [(i + 0.5) / 2 - 0.5 for i in range(8)]))
for opset in (18, 19):
    Case("axes", "Resize", opset, [small, None, None, Constant([8])], [wide], mode="linear", axes=[3])
    # Keep the aspect ratio: the factor is 2 in both dimensions, 5/3 and 8/4 being the limits.
    Case("not-smaller", "Resize", opset, [small, None, None, Constant([5, 8])],
         [small.repeat(2, 2).repeat(2, 3)], axes=[2, 3], keep_aspect_ratio_policy="not_smaller",
         coordinate_transformation_mode="asymmetric", mode="nearest", nearest_mode="floor")
# Halving with antialiasing: the triangle is four positions wide, border repeated.
row = f32([[[[1, 2, 4, 8, 16, 32]]]])
bordered = np.concatenate([row[0, 0, 0, :1], row[0, 0, 0], row[0, 0, 0, -1:]]).astype(np.float64)
halved = [np.dot(bordered[i:i + 4], [0.125, 0.375, 0.375, 0.125]) for i in (0, 2, 4)]
Case("antialias", "Resize", 18, [row, None, Constant([1, 1, 1, 0.5], np.float32)], [f32([[[halved]]])],
     mode="linear", antialias=1)
# half_pixel_symmetric keeps the centre where 0.6 * 4 is rounded down to 2.
four = f32([[[[1, 2, 3, 4]]]])
offset = 4 / 2 * (1 - 2 / 2.4)
Case("symmetric", "Resize", 19, [four, None, Constant([1, 1, 1, 0.6], np.float32)],
     [f32([[[[linear(four[0, 0, 0], offset + (i + 0.5) / np.float32(0.6) - 0.5) for i in (0, 1)]]]])],
     mode="linear", coordinate_transformation_mode="half_pixel_symmetric")
