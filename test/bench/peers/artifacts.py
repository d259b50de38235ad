# Part of Nestor. SPDX-License-Identifier: Apache-2.0
"""Artifacts of the networks, compiled when compiler, model or flags are new."""
import hashlib
import os
import subprocess
import sys

from peers import environment


def modified(path):
    return os.path.getmtime(path) if os.path.exists(path) else 0


def compile_artifact(binaries, model, flags):
    """The path of the artifact; one that is newer than compiler and model is kept."""
    nestorc = os.path.join(binaries, "nestorc")
    folder = os.path.join(environment.WORK, "artifacts")
    os.makedirs(folder, exist_ok=True)
    digest = hashlib.sha256(" ".join(flags).encode()).hexdigest()[:8]
    artifact = os.path.join(folder, f"{os.path.basename(model)[:-5]}.{digest}.nest")
    if modified(artifact) < max(modified(nestorc), modified(model)):
        done = subprocess.run([nestorc, "compile", model, "-o", artifact, *flags], capture_output=True, text=True)
        if done.returncode != 0:
            sys.exit(f"nestorc compile {model} failed: {done.stderr.strip()}")
    return artifact
