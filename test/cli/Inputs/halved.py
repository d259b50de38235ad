# Part of Nestor. SPDX-License-Identifier: Apache-2.0
"""Checks what `nestor inspect --json` says of two artifacts of one model: filters of the second take half the room.

usage: halved.py WIDE.json NARROW.json
"""
import json
import sys

wide, narrow = (json.load(open(path)) for path in sys.argv[1:])
assert len(wide["capacities"]) == len(narrow["capacities"])
assert narrow["file_bytes"] < wide["file_bytes"]
for a, b in zip(wide["capacities"], narrow["capacities"]):
    assert (a["capacity"], a["macs"], a["private_bytes"]) == (b["capacity"], b["macs"], b["private_bytes"])
    for key in ("weight_bytes", "delta_bytes"):
        # Biases and what fills blocks up to 64 bytes stay.
        assert 0.5 <= b[key] / a[key] < 0.56, (a["capacity"], key, a[key], b[key])
