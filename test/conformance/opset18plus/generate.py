#!/usr/bin/env python3
# Part of Nestor. SPDX-License-Identifier: Apache-2.0
"""Writes data/: a model with inputs and outputs for each operator whose schema changed in
opsets 18 to 22, which ONNX's own test data of Debian does not have.

The outputs are computed here, by formulas in numpy, and by nothing of ours. Needs the
Python package onnx, 1.17 or newer; --check also compares with onnxruntime, where that has
the operator.
"""

import argparse
import pathlib
import shutil

import numpy as np

import cases
import control  # noqa: F401 - each module adds its cases.
import elementwise  # noqa: F401
import quantization  # noqa: F401
import recurrent  # noqa: F401
import reductions  # noqa: F401
import shapes  # noqa: F401
import windows  # noqa: F401

DATA = pathlib.Path(__file__).parent / "data"


def check(case):
    """What ONNX Runtime says about a case: "" if it agrees."""
    import onnxruntime

    try:
        session = onnxruntime.InferenceSession(case.model().SerializeToString(), providers=["CPUExecutionProvider"])
        results = session.run(None, case.feeds())
    except Exception as error:  # An operator that it lacks, mostly.
        return "not run: " + str(error).splitlines()[0][:120]
    expected = [y for y in case.outputs if y is not None]
    for want, have in zip(expected, results, strict=True):
        if want.dtype != have.dtype or want.shape != have.shape:
            return f"{have.dtype}{have.shape} instead of {want.dtype}{want.shape}"
        if not np.allclose(want, have, rtol=1e-4, atol=1e-5, equal_nan=True):
            return f"differs by {np.max(np.abs(want.astype(float) - have.astype(float)))}"
    return ""


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="compare with onnxruntime, write nothing")
    if parser.parse_args().check:
        for case in cases.CASES:
            print(f"{case.name}: {check(case) or 'same'}")
        return
    shutil.rmtree(DATA, ignore_errors=True)
    for case in cases.CASES:
        case.write(DATA)
    print(f"{len(cases.CASES)} cases in {DATA}")


if __name__ == "__main__":
    main()
