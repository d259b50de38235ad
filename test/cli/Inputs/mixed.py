# Part of Nestor. SPDX-License-Identifier: Apache-2.0
"""Whether the accuracies of mixed pairs are those that single runs have.

mixed.py FILE.nest DATA.npz: runs the first and the last pair that `nestor inspect` lists on every sample of DATA (floats,
labelled), and some pair at a cut that has none, which must be refused."""
import json
import os
import subprocess
import sys
import tempfile

import numpy as np


def run(file, pair, *flags):
    return subprocess.run(["nestor", "run", file, "--capacity", str(pair["head"]), "--tail-capacity", str(pair["tail"]),
                           "--cut", str(pair["cut"]), "--json", *flags], capture_output=True, text=True, check=False)


def accuracy(file, pair, images, labels, scratch):
    path, right = os.path.join(scratch, "image.npy"), 0
    for image, label in zip(images, labels):
        np.save(path, image[None])
        done = run(file, pair, "--input", f"image=@{path}")
        assert done.returncode == 0, done.stderr
        result = json.loads(done.stdout)
        assert abs(result["tail_capacity"] - pair["tail"]) < 1e-6
        right += result["outputs"][0]["argmax"] == label
    return right / len(labels)


def main():
    file, data = sys.argv[1], np.load(sys.argv[2])
    held = json.loads(subprocess.run(["nestor", "inspect", file, "--json"], capture_output=True, check=True).stdout)
    cuts = {cut["index"]: cut for cut in held["cuts"]}
    pairs = held["mixed"]
    assert pairs and all(pair["head"] != pair["tail"] for pair in pairs)
    assert all(cuts[pair["cut"]]["single_tensor"] for pair in pairs)
    with tempfile.TemporaryDirectory() as scratch:
        for pair in (pairs[0], pairs[-1]):
            found = accuracy(file, pair, data["image"], data["y"], scratch)
            assert abs(found - pair["accuracy"]) < 1e-6, (pair, found)
    unlisted = next(cut for cut in list(cuts)[1:-1] if cut not in [pair["cut"] for pair in pairs])
    refused = run(file, pairs[0] | {"cut": unlisted})
    assert refused.returncode == 2 and "does not list the two as measured together" in refused.stderr, refused
    print(f"{len(pairs)} pairs agree")


if __name__ == "__main__":
    main()
