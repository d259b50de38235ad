# Part of Nestor. SPDX-License-Identifier: Apache-2.0
"""Ends a compile before its time and checks what it leaves.

interrupt.py ask STAGE OUT COMMAND...     Ctrl-C once, when STAGE is reported: COMMAND
    must soon end with 0 and leave a valid OUT
interrupt.py kill SEED COUNT OUT COMMAND... kills COMMAND, COUNT times, after seeded
    times: OUT's folder holds nothing then, or OUT alone and valid
"""
import os
import random
import signal
import subprocess
import sys
import time


def check(out):
    left = os.listdir(os.path.dirname(out))
    if not left:
        return
    assert left == [os.path.basename(out)], f"left {left}"
    subprocess.run(["nestor", "verify", out], check=True)
    os.remove(out)


def ask(stage, out, command):
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    said = []
    for line in process.stderr:
        said.append(line)
        if line.startswith(stage):
            process.send_signal(signal.SIGINT)
            break
    rest = process.communicate(timeout=60)[1]
    print("".join(said) + rest)
    assert process.returncode == 0, f"status {process.returncode}"
    assert os.path.exists(out), "no output"
    check(out)


def kill(seed, count, out, command):
    rng = random.Random(seed)
    for number in range(count):
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        delay = rng.uniform(0, 3)
        time.sleep(delay)
        process.send_signal(rng.choice([signal.SIGKILL, signal.SIGTERM, signal.SIGINT]))
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()
            sys.exit(f"run {number}, {delay:.3f} s: goes on")
        check(out)


if sys.argv[1] == "ask":
    ask(sys.argv[2], sys.argv[3], sys.argv[4:])
else:
    kill(int(sys.argv[2]), int(sys.argv[3]), sys.argv[4], sys.argv[5:])
