# Part of Nestor. SPDX-License-Identifier: Apache-2.0
"""agree.py F.nest: the accuracies of `nestor eval --json`, on standard input, are those that F.nest stores."""
import json
import subprocess
import sys

results = json.load(sys.stdin)["results"]
inspected = subprocess.run(["nestor", "inspect", sys.argv[1], "--json"], check=True, capture_output=True)
capacities = json.loads(inspected.stdout)["capacities"]
assert len(results) == len(capacities) == 4, (results, capacities)
for result, stored in zip(results, capacities):
    assert result["capacity"] == stored["capacity"], (result, stored)
    assert abs(result["top1"] - stored["accuracy"]) < 1e-6, (result, stored)
