#!/usr/bin/env bash
# Part of Nestor. SPDX-License-Identifier: Apache-2.0
#
# Checks what reviewers should not have to: which part includes which, what
# libnestor.so exports, needs and weighs, that generated files are current, and
# the form of the sources. Prints every violation.
#
#   test/layering.sh BUILD                       (BUILD: a finished build, such as build/release)
set -euo pipefail
cd "$(dirname "$0")/.."
build=${1:?usage: test/layering.sh BUILD}
library=$build/lib/libnestor.so
most_bytes=$((300 * 1024))
most_added=250000
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

violation() { # WHAT: the lines on standard input, where there are any, break a rule
  local lines
  lines=$(cat)
  [ -n "$lines" ] || return 0
  printf 'layering: %s\n%s\n' "$1" "$lines" | sed '2,$s/^/    /' >&2
  touch "$scratch/failed" # A variable would not leave the pipe.
}
sources() { # FOLDER...: what people write; without git, so that an unpacked archive passes too
  find "$@" -type f \( -name '*.cpp' -o -name '*.h' -o -name '*.hpp' -o -name '*.c' -o -name '*.td' -o -name '*.proto' \
    -o -name '*.py' -o -name '*.sh' -o -name '*.mlir' -o -name '*.test' -o -name '*.cmake' -o -name CMakeLists.txt \) \
    ! -path 'test/bench/work/*' | sort
}
grep_sources() { # PATTERN FOLDER...: matching lines; none is no error
  local pattern=$1; shift
  sources "$@" | xargs grep -nHP -- "$pattern" || true
}
includes() { # PATTERN FOLDER...
  local pattern=$1; shift
  grep_sources "^\s*#\s*include\s*[<\"]($pattern)" "$@"
}

includes 'compiler/|passes/|tools/|llvm|mlir|lld/|onnx|google/|iostream' runtime |
  violation "the runtime includes nothing of the compiler, LLVM, ONNX or protobuf, and no iostream"
grep_sources '^(?!\s*(//|\*|/\*)).*\b(throw|dynamic_cast|typeid)\b' runtime |
  violation "the runtime uses no exceptions and no RTTI"
includes 'tools/' passes | violation "passes include nothing of the tools"
includes 'tools/nestor' compiler | violation "the compiler includes no tool's own headers"

# pb.[ch] are nanopb's; tests of lit begin with what they run.
sources runtime compiler passes tools python_bindings test examples |
  grep -vE '\.(pb\.[ch]|mlir|test|cmake)$|CMakeLists.txt$' |
  { xargs grep -L 'SPDX-License-Identifier: Apache-2.0' || true; } |
  violation "files without the line of the licence"
sources runtime compiler passes tools python_bindings test examples cmake | grep -v '\.pb\.[ch]$' |
  { xargs grep -nHP '\t|[ \t]+$' || true; } | violation "tabs, or blanks at the end of a line"

strip -o "$scratch/libnestor.so" "$library"
bytes=$(stat -c %s "$scratch/libnestor.so")
[ "$bytes" -le "$most_bytes" ] ||
  echo "$bytes bytes" | violation "libnestor.so, stripped, is larger than $most_bytes bytes"
# What libnestor.a, with its C++ library shared, adds to a program that runs a model.
for define in WITHOUT_NESTOR WITH_NESTOR; do
  g++ -std=c++17 -O2 -D$define -I runtime/include test/layering/hello.cpp -o "$scratch/$define" \
    -Wl,--gc-sections -s -L "$build/lib" -l:libnestor.a -pthread
done
added=$(($(stat -c %s "$scratch/WITH_NESTOR") - $(stat -c %s "$scratch/WITHOUT_NESTOR")))
[ "$added" -le "$most_added" ] ||
  echo "$added bytes" | violation "libnestor.a adds more than $most_added bytes to a program"
nm -DC --defined-only "$library" | cut -d' ' -f3- | { grep -vE '^nestor(::|_)' || true; } |
  violation "libnestor.so exports names that are not its own"
# Both as sorted names, so that the difference tells which side lacks what.
{ diff <(grep -oP '^NESTOR_API\b.*?\K\bnestor_\w+(?=\()' runtime/include/nestor/nestor.h | sort) \
  <(nm -D --defined-only "$library" | cut -d' ' -f3- | grep '^nestor_' | sort) || true; } |
  violation "nestor.h (<) and the C names that libnestor.so exports (>) differ"
readelf -d "$library" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p' |
  { grep -vE '^(libstdc\+\+\.so\.6|libgcc_s\.so\.1|libm\.so\.6|libc\.so\.6|ld-linux-.*)$' || true; } |
  violation "libnestor.so needs more than libc and libstdc++"

if command -v nanopb_generator.py >/dev/null; then
  cmake --build "$build" --target check-format >"$scratch/format" 2>&1 ||
    violation "generated files are out of date" <"$scratch/format"
else
  echo "skipped: generated files (needs nanopb_generator.py, Debian: nanopb)"
fi
if [ -x "$build/bin/nestorc" ]; then
  "$build/bin/nestorc" ops | { diff docs/operators.md - || true; } |
    violation "docs/operators.md differs from nestorc ops (cure: $build/bin/nestorc ops > docs/operators.md)"
else
  echo "skipped: docs/operators.md (needs nestorc)"
fi
[ ! -e "$scratch/failed" ] || exit 1
echo "ok: layers, libnestor.so ($bytes bytes stripped; linked statically, $added), generated files, form of the sources"
