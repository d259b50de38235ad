#!/usr/bin/python3
# Part of Nestor. SPDX-License-Identifier: Apache-2.0
"""Do all models take nested capacities? Compiles every model of ../shared with
four of them and `--recover affine`, verifies each capacity, and prints what
fraction of the full model's MACs each one has, and what the file holds: shared
weight bytes over those of the model's constants, private bytes of all
capacities, and code with manifest, in kB.

  run_capacities.py [--build build/release] [--shared DIR] [NAME...]

A fraction in bold lies outside (C - 0.02, C]; `whole` then names the nodes that do not shrink.
The labelled models get samples of their data sets; the others random ones, like
the recorded input of the model: as its mean and deviation, or integers in its
range. Needs numpy and Pillow. Exits with 1 where a compile or a check fails.
"""
import argparse
import json
import pathlib
import subprocess
import sys
import tempfile

import numpy as np

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
CAPACITIES = [0.25, 0.5, 0.75, 1]
SAMPLES = 64
# Files that no capacities are expected of: what is not in ONNX.
EXCEPTIONS = ("sklearn_randomforest",)
# Images: file, flags of make_npz.py, scale, mean, std.
IMAGES = {
    "resnet20_cifar10": ("cifar10jpeg/test.tar", [], 1 / 255, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    "mobilenet_v2_imagenet": ("imagenet/val500.tar", ["--size", "224"], 1 / 255, (0.5,), (0.5,)),
    "squeezenet_v1.1_imagenet": ("imagenet/val500.tar", ["--size", "227", "--bgr"], 1, (104, 117, 123), (1,)),
}
# Of models without a recorded input: that of their only one.
SHAPES = {"honk_cnn_one_fstride4": (1, 101, 40)}
ARRAYS = {"har_cnn1d": "har/train.npz", "kws_ds_cnn": "kws/calib.npz"}


def run(*command):
    return subprocess.run([str(word) for word in command], capture_output=True, text=True)


def image_samples(shared, name, folder):
    tar, flags, scale, mean, std = IMAGES[name]
    made = folder / "images.npz"
    subprocess.run(["/usr/bin/python3", shared / "data/make_npz.py", shared / "data" / tar, made, "--count",
                    str(SAMPLES), *flags], check=True)
    mean, std = (np.reshape(v, (-1, 1, 1)) for v in (mean, std))
    return {"x": ((np.load(made)["x"] * scale - mean) / std).astype(np.float32)}


def random_samples(golden):
    """Samples like the recorded input, and the shapes that it has."""
    rng, arrays, shapes = np.random.default_rng(0), {}, []
    for number, info in enumerate(json.loads((golden / "meta.json").read_text())["inputs"]):
        recorded = np.fromfile(golden / f"input_{number}.bin", info["type"])
        # A state or a scalar is whole in each sample.
        shape = (SAMPLES, *info["shape"][info["shape"][:1] == [1]:])
        if info["type"] == "float32":
            arrays[info["name"]] = rng.normal(recorded.mean(), recorded.std(), shape).astype(np.float32)
        else:
            drawn = rng.integers(recorded.min(), recorded.max(), shape, endpoint=True)
            arrays[info["name"]] = drawn.astype(info["type"])
        if info["shape"]:
            shapes += ["--shape", f"{info['name']}={','.join(map(str, info['shape']))}"]
    return arrays, shapes


def samples_of(name, shared, folder):
    if name in IMAGES:
        return image_samples(shared, name, folder), []
    if name in ARRAYS:
        return {"x": np.load(shared / "data" / ARRAYS[name])["x"][:SAMPLES]}, []
    if name in SHAPES:
        return {"x": np.random.default_rng(0).normal(size=(SAMPLES, *SHAPES[name])).astype(np.float32)}, []
    return random_samples(shared / "models/wild/golden" / name)


def sizes_of(report):
    shared = report["capacities"][-1]["weight_bytes"] / report["model_bytes"]
    private = sum(entry["private_bytes"] for entry in report["capacities"])
    code = sum(section["bytes"] for section in report["sections"] if section["name"].startswith("code"))
    return f"{shared:.3f}", f"{private / 1e3:.1f}", f"{(code + report['manifest_bytes']) / 1e3:.1f}"


def sweep(model, options, folder):
    """Compiles and verifies one model: the cells of its row, and whether it did."""
    nestorc = pathlib.Path(options.build) / "bin/nestorc"
    arrays, shapes = samples_of(model.stem, options.shared, folder)
    np.savez(folder / "samples.npz", **arrays)
    artifact = folder / "m.nest"
    compiled = run(nestorc, "compile", model, "-o", artifact, "--recover", "affine", "--data", folder / "samples.npz",
                   "--capacities", ",".join(map(str, CAPACITIES)), "--optimize", "size", "--json", *shapes)
    if compiled.returncode:
        return ["-"] * (len(CAPACITIES) + 4) + [compiled.stderr.strip().splitlines()[-1]], False
    report = json.loads(compiled.stdout)
    full, cells, missed = report["capacities"][-1]["macs"], [], False
    for capacity in CAPACITIES:
        macs = [entry["macs"] for entry in report["capacities"] if abs(entry["requested"] - capacity) < 1e-6]
        reached = macs[0] / max(full, 1) if macs else None
        good = reached is not None and capacity - 0.02 < reached <= capacity * (1 + 1e-9)
        missed |= not good
        cells.append(f"{reached:.3f}" if good else f"**{reached:.3f}**" if macs else "**merged**")
    # verify takes samples that are batches; states have the shape of all their layers.
    batches = all(array.ndim > 1 for array in arrays.values())
    data = ["--data", folder / "samples.npz", "--samples", options.samples] if batches else []
    checked = run(nestorc, "verify", artifact, "--onnx", model, "--json", *data, *shapes)
    passed = checked.returncode == 0
    verified = "yes" if passed else "no: " + (checked.stderr.strip().splitlines() or ["error too large"])[-1]
    whole = "; ".join(f"{entry['node']} ({entry['reason']})" for entry in report["whole"]) if missed else ""
    return cells + [verified, *sizes_of(report), whole], passed


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default=str(REPOSITORY / "build/release"))
    parser.add_argument("--shared", type=pathlib.Path, default=REPOSITORY.parent / "shared")
    parser.add_argument("--samples", type=int, default=2, help="that verify evaluates")
    parser.add_argument("names", nargs="*", metavar="NAME")
    options = parser.parse_args()
    models = sorted(options.shared.glob("models/*.onnx")) + sorted(options.shared.glob("models/wild/*.onnx"))
    chosen = [m for m in models if (m.stem in options.names if options.names else m.stem not in EXCEPTIONS)]
    print("| model | " + " | ".join(map(str, CAPACITIES)) + " | verified | shared / model | private kB "
          "| code kB | stays whole |")
    print("|" + "---|" * (len(CAPACITIES) + 6))
    failed = False
    for model in chosen:
        with tempfile.TemporaryDirectory() as folder:
            cells, good = sweep(model, options, pathlib.Path(folder))
        failed |= not good
        print(f"| {model.stem} | " + " | ".join(cells) + " |", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
