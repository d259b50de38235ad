#!/usr/bin/python3
# Part of Nestor. SPDX-License-Identifier: Apache-2.0
"""Top-1 of real models on real labelled data, against ONNX Runtime's counts.

Needs ../shared (models and data); says so and passes where it is absent.

    labelled_models.py --binaries build/release/bin [--shared DIR] [NAME...]
"""
import argparse
import json
import os
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

# name: data file or (tar, make_npz options), eval options, right by ONNX Runtime 1.30, of, allowed difference
MODELS = {
    "resnet20_cifar10": (("cifar10jpeg/test.tar",), ["--scale", "0.00392156862745098", "--mean", "0.485,0.456,0.406",
                                                     "--std", "0.229,0.224,0.225"], 4412, 5000, 0),
    "har_cnn1d": ("har/test.npz", [], 443, 475, 0),
    "kws_ds_cnn": ("kws/calib.npz", [], 458, 500, 0),
    "mobilenet_v2_imagenet": (("imagenet/val500.tar", "--size", "224", "--label-offset", "1"),
                              ["--scale", "0.00392156862745098", "--mean", "0.5", "--std", "0.5"], 400, 500, 1),
    "squeezenet_v1.1_imagenet": (("imagenet/val500.tar", "--size", "227", "--bgr"),
                                 ["--scale", "1", "--mean", "104,117,123", "--std", "1"], 362, 500, 1),
}


def evaluate(name, shared, binaries, scratch):
    """Images that the compiled model gets right, and how many there were."""
    data, options, _, _, _ = MODELS[name]
    if isinstance(data, tuple):
        npz = os.path.join(scratch, f"{name}.npz")
        subprocess.run(["/usr/bin/python3", f"{shared}/data/make_npz.py", f"{shared}/data/{data[0]}", npz, *data[1:]],
                       check=True)
    else:
        npz = f"{shared}/data/{data}"
    artifact = os.path.join(scratch, f"{name}.nest")
    subprocess.run([f"{binaries}/nestorc", "compile", f"{shared}/models/{name}.onnx", "-o", artifact], check=True,
                   stdout=subprocess.DEVNULL)
    done = subprocess.run([f"{binaries}/nestor", "eval", artifact, "--data", npz, "--json", *options], check=True,
                          stdout=subprocess.PIPE)
    result = json.loads(done.stdout)["results"][-1]
    return round(result["top1"] * result["samples"]), result["samples"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binaries", default=os.path.join(ROOT, "build", "release", "bin"))
    parser.add_argument("--shared", default=os.environ.get("NESTOR_SHARED", os.path.join(ROOT, "..", "shared")))
    parser.add_argument("names", nargs="*", metavar="NAME")
    args = parser.parse_args()
    if not os.path.isdir(args.shared):
        print("skipped: needs ../shared")
        return 0
    failed = 0
    with tempfile.TemporaryDirectory() as scratch:
        for name in args.names or MODELS:
            _, _, want, total, slack = MODELS[name]
            right, samples = evaluate(name, args.shared, args.binaries, scratch)
            ok = samples == total and abs(right - want) <= slack
            failed += not ok
            print(f"{'ok' if ok else 'FAILED'}: {name}: {right} of {samples} right, ONNX Runtime {want} of {total}",
                  flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
