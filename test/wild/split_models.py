#!/usr/bin/python3
# Part of Nestor. SPDX-License-Identifier: Apache-2.0
"""Head then tail equals the whole, for real models in four capacities: recurrent state, integers, several inputs.

Bit for bit on one target, by `nestor verify`, at every cut and capacity. Over a real pipe, between a process that runs
the code of x86-64-v2 and one that runs the best code of this CPU, within the error of two targets; by default at three
cuts of each model, once in each direction.

Needs ../shared (models); says so and passes where it is absent.

    split_models.py --binaries build/release/bin [--shared DIR] [--every-cut] [NAME...]
"""
import argparse
import concurrent.futures
import json
import os
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
CAPACITIES = ("0.25", "0.5", "0.75", "1")
# Of the range of an output, between what two instruction sets compute.
TOLERANCE = 1e-4


def best_target():
    """The best one for this CPU, by a flag that Linux names."""
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        flags = set(file.read().split())
    return "x86-64-v4" if "avx512vl" in flags else "x86-64-v3" if "avx2" in flags else "x86-64-v2"


class Failure(Exception):
    """A command that ended with something else than success, or a wrong result."""


def call(*command):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
    if done.returncode != 0:
        raise Failure(f"{' '.join(command)}: exit {done.returncode}: {done.stderr.strip()}")
    return done.stdout


def compile_model(name, shared, binaries, artifact, targets):
    wild = f"{shared}/models/wild"
    with open(f"{wild}/golden/{name}/meta.json", encoding="utf-8") as file:
        meta = json.load(file)
    shapes = [flag for tensor in meta["inputs"] if tensor["shape"]
              for flag in ("--shape", f"{tensor['name']}={','.join(map(str, tensor['shape']))}")]
    # What is fastest to choose: which widths there are does not matter here.
    call(f"{binaries}/nestorc", "compile", f"{wild}/{meta['model']}", "-o", artifact, "--recover", "none", "--order", "l1",
         "--budget", "macs", "--capacities", ",".join(CAPACITIES), *shapes,
         *(flag for target in targets for flag in ("--target", target)))


def over_a_pipe(nestor, artifact, capacity, cut, head_target, tail_target, whole):
    """The error of a tail whose head ran in another process with another target, relative to the outputs' ranges."""
    common = [artifact, "--capacity", capacity]
    with subprocess.Popen([nestor, "run", *common, "--target", head_target, "--head", str(cut), "--live-out", "-"],
                          stdout=subprocess.PIPE) as head:
        tail = subprocess.run([nestor, "run", *common, "--target", tail_target, "--tail", str(cut), "--live-in", "-",
                               "--expect", whole, "--atol", "1e30", "--json"],
                              stdin=head.stdout, stdout=subprocess.PIPE, check=False)
        head.stdout.close()
    if head.returncode != 0 or tail.returncode != 0:
        raise Failure(f"cut {cut}, capacity {capacity}: the head ended with {head.returncode}, the tail with "
                      f"{tail.returncode}")
    return max(output["relative_error"] for output in json.loads(tail.stdout)["outputs"])


def check(name, args, scratch):
    """What was found for one model, as a line."""
    nestor, artifact = f"{args.binaries}/nestor", os.path.join(scratch, f"{name}.nest")
    best = best_target()
    compile_model(name, args.shared, args.binaries, artifact, sorted({"x86-64-v2", best}))
    verified = json.loads(call(nestor, "verify", artifact, "--json"))
    held = json.loads(call(nestor, "inspect", artifact, "--json"))
    if verified["capacities_run"] != len(held["capacities"]) or verified["cuts_run"] != len(held["cuts"]) \
            or verified["cuts_run"] < 3:
        raise Failure(f"nestor verify ran {verified}")
    inner = range(1, len(held["cuts"]) - 1)
    cuts = inner if args.every_cut else sorted({inner[len(inner) * part // 4] for part in (1, 2, 3)})
    largest = 0
    for index, capacity in enumerate(held["capacities"]):
        size = str(capacity["capacity"])
        # Without all cuts, three capacities have one cut each, the full one has all three.
        mine = cuts if args.every_cut or index == len(held["capacities"]) - 1 else [cuts[index % len(cuts)]]
        whole = f"{artifact}.{index}.npz"
        call(nestor, "run", artifact, "--capacity", size, "--target", best, "--output", whole)
        for cut in mine:
            pair = ("x86-64-v2", best) if cut % 2 else (best, "x86-64-v2")
            largest = max(largest, over_a_pipe(nestor, artifact, size, cut, *pair, whole))
    if largest > TOLERANCE:
        raise Failure(f"between x86-64-v2 and {best} the error is {largest:.2g}")
    return (f"{verified['cuts_run']} cuts at {verified['capacities_run']} capacities equal the whole; error between "
            f"x86-64-v2 and {best} at {len(cuts)} cuts: {largest:.2g}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binaries", default=os.path.join(ROOT, "build", "release", "bin"))
    parser.add_argument("--shared", default=os.environ.get("NESTOR_SHARED", os.path.join(ROOT, "..", "shared")))
    parser.add_argument("--every-cut", action="store_true", help="pipes at every cut of every capacity: minutes")
    parser.add_argument("names", nargs="*", metavar="NAME")
    args = parser.parse_args()
    golden = f"{args.shared}/models/wild/golden"
    if not os.path.isdir(golden):
        print("skipped: needs ../shared")
        return 0
    names = args.names or sorted(os.listdir(golden))
    failed = 0
    with tempfile.TemporaryDirectory() as scratch, concurrent.futures.ThreadPoolExecutor(2) as pool:
        running = {name: pool.submit(check, name, args, scratch) for name in names}
        for name, future in running.items():
            try:
                print(f"ok: {name}: {future.result()}", flush=True)
            except Failure as failure:
                failed += 1
                print(f"FAILED: {name}: {failure}", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
