#!/usr/bin/env python3
# Part of Nestor. SPDX-License-Identifier: Apache-2.0
"""Checks code images: no vector is kept on the stack inside an inner loop.

usage: check_spills.py [--objdump PROGRAM] [--require INSTRUCTION] IMAGE...

An inner loop is the body of a backward jump without another backward jump in
it. One that multiplies vectors must not load or store a vector at a fixed
place of the stack: the register tile is then too large for the target. Exits
with 1 and names the functions where that happens, and the images without an
inner loop that has INSTRUCTION more than once. KNOWN lists what may happen all
the same; one of those that does not happen any more is an error, too.
"""
import argparse
import os
import re
import subprocess
import sys

INSTRUCTION = re.compile(r"^\s*([0-9a-f]+):\s+(\S+)\s*(.*)$")
FUNCTION = re.compile(r"^[0-9a-f]+ <(.+)>:$")
TARGET = re.compile(r"0x([0-9a-f]+)")

# By image and beginning of a function's name: most accesses in a loop, and why.
KNOWN = {
    # Rows of the kernel are unrolled, and LLVM loads inputs and weights of several
    # before it multiplies: where they all but fit the registers, it is one or two
    # too many. That is an access in 30 products at most, and what keeps LLVM from
    # loading so early moves it to other shapes.
    ("training_depthwise_3x3_s2.x86-64-v4.so", "depthwise_"): 4,
}


def functions(objdump, path):
    """Yields (name, [(address, mnemonic, operands)])."""
    text = subprocess.run([objdump, "-d", "--no-show-raw-insn", path],
                          capture_output=True, text=True, check=True).stdout
    name, body = None, []
    for line in text.splitlines():
        if match := FUNCTION.match(line):
            if body:
                yield name, body
            name, body = match.group(1), []
        elif (match := INSTRUCTION.match(line)) and name:
            body.append((int(match.group(1), 16), match.group(2), match.group(3)))
    if body:
        yield name, body


def jump_target(mnemonic, operands):
    is_jump = mnemonic.startswith(("j", "b.", "cb", "tb")) or mnemonic == "b"
    match = TARGET.search(operands) if is_jump else None
    return int(match.group(1), 16) if match else None


def inner_loops(body):
    index = {address: i for i, (address, _, _) in enumerate(body)}
    loops = []
    for i, (address, mnemonic, operands) in enumerate(body):
        target = jump_target(mnemonic, operands)
        if target is not None and target <= address and target in index:
            loops.append((index[target], i))
    for first, last in loops:
        if not any(first <= f and l <= last and (f, l) != (first, last) for f, l in loops):
            yield body[first:last + 1]


def multiplies(mnemonic):
    return mnemonic.startswith(("vfm", "mulp", "vmulp", "fmla", "fmul", "vpdp", "vpmadd", "pmadd", "sdot", "usdot", "mla"))


def is_vector_stack_access(operands):
    if re.search(r"%[xyz]mm", operands):  # (%rsp) or 8(%rsp), but not (%rsp,%rax)
        return re.search(r"\(%rsp\)", operands) is not None
    return re.match(r"q\d+", operands) is not None and re.search(r"\[sp(, #\d+)?\]", operands) is not None


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--objdump", default="llvm-objdump-22")
    parser.add_argument("--require", metavar="INSTRUCTION")
    parser.add_argument("images", nargs="+")
    args = parser.parse_args()
    failures, expected = 0, {place for place in KNOWN if place[0] in map(os.path.basename, args.images)}
    for path in args.images:
        required = 0
        for name, body in functions(args.objdump, path):
            for loop in inner_loops(body):
                spills = sum(is_vector_stack_access(operands) for _, _, operands in loop)
                products = sum(multiplies(mnemonic) for _, mnemonic, _ in loop)
                required = max(required, sum(mnemonic == args.require for _, mnemonic, _ in loop))
                if not spills or products < 2:
                    continue
                known = [place for place in KNOWN if place[0] == os.path.basename(path) and name.startswith(place[1])]
                expected.difference_update(known)
                if not any(spills <= KNOWN[place] for place in known):
                    failures += 1
                    print(f"{path}: {name}: {spills} vector accesses of the stack in a loop of "
                          f"{products} products at {loop[0][0]:#x}")
        if args.require and required < 2:
            failures += 1
            print(f"{path}: no inner loop has more than one {args.require}")
    for image, name in sorted(expected):
        failures += 1
        print(f"{image}: {name}: no vector on the stack any more; take it out of KNOWN")
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
