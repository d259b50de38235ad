#!/usr/bin/env bash
# Part of Nestor. SPDX-License-Identifier: Apache-2.0
#
# From a bare Debian 12 to a running model: installs what is missing, builds
# Nestor, compiles a trained Fashion-MNIST model into four nested capacities
# with accuracy won back from 2,000 unlabelled images, scores each on the 10,000
# test images and prints latency and file size. Can be run again.
set -euo pipefail
cd "$(dirname "$0")/.."

step() { printf '\n==> %s\n' "$*"; }
fail() { echo "quickstart: $*" >&2; exit 1; }

[ -r /etc/debian_version ] || fail "this script installs Debian packages; on another system install the ones that tools/setup.sh lists, then build with: cmake --preset release && cmake --build --preset release"

step "Installing what is missing from Debian"
tools/setup.sh build example

step "Building (about ten minutes the first time on two cores)"
cmake --preset release -DNESTOR_BUILD_TESTS=OFF >build-configure.log 2>&1 ||
  { tail -20 build-configure.log >&2; fail "configuring failed; the reason is above, the whole log in build-configure.log"; }
rm -f build-configure.log
cmake --build --preset release || fail "the build failed; fix what is reported above and run this again, it goes on where it stopped"
bin=$PWD/build/release/bin
work=$PWD/build/quickstart
mkdir -p "$work"

step "Converting images of Fashion-MNIST"
/usr/bin/python3 examples/quickstart/dataset.py -o "$work/test.npz" &&
  /usr/bin/python3 examples/quickstart/dataset.py --train --count 2000 -o "$work/train.npz" ||
  fail "could not read the images; reinstall them with: apt-get install --reinstall dataset-fashion-mnist"

step "Compiling examples/quickstart/fashion_resnet.onnx"
"$bin/nestorc" compile examples/quickstart/fashion_resnet.onnx -o "$work/fashion.nest" \
  --data "$work/train.npz" --recover solve --report "$work/fashion.html"

step "Accuracy on the test images"
"$bin/nestor" eval "$work/fashion.nest" --data "$work/test.npz" --capacity all

step "Latency, one thread: the smallest capacity, then the full one"
"$bin/nestor" bench "$work/fashion.nest" --capacity 0.25
"$bin/nestor" bench "$work/fashion.nest"

step "File"
ls -l "$work/fashion.nest" | awk '{print $5 " bytes  " $9}'
echo
echo "Next: open $work/fashion.html in a browser, or: $bin/nestor inspect $work/fashion.nest --plan"
echo "More accuracy: compile with --recover distill and labelled data (README, section Capacities)"
