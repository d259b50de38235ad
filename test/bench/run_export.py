#!/usr/bin/python3
# Part of Nestor. SPDX-License-Identifier: Apache-2.0
"""Checks exported models in onnxruntime against the artifacts they come from.

Compiles each model with the given capacities (pruned, not recovered: wrong
scores are as good a test), exports every capacity, runs artifact and model on
the same random input, and prints the error (the largest difference divided by
the range of the output, at least 0.01), the size, and the operators that the export has and
the original has not.

    test/bench/run_export.py [--build DIR] [--capacities 0.5,1] MODEL.onnx[@x=1,3,96,160]...

onnxruntime and onnx come from PyPI into a virtual environment under build/bench.
"""
import argparse
import collections
import os
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
VENV = os.path.join(ROOT, "build", "bench", "venv")


def enter_venv():
    """Runs again under a Python that has onnxruntime, onnx and numpy."""
    python = os.path.join(VENV, "bin", "python")
    if not os.path.exists(python):
        subprocess.run(["/usr/bin/python3", "-m", "venv", VENV], check=True)
    modules = ["onnxruntime", "onnx", "numpy"]
    if subprocess.run([python, "-c", "import " + ", ".join(modules)], capture_output=True).returncode:
        subprocess.run([python, "-m", "pip", "install", "-q", *modules], check=True)
    if sys.prefix != VENV:
        os.execv(python, [python, *sys.argv])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default=os.path.join(ROOT, "build", "release"))
    parser.add_argument("--capacities", default="0.5,1")
    parser.add_argument("models", nargs="+", metavar="MODEL.onnx")
    options = parser.parse_args()
    enter_venv()
    import json

    import numpy as np
    import onnx
    import onnxruntime

    def random_input(info, rng):
        dtype = {"tensor(float)": np.float32, "tensor(double)": np.float64, "tensor(uint8)": np.uint8,
                 "tensor(int64)": np.int64, "tensor(int32)": np.int32, "tensor(bool)": np.bool_}[info.type]
        if np.issubdtype(dtype, np.floating):
            return rng.standard_normal(info.shape).astype(dtype)
        return rng.integers(0, 2 if dtype == np.bool_ else 8, info.shape).astype(dtype)

    def operators(path):
        return collections.Counter(node.op_type for node in onnx.load(path).graph.node)

    def run(*command):
        process = subprocess.run(command, capture_output=True, text=True)
        if process.returncode:
            raise RuntimeError((process.stderr.strip() or process.stdout.strip())[-300:])
        return process.stdout

    def error(want, have):
        want, have = want.astype(np.float64), have.astype(np.float64).reshape(want.shape)
        # onnxruntime's Sigmoid is off by 1e-7 where it should be close to 0.
        return np.abs(want - have).max() / max(np.ptp(want), 1e-2) if want.size else 0.0

    settings = onnxruntime.SessionOptions()
    settings.log_severity_level = 3
    nestorc, nestor = (os.path.join(options.build, "bin", name) for name in ("nestorc", "nestor"))
    failed = False
    for model in options.models:
        path, *shapes = model.split("@")
        with tempfile.TemporaryDirectory() as folder:
            artifact = os.path.join(folder, "m.nest")
            flags = [flag for shape in shapes for flag in ("--shape", shape)]
            try:
                run(nestorc, "compile", path, "-o", artifact, "--recover", "none", "--order", "l1", "--budget", "macs",
                    "--capacities", options.capacities, *flags)
                known = json.loads(run(nestor, "inspect", artifact, "--json"))
                for entry in known["capacities"]:
                    capacity = str(entry["capacity"])
                    exported = os.path.join(folder, "m.onnx")
                    run(nestorc, "export", artifact, "--capacity", capacity, "-o", exported)
                    onnx.checker.check_model(exported)
                    session = onnxruntime.InferenceSession(exported, settings)
                    feed = {info.name: random_input(info, np.random.default_rng(1)) for info in session.get_inputs()}
                    command = [nestor, "run", artifact, "--capacity", capacity, "--output", folder + "/out.npz"]
                    for number, (name, value) in enumerate(feed.items()):
                        np.save(f"{folder}/{number}.npy", value)
                        command += ["--input", f"{name}=@{folder}/{number}.npy"]
                    run(*command)
                    have = np.load(folder + "/out.npz")
                    names = [info.name for info in session.get_outputs()]
                    worst = max(error(want, have[name]) for name, want in zip(names, session.run(names, feed)))
                    failed |= not worst <= 1e-4
                    added = operators(exported) - operators(path)
                    print(f"{os.path.basename(path):42} {capacity:>5} {worst:9.2g} {'ok' if worst <= 1e-4 else 'BAD'} "
                          f"{os.path.getsize(exported):>9} bytes  "
                          + " ".join(f"{op}+{count}" for op, count in sorted(added.items())), flush=True)
            except Exception as problem:
                failed = True
                print(f"{os.path.basename(path):42} FAILED: {problem}", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
