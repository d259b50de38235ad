#!/usr/bin/env python3
# Part of Nestor. SPDX-License-Identifier: Apache-2.0
"""Packs a model as an app package has it, uncompressed and aligned like
zipalign does, and prints where it lies: OFFSET LENGTH."""
import argparse
import struct
import zipfile


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model")
    parser.add_argument("package")
    parser.add_argument("--align", type=int, default=64)
    parser.add_argument("--shift", type=int, default=0, help="bytes behind a multiple of --align")
    arguments = parser.parse_args()
    name = "assets/model.nest"
    with open(arguments.model, "rb") as file:
        model = file.read()
    with zipfile.ZipFile(arguments.package, "w", zipfile.ZIP_STORED) as package:
        package.writestr("AndroidManifest.xml", "stands for the rest of the app")
        info = zipfile.ZipInfo(name)
        # The data follows a header of 30 bytes, the name and an extra field,
        # which pads: an identifier, a size and as many zeros.
        start = package.fp.tell() + 30 + len(name) + 4
        padding = (arguments.shift - start) % arguments.align
        info.extra = struct.pack("<HH", 0xD935, padding) + bytes(padding)
        package.writestr(info, model)
        offset = start + padding
    with open(arguments.package, "rb") as file:
        file.seek(offset)
        assert file.read(len(model)) == model
    print(offset, len(model))


main()
