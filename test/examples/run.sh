#!/usr/bin/env bash
# Part of Nestor. SPDX-License-Identifier: Apache-2.0
#
# Builds the apps of examples/ against an installed runtime, as their READMEs
# say, and runs them. The Python one is run by test/python/run.sh. And what
# quickstart.sh leaves out of its build, later builds of the same preset have.
#
#   test/examples/run.sh BUILD                   (BUILD: a finished build; status 77: it has no nestorc)
set -euo pipefail
examples=$(cd "$(dirname "$0")/../../examples" && pwd)
build=$(cd "${1:?usage: test/examples/run.sh BUILD}" && pwd)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

fail() { echo "examples: $*" >&2; exit 1; }
try() { # WHAT COMMAND...: silent where it works
  local what=$1; shift
  "$@" >"$scratch/log" 2>&1 || { cat "$scratch/log" >&2; fail "$what failed"; }
}
expect() { # WHAT PATTERN: the last log has a line that matches
  grep -qE "$2" "$scratch/log" || { cat "$scratch/log" >&2; fail "$1: no line matches $2"; }
}
[ -x "$build/bin/nestorc" ] || { echo "skipped: the examples (needs nestorc, which this build has not)"; exit 77; }

try "installing the runtime" cmake --install "$build" --prefix "$scratch/runtime" --component Runtime
try "compiling the model" "$build/bin/nestorc" compile "$examples/quickstart/fashion_resnet.onnx" \
  -o "$scratch/fashion.nest"
model=$scratch/fashion.nest
for app in c_minimal camera_loop; do
  try "configuring $app" cmake -S "$examples/$app" -B "$scratch/$app" -DCMAKE_PREFIX_PATH="$scratch/runtime" \
    -DCMAKE_FIND_USE_PACKAGE_REGISTRY=OFF
  try "building $app" cmake --build "$scratch/$app"
done

try "c_minimal" "$scratch/c_minimal/c_minimal" "$model"
expect "c_minimal" '^capacity 0\.25: class [0-9], score '
expect "c_minimal" '^capacity 1\.00: class [0-9], score '
mv "$scratch/log" "$scratch/by_cmake"
PKG_CONFIG_PATH=$(dirname "$(find "$scratch/runtime" -name nestor.pc)")
export PKG_CONFIG_PATH
# shellcheck disable=SC2046
try "building c_minimal without CMake" cc -std=c99 "$examples/c_minimal/main.c" -o "$scratch/plain" \
  $(pkg-config --cflags --libs nestor)
try "c_minimal without CMake" env LD_LIBRARY_PATH="$(pkg-config --variable=libdir nestor)" "$scratch/plain" "$model"
diff "$scratch/by_cmake" "$scratch/log" >&2 || fail "c_minimal: the two builds differ"
if "$scratch/c_minimal/c_minimal" "$examples/c_minimal/main.c" >"$scratch/log" 2>&1; then
  fail "c_minimal: took its source for an artifact"
fi
expect "c_minimal" 'not a \.nest file'
echo "ok: c_minimal"

# How fast it is raised again depends on the machine; that it is lowered does not.
try "camera_loop" "$scratch/camera_loop/camera_loop" "$model" 90
expect "camera_loop" '^frame [0-9]+ took .*: capacity 1\.00 -> 0\.'
expect "camera_loop" '^[0-9]+ late frames, [0-9]+ switches; frames at capacity 0\.25: '
echo "ok: camera_loop"

cd "$examples/.."
try "configuring without tests" cmake --preset runtime-only -B "$scratch/preset" -DNESTOR_BUILD_TESTS=OFF
try "configuring again" cmake --preset runtime-only -B "$scratch/preset"
grep -q '^NESTOR_BUILD_TESTS:BOOL=ON$' "$scratch/preset/CMakeCache.txt" ||
  fail "a build without tests, as quickstart.sh makes it, stays without: test/run.sh would find none"
echo "ok: tests after the quickstart"
