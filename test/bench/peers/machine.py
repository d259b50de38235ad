# Part of Nestor. SPDX-License-Identifier: Apache-2.0
"""What the machine is, and whether it held still."""
import json
import os
import subprocess
import sys


def choose_cpus(threads):
    """The last CPUs that this process may use, since interrupts prefer the first."""
    allowed = sorted(os.sched_getaffinity(0))
    if threads > len(allowed):
        sys.exit(f"{threads} threads need as many CPUs, and this process may use {len(allowed)}")
    return allowed[len(allowed) - threads:]


def probe(binaries, cpus):
    """{"peak_gflops", "ping_pong_ns"} of these CPUs now."""
    command = [os.path.join(binaries, "nestor_machine_probe"), ",".join(map(str, cpus))]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def busy_seconds(cpus):
    """How long these CPUs have been busy since the system started, with what they did for other systems."""
    wanted, ticks = {f"cpu{cpu}" for cpu in cpus}, 0
    with open("/proc/stat") as file:
        for line in file:
            name, *fields = line.split()
            if name in wanted:
                user, nice, system, _, _, interrupts, soft_interrupts, steal = map(int, fields[:8])
                ticks += user + nice + system + interrupts + soft_interrupts + steal
    return ticks / os.sysconf("SC_CLK_TCK")


def describe(cpus):
    """For the record."""
    model = "unknown CPU"
    with open("/proc/cpuinfo") as file:
        for line in file:
            if line.startswith("model name"):
                model = line.split(":", 1)[1].strip()
                break
    return {"cpu": model, "cpus": os.cpu_count(), "used": cpus, "load_average": os.getloadavg()[0],
            "kernel": os.uname().release, "niceness": os.nice(0)}
