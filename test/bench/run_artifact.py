#!/usr/bin/python3
# Part of Nestor. SPDX-License-Identifier: Apache-2.0
"""What an artifact costs beyond its runs: capacities, start, memory, idle sessions, switches.

Prints a table: the latency of ResNet-50 and MobileNetV2 at a quarter, a half and
three quarters of the MACs, over what would be proportional; from opening
ResNet-50 to its first result, beyond a warm run; the memory of five capacities
of MobileNetV2 over that of the largest alone; the CPU time of 50 idle sessions;
and a switch of capacity. Weights are random and nothing is recovered, since
neither matters here.

    tools/setup.sh build bench && ninja -C build/release nestorc nestor_tool nestor_artifact_bench nestor_switch_bench
    nice -n -10 test/bench/run_artifact.py [ROW...] [-- FLAGS OF NESTORC COMPILE]

With --layers, rows of `capacities` that are above 1.05 are followed by the layers
that are. Exits with 1 if a bar is missed.
"""
import argparse
import json
import os
import re
import subprocess
import sys

from peers import environment, machine
from peers.artifacts import compile_artifact

QUARTERS, FIFTHS = "0.25,0.5,0.75,1", "0.2,0.4,0.6,0.8,1"
PROPORTIONAL = {"resnet50": QUARTERS, "mobilenet_v2": QUARTERS}


class Rows:
    """Each method is a row, or a few: it prints them, and says whether the bar is met."""

    def __init__(self, options):
        self.options = options
        self.cpu = machine.choose_cpus(1)[0]
        self.missed = []

    def run(self, program, *arguments):
        command = ["taskset", "-c", str(self.cpu), os.path.join(self.options.binaries, program), *map(str, arguments)]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    def ask(self, what, *arguments):
        return json.loads(self.run("nestor_artifact_bench", what, *arguments))

    def artifact(self, network, capacities, goal):
        model = os.path.join(self.options.networks, f"{network}.onnx")
        flags = ["--capacities", capacities, "--recover", "none", "--optimize", goal, *self.options.flags]
        return compile_artifact(self.options.binaries, model, flags)

    def row(self, what, measured, bar, met, goal=""):
        print(f"| {what} | {measured} | {bar} | {goal} | {'met' if met else '**missed**'} |", flush=True)
        if not met:
            self.missed.append(what)

    def capacities(self):
        for network, capacities in PROPORTIONAL.items():
            path = self.artifact(network, capacities, self.options.optimize)
            *smaller, full = self.ask("capacities", path, self.options.seconds)["capacities"]
            for capacity in smaller:
                share = capacity["macs"] / full["macs"]
                ratio, fastest = (capacity[key] / full[key] / share for key in ("median_us", "min_us"))
                self.row(f"{network} at {capacity['capacity']:g}: latency over MACs, relative to the full capacity",
                         f"{ratio:.2f} (fastest runs {fastest:.2f}; {capacity['median_us'] / 1e3:.2f} of "
                         f"{full['median_us'] / 1e3:.2f} ms, {share:.3f} of the MACs)", "1.15", ratio <= 1.15, "1.05")
                if self.options.layers and ratio > 1.05:
                    self.layers(path, capacity["capacity"])

    def profile(self, path, capacity):
        report = self.run("nestor", "bench", path, "--capacity", capacity, "--profile", "--json", "--seconds", 0.5)
        return json.loads(report)["profile"]["layers"]

    def layers(self, path, capacity):
        """The layers that lose most against their share of the MACs, and what they lose, in us."""
        full, small = (self.profile(path, each) for each in (1, capacity))
        share = sum(layer["macs"] for layer in small) / sum(layer["macs"] for layer in full)
        lost = sorted(((part["us"] - share * whole["us"], part, whole) for part, whole in zip(small, full)),
                      key=lambda entry: entry[0], reverse=True)
        for excess, part, whole in lost[:15]:
            macs = part["macs"] / whole["macs"] if whole["macs"] else float("nan")
            print(f"    {excess:9.1f} us more than {share:.3f} of the full one's: {part['us']:.1f} of "
                  f"{whole['us']:.1f} us, {macs:.3f} of its MACs, {part['percent_of_peak']:.0f} % of peak after "
                  f"{whole['percent_of_peak']:.0f} %: {part['op']} {part['layer']}")

    def start(self):
        path = self.artifact("resnet50", QUARTERS, "size")
        times = self.ask("start", path, 11)
        ms = {key.removesuffix("_us"): us / 1e3 for key, us in times.items()}
        self.row(f"resnet50, {os.path.getsize(path) / 1e6:.0f} MB, --optimize size: open to first result beyond a warm "
                 "run", f"{ms['beyond']:.2f} ms (at best {ms['beyond_min']:.2f}; open {ms['open']:.2f}, session "
                 f"{ms['session']:.2f}, first run {ms['first_run']:.2f}, warm {ms['warm']:.2f})", "25 ms",
                 ms["beyond"] <= 25, "5 ms")

    def memory(self):
        memory = self.ask("memory", self.artifact("mobilenet_v2", FIFTHS, self.options.optimize))
        alone = memory["largest_alone_bytes"]
        ratio = memory["in_turns_bytes"] / alone
        self.row("mobilenet_v2: RSS with five capacities in use in one session, over the largest alone",
                 f"{ratio:.3f} ({memory['in_turns_bytes'] / 1e6:.1f} of {alone / 1e6:.1f} MB; with a session for each "
                 f"{memory['session_each_bytes'] / alone:.2f})", "1.1", ratio <= 1.1, "1.03")

    def idle(self):
        idle = self.ask("idle", self.artifact("mobilenet_v2", FIFTHS, self.options.optimize))
        self.row(f"CPU of {idle['sessions']} idle sessions of two threads", f"{idle['cpu_percent']:.2f} %", "0 %",
                 idle["cpu_percent"] < 0.1)

    def switch(self):
        text = self.run("nestor_switch_bench", self.artifact("mobilenet_v2", FIFTHS, self.options.optimize), 40)
        found = re.search(r"switch: median (\d+) ns, p99 (\d+) ns", text)
        self.row("switch between resident capacities, median", f"{found[1]} ns (p99 {found[2]} ns)", "20 us",
                 float(found[1]) <= 20e3, "2 us")


def main():
    rows = ["capacities", "start", "memory", "idle", "switch"]
    arguments = sys.argv[1:]
    flags = arguments[arguments.index("--") + 1:] if "--" in arguments else []
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rows", nargs="*", metavar="ROW", help="of " + ", ".join(rows))
    parser.add_argument("--networks", default=os.path.join(environment.WORK, "networks"))
    parser.add_argument("--binaries", default=os.path.join(environment.ROOT, "build", "release", "bin"))
    parser.add_argument("--optimize", default="latency", help="of the rows that are not about loading; default latency")
    parser.add_argument("--seconds", type=float, default=4, help="for the capacities of a network")
    parser.add_argument("--layers", action="store_true", help="which layers lose at small capacities")
    options = parser.parse_args(arguments[:len(arguments) - len(flags) - ("--" in arguments)])
    options.flags = flags
    if unknown := [row for row in options.rows if row not in rows]:
        parser.error(f"no row '{unknown[0]}'; there are: {', '.join(rows)}")
    environment.export_networks(options.networks, PROPORTIONAL)
    print("| what | measured | bar | goal | |\n|---|---|---|---|---|")
    measured = Rows(options)
    for row in options.rows or rows:
        getattr(measured, row)()
    return 1 if measured.missed else 0


if __name__ == "__main__":
    sys.exit(main())
