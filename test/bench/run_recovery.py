#!/usr/bin/env python3
# Part of Nestor. SPDX-License-Identifier: Apache-2.0
"""What recovery wins back: compiles the labelled models of ../shared with four
capacities and scores every capacity on samples that recovery never saw.

  run_recovery.py --nestorc build/release/bin/nestorc [--rows har,kws] [--top exact] [--minutes-scale 0.5]

Needs numpy and Pillow, ../shared (or --shared DIR), and for the row `fashion`
Debian's dataset-fashion-mnist. Data and artifacts land in build/bench/recovery. One row of
the table is one command line, which is printed before it runs.
"""
import argparse
import json
import pathlib
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
WORK = REPOSITORY / "build/bench/recovery"
IMAGENET = ["--scale", "0.00392156862745098", "--mean", "0.5", "--std", "0.5"]
CIFAR = ["--scale", "0.00392156862745098", "--mean", "0.485,0.456,0.406", "--std", "0.229,0.224,0.225"]
AUGMENT = ["--augment", "flip,shift=4"]

# name: model, recovery flags, data flags, [(data, evaluation)], minutes a part
ROWS = {
    "resnet20-solve": ("resnet20_cifar10", ["--recover", "solve"], CIFAR, [("cifar_512", "cifar_test")], 1),
    "resnet20-distill": ("resnet20_cifar10", ["--recover", "distill"], CIFAR + AUGMENT,
                         [("cifar_train", "cifar_test")], 45),
    "resnet20-freeze-grow": ("resnet20_cifar10", ["--recover", "freeze-grow"], CIFAR + AUGMENT,
                             [("cifar_train", "cifar_test")], 45),
    "har": ("har_cnn1d", ["--recover", "distill"], [], [("har_train", "har_test")], 5),
    "kws": ("kws_ds_cnn", ["--recover", "distill"], [], [(f"kws_{i}", f"kws_test_{i}") for i in range(5)], 3),
    # A quarter of MobileNetV2 is out of reach of 250 images: without it the others learn better. The rate is
    # the better of two on held-out images.
    "mobilenet_v2": ("mobilenet_v2_imagenet", ["--recover", "distill", "--capacities", "0.5,0.75,1"],
                     IMAGENET + ["--augment", "flip,shift=16", "--learning-rate", "0.0003"],
                     [("imagenet_0", "imagenet_test_0"), ("imagenet_1", "imagenet_test_1")], 30),
    "fashion": ("fashion", ["--recover", "distill"], [], [("fashion_train", "fashion_test")], 10),
}


def save(name, **arrays):
    np.savez(WORK / f"{name}.npz", **arrays)


def prepare_data(shared):
    """Writes every .npz that is not there yet."""
    WORK.mkdir(parents=True, exist_ok=True)

    def make(tar, name, *flags):
        if not (WORK / f"{name}.npz").exists():
            subprocess.run([sys.executable, shared / "data/make_npz.py", shared / "data" / tar,
                            WORK / f"{name}.npz", *flags], check=True)
        return np.load(WORK / f"{name}.npz")

    train = make("cifar10jpeg/train.tar", "cifar_train")
    make("cifar10jpeg/test.tar", "cifar_test")
    save("cifar_512", x=train["x"][:512])
    images = make("imagenet/val500.tar", "imagenet", "--size", "224", "--label-offset", "1")
    for half in range(2):
        own, other = slice(half * 250, half * 250 + 250), slice(250 - half * 250, 500 - half * 250)
        save(f"imagenet_{half}", x=images["x"][own])
        save(f"imagenet_test_{half}", x=images["x"][other], y=images["y"][other])
    kws = np.load(shared / "data/kws/calib.npz")
    shuffled = np.random.default_rng(0).permutation(len(kws["x"]))
    # Equal samples, of which the set has a few, lie side by side, so that one
    # fold has them all.
    first = {}
    for i in shuffled:
        first.setdefault(kws["x"][i].tobytes(), len(first))
    shuffled = np.array(sorted(shuffled, key=lambda i: first[kws["x"][i].tobytes()]))
    for fold, held in enumerate(np.split(shuffled, 5)):
        rest = np.setdiff1d(shuffled, held)
        save(f"kws_{fold}", x=kws["x"][rest], y=kws["y"][rest])
        save(f"kws_test_{fold}", x=kws["x"][held], y=kws["y"][held])
    for part in ("train", "test"):
        har = np.load(shared / f"data/har/{part}.npz")
        save(f"har_{part}", x=har["x"], y=har["y"])
        if not (WORK / f"fashion_{part}.npz").exists():
            flags = ["--train"] if part == "train" else []
            subprocess.run([sys.executable, REPOSITORY / "examples/quickstart/dataset.py", *flags,
                            "-o", WORK / f"fashion_{part}.npz"], check=True)


def model_path(name, shared):
    if name == "fashion":
        return REPOSITORY / "examples/quickstart/fashion_resnet.onnx"
    return shared / f"models/{name}.onnx"


def compile_part(options, row, data, evaluation):
    model, recovery, flags, _, minutes = ROWS[row]
    command = [options.nestorc, "compile", model_path(model, options.shared), "-o", WORK / f"{row}-{data}.nest",
               *recovery, *flags, "--data", WORK / f"{data}.npz", "--eval", WORK / f"{evaluation}.npz", "--json",
               "--report", WORK / f"{row}-{data}.html", *options.extra]
    command += ["--threads", str(max(1, 2 // options.jobs))]
    if row != "resnet20-solve":
        command += ["--minutes", str(minutes * options.minutes_scale)]
    if "freeze-grow" in row:
        command += ["--top", "free"]
    elif options.top:
        command += ["--top", options.top]
    command = [str(word) for word in command]
    print("$", " ".join(command), file=sys.stderr, flush=True)
    start = time.monotonic()
    answer = subprocess.run(command, stdout=subprocess.PIPE, check=True)
    return json.loads(answer.stdout), time.monotonic() - start


def compile_original(options, row):
    """The model as it was given."""
    model = ROWS[row][0]
    plain = WORK / f"{model}-plain.nest"
    subprocess.run([str(w) for w in [options.nestorc, "compile", model_path(model, options.shared), "-o", plain,
                                     "--capacities", "1"]], check=True, stdout=subprocess.DEVNULL)
    return plain


def score(options, row, artifact, evaluation):
    """Correct samples, and how many there are."""
    flags = ROWS[row][2]
    data_flags = flags[:6] if flags else []
    nestor = pathlib.Path(options.nestorc).with_name("nestor")
    answer = subprocess.run([str(w) for w in [nestor, "eval", artifact, "--data", WORK / f"{evaluation}.npz", "--json",
                                              *data_flags]], check=True, stdout=subprocess.PIPE)
    result = json.loads(answer.stdout)["results"][-1]
    return round(result["top1"] * result["samples"]), result["samples"]


def run_row(options, row):
    correct, samples, reference, seconds = {}, 0, 0, []
    parts, plain = ROWS[row][3], compile_original(options, row)
    with ThreadPoolExecutor(options.jobs) as pool:
        outcomes = list(pool.map(lambda part: compile_part(options, row, *part), parts))
    for (_, evaluation), (report, elapsed) in zip(parts, outcomes):
        right, count = score(options, row, plain, evaluation)
        reference, samples = reference + right, samples + count
        seconds.append(elapsed)
        for capacity, result in zip(report["capacities"], report["results"]):
            key = round(capacity.get("requested", capacity["capacity"]), 4)
            correct[key] = correct.get(key, 0) + round(result["top1"] * result["samples"])
    top = 100 * reference / samples
    cells = " | ".join(f"{k:g}: {100 * v / samples:.2f} ({100 * v / samples - top:+.2f})" for k, v in
                       sorted(correct.items()))
    print(f"| {row} | T = {top:.2f} ({reference}/{samples}) | {cells} | {max(seconds):.0f} s a part |", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nestorc", default=str(REPOSITORY / "build/release/bin/nestorc"))
    parser.add_argument("--shared", type=pathlib.Path, default=REPOSITORY.parent / "shared")
    parser.add_argument("--rows", default=",".join(ROWS))
    parser.add_argument("--top", help="exact, tolerance or free; default: nestorc's")
    parser.add_argument("--minutes-scale", type=float, default=1, help="of the time that each row has")
    parser.add_argument("--jobs", type=int, default=1, help="parts of a row at once, which share two threads")
    parser.add_argument("extra", nargs="*", help="more flags for nestorc, after --")
    options = parser.parse_args()
    prepare_data(options.shared)
    for row in options.rows.split(","):
        run_row(options, row)


if __name__ == "__main__":
    main()
