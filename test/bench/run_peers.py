#!/usr/bin/python3
# Part of Nestor. SPDX-License-Identifier: Apache-2.0
"""Times Nestor against its peers on the 14 networks, interleaved in one run.

Every engine has a process of its own, pinned to the same CPUs and stopped while
it is not its turn. After a check that its outputs agree with ONNX Runtime's,
the engines take turns, a round after the other; before and after each round the
peak of the CPUs is measured, and with several threads how long a store takes
from CPU to CPU: a round on a machine whose CPUs are far apart does not count.
A table says who is faster only where all rounds and the fastest runs agree.

    tools/setup.sh build bench && ninja -C build/release nestorc nestor nestor_tool nestor_machine_probe
    nice -n -10 test/bench/run_peers.py [NAME...] [-- FLAGS OF NESTORC COMPILE]

The engines come from PyPI, in the versions of peers/requirements.txt, into a
virtual environment; networks, converted files and artifacts lie beside it in
build/bench. tflite is no peer: its converters from ONNX need TensorFlow.
Exits with 1 if Nestor's outputs differ on a network.
"""
import argparse
import json
import os
import subprocess
import sys
import tempfile
import time

from peers import artifacts, environment

ENGINES = ["nestor", "onnxruntime", "ncnn", "mnn", "openvino"]
PROGRAMS = ["nestorc", "nestor", "nestor_machine_probe"]
TOLERANCE = 1e-3  # Of the range of an output; DESIGN section 6, with Winograd.
PEER_TOLERANCE = 1e-2  # Peers whose numerics are worse than ours may be still count, and the notes say so.


def parse_arguments(arguments):
    flags = arguments[arguments.index("--") + 1:] if "--" in arguments else []
    arguments = arguments[:len(arguments) - len(flags) - ("--" in arguments)]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    comma = lambda text: text.split(",")
    parser.add_argument("names", nargs="*", metavar="NAME", help="networks; all by default")
    parser.add_argument("--networks", default=os.path.join(environment.WORK, "networks"), help="their ONNX files")
    parser.add_argument("--binaries", default=os.path.join(environment.ROOT, "build", "release", "bin"))
    parser.add_argument("--venv", default=os.path.join(environment.WORK, "venv"))
    parser.add_argument("--engines", type=comma, default=ENGINES, help=f"of {','.join(ENGINES)}; nestor always is")
    parser.add_argument("--optimize", type=comma, default=["latency"], metavar="GOAL,...",
                        help="one Nestor for each; the first is compared with the peers; default latency")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=7, help="rounds; 0: only convert, compile and check")
    parser.add_argument("--seconds", type=float, default=0.5, help="of each engine in a round")
    parser.add_argument("--ping-pong-limit", type=float, default=250, metavar="NS")
    parser.add_argument("--layers", action="store_true",
                        help="where Nestor is not ahead, the time of each layer beside the best peer's")
    parser.add_argument("--json", metavar="FILE", help="write everything that was measured")
    parser.add_argument("--plot", metavar="FILE", help="write a picture, SVG or PNG")
    options = parser.parse_args(arguments)
    options.flags = flags
    options.networks, options.binaries = map(os.path.abspath, (options.networks, options.binaries))
    for what, given, known in (("engine", options.engines, ENGINES), ("network", options.names, environment.NETWORKS)):
        if unknown := [name for name in given if name not in known]:
            parser.error(f"no {what} '{unknown[0]}'; there are: {', '.join(known)}")
    return options


def difference(folder, name):
    """The largest error of an engine's outputs, over the range of each output."""
    import numpy as np
    expected, got = (np.load(os.path.join(folder, f"{who}.npz")) for who in ("reference", name))
    worst = 0.0
    for key, wanted in expected.items():
        if got[key].size != wanted.size:
            raise RuntimeError(f"output {key} has {got[key].size} elements instead of {wanted.size}")
        error = np.abs(got[key].reshape(wanted.shape) - wanted).max() / max(np.ptp(wanted), 1e-6)
        worst = max(worst, float(error)) if np.isfinite(error) else float("inf")
    return worst


class Benchmark:
    def __init__(self, options):
        from peers import client, machine
        self.options, self.machine = options, machine
        self.cpus = machine.choose_cpus(options.threads)
        self.goals = {f"nestor-{goal}": goal for goal in options.optimize}
        self.log = open(os.path.join(environment.WORK, "workers.log"), "w")
        library = os.path.join(os.path.dirname(options.binaries), "lib", "libnestor.so")
        for path in [library] + [os.path.join(options.binaries, program) for program in PROGRAMS]:
            if not os.path.exists(path):
                sys.exit(f"run_peers: there is no {path}; build it: ninja -C build/release nestorc nestor nestor_tool "
                         "nestor_machine_probe")
        self.workers = {name: client.Worker(name.split("-")[0], self.cpus, self.log, {"NESTOR_LIBRARY": library})
                        for name in self.labels()}

    def labels(self):
        """Every column of the table."""
        return list(self.goals) + [name for name in self.options.engines if name != "nestor"]

    def load(self, name, model, folder, result):
        """Gets an engine ready; what keeps it from that is its `failure`."""
        entry, worker = {}, self.workers[name]
        result["engines"][name] = entry
        try:
            described = {}
            if name in self.goals:
                flags = ["--optimize", self.goals[name], *self.options.flags]
                path = artifacts.compile_artifact(self.options.binaries, model, flags)
                described = self.describe_artifact(path)
            else:
                path = worker.ask("prepare", model=model, folder=self.converted()).pop("path")
            outputs = os.path.join(folder, f"{name}.npz")
            entry.update(worker.ask("open", path=path, inputs=os.path.join(folder, "inputs.npz"), outputs=outputs))
            entry.update(described)
            entry["difference"] = difference(folder, name)
            if not entry["difference"] <= TOLERANCE:
                remark = f"its outputs are off by {entry['difference']:.1e} of their range"
                counts = name not in self.goals and entry["difference"] <= PEER_TOLERANCE
                entry["remark" if counts else "failure"] = remark
        except RuntimeError as error:
            entry["failure"] = str(error)
            return False
        return True

    def converted(self):
        folder = os.path.join(environment.WORK, "converted")
        os.makedirs(folder, exist_ok=True)
        return folder

    def describe_artifact(self, path):
        command = [os.path.join(self.options.binaries, "nestor"), "inspect", path, "--json"]
        report = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        full = report["capacities"][-1]
        return {"artifact": path, "macs": full["macs"], "weight_bytes": full["weight_bytes"],
                "file_bytes": report["file_bytes"], "version": f"by {report['producer']}"}

    def measure(self, name):
        """Everything about one network."""
        model = os.path.join(self.options.networks, f"{name}.onnx")
        result = {"network": name, "compared": self.labels()[0], "engines": {}, "probes": [], "rejected_rounds": 0}
        with tempfile.TemporaryDirectory() as folder:
            reference = "import sys; from peers import engine_onnxruntime as e; e.reference(*sys.argv[1:])"
            subprocess.run([sys.executable, "-c", reference, model, os.path.join(folder, "inputs.npz"),
                            os.path.join(folder, "reference.npz")], check=True, cwd=environment.BENCH)
            ready = [label for label in self.labels() if self.load(label, model, folder, result)]
        result["macs"] = next((e["macs"] for e in result["engines"].values() if "macs" in e), 0)
        self.take_rounds(ready, result)
        from peers import summary
        summary.summarise(result, self.options.ping_pong_limit)
        if self.options.layers and result["verdict"] not in ("ahead", "not measured"):
            self.profile(result)
        for worker in self.workers.values():
            worker.close()
        return result

    def take_rounds(self, ready, result):
        """Up to three times as many rounds as are wanted, until enough of them count.
        An engine that fails meanwhile leaves `ready`."""
        counted = 0
        for number in range(3 * self.options.repeats):
            if counted == self.options.repeats or not ready:
                break
            before = self.machine.probe(self.options.binaries, self.cpus)
            order = ready[number % len(ready):] + ready[:number % len(ready)]  # None always follows the same.
            times = {}
            for label in order:
                try:
                    times[label] = self.take_turn(label)
                except RuntimeError as error:
                    result["engines"][label]["failure"] = str(error)
                    ready.remove(label)
            after = self.machine.probe(self.options.binaries, self.cpus)
            if max(before["ping_pong_ns"], after["ping_pong_ns"]) > self.options.ping_pong_limit:
                result["rejected_rounds"] += 1
                continue
            counted += 1
            result["probes"] += [before, after]
            for label, turn in times.items():
                result["engines"][label].setdefault("rounds", []).append(turn)

    def take_turn(self, label):
        """One measurement; `others` is the share of the CPUs that other programs had meanwhile."""
        start, busy = time.monotonic(), self.machine.busy_seconds(self.cpus)
        turn = self.workers[label].ask("measure", seconds=self.options.seconds)
        foreign = self.machine.busy_seconds(self.cpus) - busy - turn["cpu_seconds"]
        turn["others"] = max(foreign, 0) / (time.monotonic() - start) / len(self.cpus)
        return turn

    def profile(self, result):
        """The layers of Nestor and of the best peer."""
        ours, peer = result["engines"][result["compared"]], result["engines"][result["best_peer"]]
        command = ["taskset", "-c", ",".join(map(str, self.cpus)), os.path.join(self.options.binaries, "nestor"),
                   "bench", ours["artifact"], "--threads", str(self.options.threads), "--profile", "--json",
                   "--seconds", str(self.options.seconds)]
        report = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        ours["layers"] = [(layer["layer"], layer["op"], layer["us"]) for layer in report["profile"]["layers"]]
        try:
            peer["layers"] = self.workers[result["best_peer"]].ask("layers", seconds=self.options.seconds)["layers"]
        except RuntimeError as error:
            print(f"run_peers: no layers of {result['best_peer']}: {error}", file=sys.stderr)

    def end(self):
        for worker in self.workers.values():
            worker.end()


def print_layers(result):
    for name in (result["compared"], result["best_peer"]):
        layers = result["engines"].get(name, {}).get("layers", [])
        print(f"\n{result['network']}, layers of {name}, us:\n")
        for layer, kind, us in layers:
            print(f"    {us:10.1f}  {kind:30} {layer}")


def main():
    options = parse_arguments(sys.argv[1:])
    os.makedirs(environment.WORK, exist_ok=True)
    environment.enter_venv(options.venv)
    names = options.names or environment.NETWORKS
    environment.export_networks(options.networks, names)
    from peers import machine, summary
    benchmark = Benchmark(options)
    results = []
    try:
        for name in names:
            results.append(benchmark.measure(name))
            print(f"{name}: {results[-1]['verdict']}", file=sys.stderr, flush=True)
    finally:
        benchmark.end()
    described = machine.describe(benchmark.cpus)
    print(summary.table(results, benchmark.labels()), "", summary.notes(results), summary.origin(results, described),
          sep="\n")
    for result in results:
        if options.layers and "ratio" in result and result["verdict"] != "ahead":
            print_layers(result)
    if options.json:
        with open(options.json, "w") as file:
            json.dump({"machine": described, "options": vars(options), "results": results}, file, indent=1)
    if options.plot:
        from peers import plot
        plot.plot(results, benchmark.labels(), options.plot, f"Nestor and its peers, {options.threads} thread(s)")
    return 1 if any(engine.get("failure") for result in results for name, engine in result["engines"].items()
                    if name.startswith("nestor")) else 0


if __name__ == "__main__":
    sys.exit(main())
