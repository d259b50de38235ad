#!/usr/bin/env bash
# Part of Nestor. SPDX-License-Identifier: Apache-2.0
#
# Installs the Python package as users do and tests it: built from this tree,
# and from a copy of python_bindings alone that links an installed libnestor.
# Packages from PyPI go to BUILD/python.
#
#   test/python/run.sh BUILD [pytest arguments]          (BUILD: a finished build; tools/setup.sh python)
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
build=$(cd "${1:?usage: test/python/run.sh BUILD}" && pwd); shift
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
export PIP_DISABLE_PIP_VERSION_CHECK=1 CMAKE_BUILD_PARALLEL_LEVEL=2

fail() { echo "python test: $*" >&2; exit 1; }
try() { # WHAT COMMAND...: silent where it works
  local what=$1; shift
  "$@" >"$scratch/log" 2>&1 || { tail -40 "$scratch/log" >&2; fail "$what failed"; }
}
if command -v ccache >/dev/null; then
  export CMAKE_C_COMPILER_LAUNCHER=ccache CMAKE_CXX_COMPILER_LAUNCHER=ccache
fi

venv=$build/python
[ -x "$venv/bin/pip" ] || try "making a virtual environment" /usr/bin/python3 -m venv "$venv"
python=$venv/bin/python
try "installing packages from PyPI" "$venv/bin/pip" install -q pytest mypy numpy scikit-build-core nanobind
try "pip install ./python_bindings" "$venv/bin/pip" install -q --force-reinstall --no-deps "$root/python_bindings"

mkdir "$scratch/artifacts"
try "writing the test artifacts" "$build/bin/nestor_write_artifacts" "$scratch/artifacts"
export NESTOR_TEST_ARTIFACTS=$scratch/artifacts NESTOR_TEST_ROOT=$root PYTHONDONTWRITEBYTECODE=1
unset NESTORC
if [ -x "$build/bin/nestorc" ]; then
  export NESTOR_TEST_NESTORC=$build/bin/nestorc
fi
# In another folder, so that the installed package is what is imported.
(cd "$scratch" && "$python" -m pytest -q -p no:cacheprovider -rs "$here" "$@") || fail "pytest failed"
try "comparing the stubs with the package" env -C "$scratch" "$venv/bin/stubtest" nestor --concise \
  --allowlist "$here/stubtest_allowlist.txt"
try "checking the package's own types" env -C "$scratch" "$venv/bin/mypy" --strict --cache-dir "$scratch/mypy" -p nestor
echo "ok: stubs and types"

models=("$root/test/data/v1.nest")
if [ -x "$build/bin/nestorc" ]; then
  models+=("$scratch/fashion.nest")
  try "compiling the quickstart's model" "$build/bin/nestorc" compile \
    "$root/examples/quickstart/fashion_resnet.onnx" -o "$scratch/fashion.nest"
fi
for model in "${models[@]}"; do
  try "examples/python_script" env -C "$scratch" "$python" "$root/examples/python_script/explore.py" "$model"
  grep -q ' 100\.0%$' "$scratch/log" || fail "examples/python_script: the full capacity disagrees with itself"
done
echo "ok: examples/python_script"

try "installing libnestor" cmake --install "$build" --prefix "$scratch/runtime" --component Runtime
cp -r "$root/python_bindings" "$scratch/package"
# What is built a second time comes from ccache, where the packages stay in one place.
try "pip install with an installed libnestor" env CMAKE_PREFIX_PATH="$scratch/runtime" \
  "$venv/bin/pip" install -q --no-build-isolation --no-deps --target "$scratch/site" "$scratch/package"
# Not through a pipe: `grep -q` ends at the first match, and readelf would die of it now and then.
grep -q 'NEEDED.*libnestor.so' <<<"$(readelf -d "$scratch"/site/nestor/_nestor*.so)" ||
  fail "the extension does not link the installed libnestor"
try "running with an installed libnestor" env -C "$scratch" PYTHONPATH="$scratch/site" "$python" -m pytest \
  -q -p no:cacheprovider "$here/test_session.py"
echo "ok: the package with an installed libnestor"
