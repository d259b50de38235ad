# Part of Nestor. SPDX-License-Identifier: Apache-2.0
"""Damages a file and checks that a tool refuses it.

corrupt.py FILE SEED COUNT COMMAND...: COUNT times, cuts or flips bits of FILE
at seeded places and runs COMMAND with {} replaced by the damaged copy. The
command may succeed (the damage may not matter), or exit with 2, 3 or 4 and
print a message; a crash, a hang, silence or another status fails the test.
With an output {out} in COMMAND, a failed command must not leave it behind.
"""
import os
import random
import subprocess
import sys
import tempfile

path, seed, count, command = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4:]
data = open(path, "rb").read()
rng = random.Random(seed)


def damage():
    kind = rng.choice(["truncate", "flip", "overwrite"])
    at = rng.randrange(len(data))
    if kind == "truncate":
        return f"truncated to {at} bytes", data[:at]
    broken = bytearray(data)
    if kind == "flip":
        bit = rng.randrange(8)
        broken[at] ^= 1 << bit
        return f"bit {bit} of byte {at} flipped", bytes(broken)
    length = rng.randrange(1, 9)
    broken[at:at + length] = bytes(rng.randrange(256) for _ in range(length))
    return f"{length} bytes at {at} overwritten", bytes(broken)


failures = 0
with tempfile.TemporaryDirectory() as directory:
    broken = os.path.join(directory, "damaged" + os.path.splitext(path)[1])
    out = os.path.join(directory, "out.nest")
    for number in range(count):
        what, contents = damage()
        with open(broken, "wb") as file:
            file.write(contents)
        arguments = [part.replace("{out}", out).replace("{}", broken) for part in command]
        try:
            run = subprocess.run(arguments, capture_output=True, text=True, timeout=60)
            status, message = run.returncode, run.stderr
        except subprocess.TimeoutExpired:
            status, message = "a hang", ""
        problem = None
        if status not in (0, 2, 3, 4):
            problem = f"ended with {status}"
        elif status != 0 and not message.strip():
            problem = "said nothing"
        elif status != 0 and os.listdir(directory) != [os.path.basename(broken)]:
            problem = f"left {os.listdir(directory)}"
        if problem:
            failures += 1
            print(f"{path}, seed {seed}, case {number} ({what}): {problem}\n{message}")
        if os.path.exists(out):
            os.remove(out)
sys.exit(1 if failures else 0)
