# Part of Nestor. SPDX-License-Identifier: Apache-2.0
"""tuned.py FROM TO NUMBER|lacking: copies a file of --tune with tile NUMBER of its list (-1: the last) as every choice,
or without its first entry."""
import json
import sys

with open(sys.argv[1]) as file:
    document = json.load(file)
entries = document["entries"]
if sys.argv[3] == "lacking":
    del entries[next(iter(entries))]
else:
    for entry in entries.values():
        if "choice" in entry:
            entry["choice"] = list(entry["us"])[int(sys.argv[3])]
with open(sys.argv[2], "w") as file:
    json.dump(document, file)
