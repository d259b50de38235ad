#!/usr/bin/env bash
# Part of Nestor. SPDX-License-Identifier: Apache-2.0
#
# Installs what Nestor needs from Debian 12's own packages; does nothing where
# all of it is there. Groups:
#   build      compile everything            example   the quickstart's data
#   test       run every test tier           bench     export the networks of the benchmark
#   package    make and test Debian packages
#   aarch64    cross-build and run under qemu
#   python     build and test python_bindings
#
#   tools/setup.sh build example
set -euo pipefail

declare -A packages=(
  [build]="g++ cmake ninja-build pkg-config libmlir-22-dev mlir-22-tools llvm-22-dev llvm-22-tools liblld-22-dev
           libonnx-dev libprotobuf-dev protobuf-compiler nanopb libnanopb-dev libcli11-dev nlohmann-json3-dev
           libxxhash-dev zlib1g-dev libzstd-dev libeigen3-dev libjs-chart.js"
  [example]="dataset-fashion-mnist python3-numpy"
  [test]="libgtest-dev libgmock-dev libonnx-testdata python3-numpy python3-pil clang-22 libclang-rt-22-dev"
  [aarch64]="g++-aarch64-linux-gnu qemu-user libnanopb-dev:arm64 zlib1g-dev:arm64 libgtest-dev:arm64"
  [python]="g++ cmake ninja-build libnanopb-dev libxxhash-dev python3-dev python3-venv"
  [package]="dpkg-dev file debootstrap lintian"
  [bench]="python3-numpy python3-torch python3-torchvision python3-onnx python3-venv"
)

if [ $# -eq 0 ]; then
  echo "usage: tools/setup.sh GROUP...   groups: ${!packages[*]}" >&2
  exit 2
fi

missing=()
for group in "$@"; do
  if [ -z "${packages[$group]+set}" ]; then
    echo "setup: no group '$group'; there are: ${!packages[*]}" >&2
    exit 2
  fi
  for package in ${packages[$group]}; do
    dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
  done
done
[ ${#missing[@]} -eq 0 ] && exit 0

echo "setup: installing ${missing[*]}"
if [ "$(id -u)" -ne 0 ]; then
  echo "setup: this needs root. Run: sudo tools/setup.sh $*, or apt-get install --no-install-recommends ${missing[*]}" >&2
  exit 1
fi
# The cross build takes its libraries from Debian's arm64.
case "${missing[*]}" in *:arm64*) dpkg --add-architecture arm64 ;; esac
export DEBIAN_FRONTEND=noninteractive
log=$(mktemp)
trap 'rm -f "$log"' EXIT
if ! { apt-get update && apt-get install -y --no-install-recommends "${missing[@]}"; } >"$log" 2>&1; then
  tail -5 "$log" >&2
  echo "setup: apt-get failed. These packages are in Debian 12 (bookworm, its updates and bookworm-security): check" \
       "/etc/apt/sources.list and the network, then run this again." >&2
  exit 1
fi
