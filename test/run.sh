#!/usr/bin/env bash
# Part of Nestor. SPDX-License-Identifier: Apache-2.0
#
# Builds Nestor and runs every test tier. Each tier is also a command of its
# own:  ctest --test-dir build/release -L lit|unit|numerics|conformance|cli|fuzz|layering
#
#   test/run.sh [--quick]     --quick leaves out sanitizers, aarch64, the install and Python tests, packages
set -euo pipefail
cd "$(dirname "$0")/.."
quick=${1:-}

step() { printf '\n==> %s\n' "$*"; }
fail() { echo "run.sh: $*" >&2; exit 1; }

step "Installing what is missing from Debian"
tools/setup.sh build test
[ "$quick" = --quick ] || tools/setup.sh aarch64 python package

build() { # PRESET [cmake arguments]: configures and builds
  local preset=$1; shift
  step "Building preset $preset"
  cmake --preset "$preset" "$@" >/tmp/nestor-configure.$$ 2>&1 ||
    { tail -30 /tmp/nestor-configure.$$ >&2; fail "configuring preset $preset failed"; }
  rm -f /tmp/nestor-configure.$$
  cmake --build --preset "$preset" || fail "building preset $preset failed"
}

tier() { # PRESET LABEL...: runs the tests with one of these labels
  local preset=$1 labels; shift
  labels=$(IFS='|'; echo "$*")
  step "Testing $preset: $*"
  ctest --test-dir "build/$preset" -L "^($labels)\$" --output-on-failure --no-tests=error -j2
}

build release
status=0
tier release layering lit unit numerics conformance cli fuzz || status=1

if [ "$quick" != --quick ]; then
  step "Install test"
  test/install/run.sh build/release || status=1
  step "Python test"
  test/python/run.sh build/release || status=1
  step "Debian packages"
  test/install/packages.sh build/release || status=1
  build asan-ubsan
  tier asan-ubsan unit fuzz || status=1
  build tsan
  tier tsan unit || status=1
  build aarch64
  step "Testing aarch64 under qemu"
  test/aarch64/run.sh build/release build/aarch64 || status=1
fi
[ $status -eq 0 ] || fail "some tests failed; the lines above name them"
step "All tiers passed"
