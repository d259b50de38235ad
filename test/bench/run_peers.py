#!/usr/bin/python3
# Part of Nestor. SPDX-License-Identifier: Apache-2.0
"""Times Nestor against onnxruntime on the 14 networks, interleaved in one run.

For each network, checks that the outputs agree, then alternates short
measurements of both engines on one pinned core (or as many as --threads says)
and prints the median over repeats of each engine's fastest run, with the ratio.
A machine whose speed drifts slows both, so read the ratio.

    test/bench/run_peers.py [--networks DIR] [--threads N] [--repeats N] [NAME...]

onnxruntime comes from PyPI into a virtual environment under build/bench; the
networks are exported there too (needs: tools/setup.sh bench) unless given.
"""
import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
WORK = os.path.join(ROOT, "build", "bench")
ORDER = ["mobilenet_v2", "resnet18", "resnet50", "squeezenet1_1", "efficientnet_b0", "vgg16", "mobilenet_v3_small",
         "shufflenet_v2_x1_0", "cifar_resnet20", "cifar_resnet56", "ds_cnn_kws", "lenet5", "lstm_har",
         "minilm6_384_s128"]


def peer_python():
    """A Python with onnxruntime and numpy."""
    venv = os.path.join(WORK, "venv")
    python = os.path.join(venv, "bin", "python")
    if not os.path.exists(python):
        subprocess.run(["/usr/bin/python3", "-m", "venv", venv], check=True)
        subprocess.run([python, "-m", "pip", "install", "-q", "onnxruntime", "numpy"], check=True)
    return python


ORT_WORKER = r"""
import json, os, sys, time
import numpy as np
import onnxruntime as ort
threads = int(sys.argv[1])
os.sched_setaffinity(0, range(os.cpu_count() - threads, os.cpu_count()))
session = None
for line in sys.stdin:
    request = json.loads(line)
    if "open" in request:
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        session = ort.InferenceSession(request["open"], options, providers=["CPUExecutionProvider"])
        feeds = {}
        rng = np.random.default_rng(1)
        for value in session.get_inputs():
            feeds[value.name] = rng.standard_normal(value.shape).astype(np.float32)
        outputs = session.run(None, feeds)
        np.savez(request["inputs"], **feeds)
        np.savez(request["outputs"], **{o.name: y for o, y in zip(session.get_outputs(), outputs)})
        reply = {}
    else:
        times, end = [], time.perf_counter() + request["seconds"]
        while time.perf_counter() < end or len(times) < 3:
            start = time.perf_counter()
            session.run(None, feeds)
            times.append(time.perf_counter() - start)
        reply = {"min_us": min(times) * 1e6, "median_us": sorted(times)[len(times) // 2] * 1e6}
    print(json.dumps(reply), flush=True)
"""


class OnnxRuntime:
    def __init__(self, threads):
        self.process = subprocess.Popen([peer_python(), "-c", ORT_WORKER, str(threads)], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)

    def ask(self, **request):
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        reply = self.process.stdout.readline()
        if not reply:
            sys.exit("run_peers: the onnxruntime worker died; its message is above")
        return json.loads(reply)

    def time(self, seconds):
        return self.ask(seconds=seconds)


class Nestor:
    def __init__(self, binaries, threads):
        self.binaries, self.threads = binaries, threads
        cpus = os.cpu_count()
        self.pin = ["taskset", "-c", f"{cpus - threads}-{cpus - 1}"]

    def compile(self, model, artifact, extra):
        subprocess.run([f"{self.binaries}/nestorc", "compile", model, "-o", artifact] + extra, check=True,
                       stdout=subprocess.DEVNULL)
        self.artifact = artifact

    def check(self, inputs, outputs, tolerance):
        """Compares with the peer's outputs; the message of `nestor run` on a difference."""
        command = [f"{self.binaries}/nestor", "run", self.artifact, "--input", f"input=@{inputs}",
                   "--expect", outputs, "--atol", str(tolerance), "--rtol", str(tolerance)]
        done = subprocess.run(command, capture_output=True, text=True)
        return None if done.returncode == 0 else (done.stderr + done.stdout).strip()

    def time(self, seconds):
        command = self.pin + [f"{self.binaries}/nestor", "bench", self.artifact, "--threads", str(self.threads),
                              "--seconds", str(seconds), "--json"]
        return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def measure(name, args, ort, nestor, scratch):
    model = os.path.join(args.networks, f"{name}.onnx")
    artifact = os.path.join(scratch, f"{name}.nest")
    inputs, outputs = os.path.join(scratch, "inputs.npz"), os.path.join(scratch, "outputs.npz")
    nestor.compile(model, artifact, args.compile_option)
    ort.ask(open=model, inputs=inputs, outputs=outputs)
    difference = nestor.check(inputs, outputs, args.tolerance)
    samples = {"ort": [], "nestor": []}
    for _ in range(args.repeats):
        samples["ort"].append(ort.time(args.seconds))
        samples["nestor"].append(nestor.time(args.seconds))
    row = {"network": name, "agrees": difference is None, "difference": difference}
    for engine, runs in samples.items():
        row[f"{engine}_us"] = statistics.median(run["min_us"] for run in runs)
        row[f"{engine}_median_us"] = statistics.median(run["median_us"] for run in runs)
    row["ratio"] = statistics.median(n["min_us"] / o["min_us"] for n, o in zip(samples["nestor"], samples["ort"]))
    return row


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", default=os.path.join(WORK, "networks"), help="folder of the exported networks")
    parser.add_argument("--binaries", default=os.path.join(ROOT, "build", "release", "bin"))
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=0.3, help="per engine and repeat")
    parser.add_argument("--tolerance", type=float, default=1e-3)
    parser.add_argument("--compile-option", action="append", default=[], help="passed to nestorc compile")
    parser.add_argument("--json", help="also write the rows to this file")
    parser.add_argument("names", nargs="*", metavar="NAME")
    args = parser.parse_args()
    os.makedirs(WORK, exist_ok=True)
    names = args.names or ORDER
    wanted = [n for n in names if not os.path.exists(os.path.join(args.networks, f"{n}.onnx"))]
    if wanted:
        subprocess.run(["/usr/bin/python3", os.path.join(ROOT, "test/bench/networks.py"), "-o", args.networks] + wanted,
                       check=True)
    ort, nestor, rows = OnnxRuntime(args.threads), Nestor(args.binaries, args.threads), []
    print(f"| network | onnxruntime ms (min / median) | Nestor ms (min / median) | Nestor / onnxruntime |\n|---|---|---|---|")
    with tempfile.TemporaryDirectory(dir=WORK) as scratch:
        for name in names:
            row = measure(name, args, ort, nestor, scratch)
            rows.append(row)
            print("| {} | {:.3f} / {:.3f} | {:.3f} / {:.3f} | {:.2f}{} |".format(
                name, row["ort_us"] / 1e3, row["ort_median_us"] / 1e3, row["nestor_us"] / 1e3,
                row["nestor_median_us"] / 1e3, row["ratio"], "" if row["agrees"] else " (outputs differ)"), flush=True)
    if args.json:
        with open(args.json, "w") as f:
            json.dump(rows, f, indent=1)
    for row in rows:
        if not row["agrees"]:
            print(f"{row['network']}: {row['difference']}", file=sys.stderr)
    return 0 if all(row["agrees"] for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
