# Part of Nestor. SPDX-License-Identifier: Apache-2.0
"""tuned.py FROM TO NUMBER: copies a file of --tune with tile NUMBER of its list (-1: the last) as every choice."""
import json
import sys

with open(sys.argv[1]) as file:
    document = json.load(file)
for entry in document["entries"].values():
    if "choice" in entry:
        entry["choice"] = list(entry["us"])[int(sys.argv[3])]
with open(sys.argv[2], "w") as file:
    json.dump(document, file)
