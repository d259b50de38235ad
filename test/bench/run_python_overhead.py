#!/usr/bin/python3
# Part of Nestor. SPDX-License-Identifier: Apache-2.0
"""What a call from Python costs over one from C++.

Runs a small model in turns from C++ (`nestor bench`) and from Python, and prints the medians of the rounds' fastest runs.
The difference is the overhead of a call; `run` also copies the input in and makes new arrays of the outputs.

    test/bench/run_python_overhead.py [--build DIR] [--rounds N] [FILE.nest]

The package is that of BUILD/python, where test/python/run.sh BUILD installs it.
"""
import argparse
import json
import os
import statistics
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default=os.path.join(ROOT, "build", "release"))
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("artifact", nargs="?", default=os.path.join(ROOT, "test", "data", "v1.nest"))
    return parser.parse_args()


def enter_venv(build):
    """Runs again under the Python that has the package."""
    venv = os.path.join(os.path.abspath(build), "python")
    python = os.path.join(venv, "bin", "python")
    if not os.path.exists(python):
        sys.exit(f"run_python_overhead: no package in {venv}: run test/python/run.sh {build} first")
    if sys.prefix != venv:
        os.execv(python, [python, *sys.argv])


def from_cpp(options):
    """The fastest run in microseconds."""
    tool = os.path.join(options.build, "bin", "nestor")
    process = subprocess.run([tool, "bench", options.artifact, "--seconds", "0.1", "--json"], capture_output=True,
                             check=True, text=True)
    return json.loads(process.stdout)["min_us"]


def fastest(call, runs=3000):
    """The fastest of single calls in microseconds, as nestor bench times them."""
    best = float("inf")
    for _ in range(runs):
        start = time.perf_counter_ns()
        call()
        best = min(best, time.perf_counter_ns() - start)
    return best / 1000


def main():
    options = parse()
    enter_venv(options.build)
    import nestor
    import numpy as np

    artifact = nestor.Artifact.open(options.artifact)
    session = artifact.session()
    feeds = {tensor.name: np.zeros(tensor.shape, tensor.dtype) for tensor in artifact.inputs}
    single = nestor.SessionOptions()
    single.intra_op_num_threads = 1  # As the others have.
    drop_in = nestor.InferenceSession(options.artifact, single)
    calls = {
        "session.run_in_place()": session.run_in_place,
        "session.run(feeds)": lambda: session.run(feeds),
        "InferenceSession.run": lambda: drop_in.run(None, feeds),
    }
    rows = {"C++": []} | {name: [] for name in calls}
    for _ in range(options.rounds):
        rows["C++"].append(from_cpp(options))
        for name, call in calls.items():
            rows[name].append(fastest(call))
    base = statistics.median(rows["C++"])
    print(f"{'call':24} {'us':>7} {'over C++':>9}")
    for name, times in rows.items():
        print(f"{name:24} {statistics.median(times):7.2f} {statistics.median(times) - base:9.2f}")


if __name__ == "__main__":
    main()
