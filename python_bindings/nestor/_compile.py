# Part of Nestor. SPDX-License-Identifier: Apache-2.0
"""Calls nestorc, the compiler, which is a program of its own."""
from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from typing import Any

from ._error import NestorError
from ._nestor import Artifact

# What nestorc's exit statuses say.
_CODES = {1: "check_failed", 2: "invalid_argument", 3: "unsupported_model", 4: "corrupt"}


def _find_nestorc() -> str:
    named = os.environ.get("NESTORC")
    found = shutil.which(named or "nestorc")
    if found:
        return found
    if named:
        raise NestorError("not_found", f"NESTORC={named} is no program; set it to the path of nestorc")
    raise NestorError("not_found", "nestorc, the compiler, is not on PATH: install it, or set NESTORC to its path")


def _join(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        return ",".join(_join(part) for part in value)
    return str(os.fspath(value)) if isinstance(value, os.PathLike) else str(value)


def _arguments(flags: Mapping[str, Any]) -> list[str]:
    """`top="exact"` is --top exact; True is a flag without a value, False and None are none at all; a list of numbers
    is joined by commas, a list of strings repeats the flag, and so does a mapping: shape={"x": (1, 3)} is
    --shape x=1,3."""
    arguments = []
    for name, value in flags.items():
        flag = "--" + name.replace("_", "-")
        if value is None or value is False:
            continue
        if value is True:
            arguments.append(flag)
        elif isinstance(value, Mapping):
            for key, part in value.items():
                arguments += [flag, f"{key}={_join(part)}"]
        elif isinstance(value, (list, tuple)) and any(isinstance(part, str) for part in value):
            for part in value:
                arguments += [flag, part]
        else:
            arguments += [flag, _join(value)]
    return arguments


def _call(command: list[str]) -> tuple[int, str]:
    """The exit status and what was written to standard error."""
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                          text=True, errors="replace") as process:
        try:
            messages = process.communicate()[1]
        except KeyboardInterrupt:
            # nestorc got Ctrl-C too: it ends training and still writes its file.
            process.communicate()
            raise
    return process.returncode, messages.strip()


def compile(model: str | os.PathLike[str], output: str | os.PathLike[str], **flags: Any) -> Artifact:
    """Compiles an ONNX file to `output` and opens it. Flags are those of `nestorc compile`:

        nestor.compile("model.onnx", "model.nest", capacities=[0.25, 0.5, 1], data="train.npz", recover="solve",
                       shape={"input": (1, 3, 224, 224)}, target=["x86-64-v3", "aarch64+neon"])

    Raises `NestorError` with the messages of nestorc, which is found on PATH or by the environment variable NESTORC.
    """
    command = [_find_nestorc(), "compile", os.fspath(model), "-o", os.fspath(output), *_arguments(flags)]
    status, messages = _call(command)
    if status != 0:
        raise NestorError(_CODES.get(status, "internal_error"), messages or f"nestorc ended with status {status}")
    return Artifact.open(output)
