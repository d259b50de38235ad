# Part of Nestor. SPDX-License-Identifier: Apache-2.0
"""The benchmark's side of a worker process."""
import json
import os
import signal
import subprocess
import sys

from peers import environment


class Worker:
    """An engine in a process of its own, on the given CPUs.

    It is stopped while it is not its turn, so that threads which spin or tidy
    up take nothing from the others.
    """

    def __init__(self, engine, cpus, log, variables):
        self.process = subprocess.Popen(
            [sys.executable, "-m", "peers.worker", engine, ",".join(map(str, cpus))], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=log, text=True, cwd=environment.BENCH, env={**os.environ, **variables})

    def ask(self, what, **request):
        """The answer to a request; RuntimeError says what went wrong in the engine."""
        self.process.send_signal(signal.SIGCONT)
        try:
            self.process.stdin.write(json.dumps({"do": what, **request}) + "\n")
            self.process.stdin.flush()
            line = self.process.stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            raise RuntimeError(f"the worker died, status {self.process.wait()}")
        self.process.send_signal(signal.SIGSTOP)
        reply = json.loads(line)
        if "error" in reply:
            raise RuntimeError(reply["error"])
        return reply

    def close(self):
        """Frees the network; a worker that died has done so already."""
        try:
            self.ask("close")
        except RuntimeError:
            pass

    def end(self):
        self.process.kill()
        self.process.wait()
