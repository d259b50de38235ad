#!/usr/bin/env bash
# Part of Nestor. SPDX-License-Identifier: Apache-2.0
#
# Installs a build and uses it as others would: the runtime alone in an app,
# found by CMake and by pkg-config, and nestorc from its installed place.
#
#   test/install/run.sh BUILD                    (BUILD: a finished build of the preset release)
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
build=$(cd "${1:?usage: test/install/run.sh BUILD}" && pwd)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

fail() { echo "install test: $*" >&2; exit 1; }
try() { # WHAT COMMAND...: silent where it works
  local what=$1; shift
  "$@" >"$scratch/log" 2>&1 || { cat "$scratch/log" >&2; fail "$what failed"; }
}

try "installing" cmake --install "$build" --prefix "$scratch/all"
try "installing the runtime" cmake --install "$build" --prefix "$scratch/runtime" --component Runtime
# The prefix is not the configured one, and moves: what is installed must be relocatable.
mv "$scratch/runtime" "$scratch/moved"
runtime=$scratch/moved
libraries=$(dirname "$(find "$runtime" -name libnestor.so)")
[ ! -e "$runtime/bin/nestorc" ] || fail "the component Runtime holds nestorc"
if grep -rniE 'llvm|mlir|onnx|protobuf' "$libraries/cmake" "$libraries/pkgconfig"; then
  fail "the runtime's packages name what only the compiler needs (lines above)"
fi

try "the installed nestorc" "$scratch/all/bin/nestorc" compile \
  "$here/../../examples/quickstart/fashion_resnet.onnx" -o "$scratch/fashion.nest"

# The ramp of main.cpp, through the installed tool.
try "writing the input" /usr/bin/python3 - "$scratch/ramp.npy" <<'PYTHON'
import sys
import numpy as np
np.save(sys.argv[1], (np.arange(784, dtype=np.float32) / np.float32(784)).reshape(1, 1, 28, 28))
PYTHON
try "the installed nestor" "$runtime/bin/nestor" run "$scratch/fashion.nest" \
  --input "image=@$scratch/ramp.npy" --json
expected=$(/usr/bin/python3 -c 'import json, sys
output = json.load(sys.stdin)["outputs"][0]
print("class %d, score %.3f" % (output["argmax"], output["max"]))' <"$scratch/log")

expect() { # HOW APP [VAR=VALUE]: the app runs without LLVM and agrees with the tool
  local how=$1 app=$2 result; shift 2
  if env "$@" ldd "$app" | grep -E 'LLVM|MLIR|onnx|protobuf|not found'; then
    fail "$how: the app needs the libraries above"
  fi
  result=$(env "$@" "$app" "$scratch/fashion.nest") || fail "$how: the app failed"
  [ "$result" = "$expected" ] || fail "$how: the app says $result; nestor run says $expected"
  echo "ok: $how: $result"
}

try "finding the component Compiler" cmake -S "$here" -B "$scratch/compiler" -G Ninja \
  -DCMAKE_PREFIX_PATH="$scratch/all" -DCMAKE_FIND_USE_PACKAGE_REGISTRY=OFF -DEXPECT_COMPILER=TRUE
try "configuring with find_package" cmake -S "$here" -B "$scratch/app" -G Ninja \
  -DCMAKE_PREFIX_PATH="$runtime" -DCMAKE_FIND_USE_PACKAGE_REGISTRY=OFF -DEXPECT_COMPILER=FALSE
try "building with find_package" cmake --build "$scratch/app"
expect "find_package, nestor::nestor" "$scratch/app/app_nestor"
expect "find_package, nestor::nestor_static" "$scratch/app/app_nestor_static"

export PKG_CONFIG_PATH=$libraries/pkgconfig
# shellcheck disable=SC2046
try "building with pkg-config" g++ -std=c++17 -Wall -Wextra -Werror "$here/main.cpp" -o "$scratch/app_pkgconfig" \
  $(pkg-config --cflags --libs nestor)
expect "pkg-config" "$scratch/app_pkgconfig" "LD_LIBRARY_PATH=$libraries"

# Every header stands alone, those that end in .h in C99 too.
for header in "$runtime"/include/nestor/*.hpp; do
  echo "#include <nestor/$(basename "$header")>" >"$scratch/header.cpp"
  try "compiling $(basename "$header") alone" g++ -std=c++17 -Wall -Wextra -Wpedantic -Werror -fsyntax-only \
    -I "$runtime/include" "$scratch/header.cpp"
done
for header in "$runtime"/include/nestor/*.h; do
  echo "#include <nestor/$(basename "$header")>" | tee "$scratch/header.c" >"$scratch/header.cpp"
  try "compiling $(basename "$header") as C99" gcc -std=c99 -Wall -Wextra -Wpedantic -Werror -fsyntax-only \
    -I "$runtime/include" "$scratch/header.c"
  try "compiling $(basename "$header") as C++17" g++ -std=c++17 -Wall -Wextra -Wpedantic -Werror -fsyntax-only \
    -I "$runtime/include" "$scratch/header.cpp"
done
echo "ok: every installed header compiles alone"
