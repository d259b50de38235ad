# Part of Nestor. SPDX-License-Identifier: Apache-2.0
"""The process of one engine: reads a request a line, answers a line, both JSON.

    python -m peers.worker ENGINE CPUS      CPUS like 0,1: as many threads as there are

Nothing but answers goes to the real stdout; what a library prints goes to stderr.
"""
import ctypes
import gc
import json
import os
import resource
import signal
import sys
import time
import traceback

WARM_SECONDS = 0.05
PR_SET_PDEATHSIG = 1  # linux/prctl.h


def die_with_parent():
    """A stopped process would not notice that nobody reads its answers any more."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def thread_times():
    """CPU nanoseconds of each thread of this process."""
    times = {}
    for thread in os.listdir("/proc/self/task"):
        try:
            with open(f"/proc/self/task/{thread}/schedstat") as file:
                times[int(thread)] = int(file.read().split()[0])
        except FileNotFoundError:  # The thread ended meanwhile.
            pass
    return times


def pin_busiest(run, cpus):
    """Gives each of the threads that do the work a CPU of its own.

    Which threads those are differs between engines, the calling one is not
    always among them, so it is measured.
    """
    before = thread_times()
    repeat(run, 0.2)
    spent = {thread: time_ - before.get(thread, 0) for thread, time_ in thread_times().items()}
    for thread, cpu in zip(sorted(spent, key=spent.get, reverse=True), reversed(cpus)):
        os.sched_setaffinity(thread, [cpu])


def repeat(run, seconds):
    """Nanoseconds of each run, at least three."""
    clock, times = time.perf_counter_ns, []
    end = clock() + int(seconds * 1e9)
    while True:
        start = clock()
        run()
        stop = clock()
        times.append(stop - start)
        if stop >= end and len(times) >= 3:
            return times


class Worker:
    def __init__(self, name, cpus):
        os.sched_setaffinity(0, cpus)  # Before the library counts the CPUs.
        from peers import engines
        self.cpus, self.loaded, self.kind = cpus, None, engines.engine(name)

    def prepare(self, model, folder):
        return {"path": self.kind.prepare(model, folder)}

    def open(self, path, inputs, outputs):
        """Loads a network, runs it, and writes its outputs as an .npz file, in order."""
        import numpy as np
        self.loaded = None
        feeds = {name: np.ascontiguousarray(array) for name, array in np.load(inputs).items()}
        start = time.perf_counter()
        self.loaded = self.kind(path, len(self.cpus), feeds)
        loaded = time.perf_counter() - start
        if len(self.cpus) > 1:
            pin_busiest(self.loaded.run, self.cpus)
        self.loaded.run()
        np.savez(outputs, *self.loaded.outputs())
        gc.collect()
        gc.disable()
        return {"load_us": loaded * 1e6, "version": self.kind.version()}

    def measure(self, seconds):
        """Other engines ran in between, so the first runs only warm up. `preempted` is
        how often the system took a CPU away from this process during the runs that
        count, `cpu_seconds` what all of them used."""
        start = time.process_time()
        repeat(self.loaded.run, min(WARM_SECONDS, seconds))
        switches = resource.getrusage(resource.RUSAGE_SELF).ru_nivcsw
        times = sorted(repeat(self.loaded.run, seconds))
        switches = resource.getrusage(resource.RUSAGE_SELF).ru_nivcsw - switches
        return {"min_us": times[0] / 1e3, "median_us": times[len(times) // 2] / 1e3,
                "p90_us": times[len(times) * 9 // 10] / 1e3, "runs": len(times), "preempted": switches,
                "cpu_seconds": time.process_time() - start}

    def layers(self, seconds):
        return {"layers": self.loaded.layers(seconds)}

    def close(self):
        self.loaded = None
        gc.enable()
        gc.collect()
        return {}


def main():
    die_with_parent()
    name, cpus = sys.argv[1], [int(cpu) for cpu in sys.argv[2].split(",")]
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    worker = Worker(name, cpus)
    for line in sys.stdin:
        request = json.loads(line)
        try:
            reply = getattr(worker, request.pop("do"))(**request)
        except Exception as error:  # The benchmark goes on without this engine.
            traceback.print_exc()
            reply = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(reply), file=answers, flush=True)


if __name__ == "__main__":
    main()
