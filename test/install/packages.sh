#!/usr/bin/env bash
# Part of Nestor. SPDX-License-Identifier: Apache-2.0
#
# Makes the Debian packages of a build and installs them, one after the other,
# into a bare Debian 12 that has a C++ compiler and nothing else: an app is
# built with libnestor-dev alone, then the tools run from their packages.
#
#   test/install/packages.sh BUILD               (BUILD: a finished build of the preset release)
#
# The bare system is made once, in build/debian, which takes a minute and the
# network; NESTOR_DEBIAN_MIRROR names another mirror.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
build=$(cd "${1:?usage: test/install/packages.sh BUILD}" && pwd)
mirror=${NESTOR_DEBIAN_MIRROR:-http://deb.debian.org/debian}
base=$root/build/debian

if [ "$(id -u)" -ne 0 ]; then
  echo "skipped: packages in a bare Debian (needs root, for debootstrap and chroot)"
  exit 0
fi
if ! command -v debootstrap >/dev/null; then
  echo "skipped: packages in a bare Debian (needs debootstrap: tools/setup.sh package)"
  exit 0
fi
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
debian=$scratch/debian

fail() { echo "package test: $*" >&2; exit 1; }
try() { # WHAT COMMAND...: silent where it works
  local what=$1; shift
  "$@" >"$scratch/log" 2>&1 || { tail -40 "$scratch/log" >&2; fail "$what failed"; }
}
inside() { chroot "$debian" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8 \
  DEBIAN_FRONTEND=noninteractive ${http_proxy:+http_proxy="$http_proxy"} "$@"; }

make_base() {
  rm -rf "$base.new"
  debootstrap --variant=minbase --include=g++,pkg-config bookworm "$base.new" "$mirror"
  # LLVM 22 comes with Debian's security updates.
  cat >"$base.new/etc/apt/sources.list" <<LIST
deb $mirror bookworm main
deb $mirror bookworm-updates main
deb ${mirror%/debian}/debian-security bookworm-security main
LIST
  mv "$base.new" "$base"
}
[ -d "$base" ] || try "making a bare Debian (debootstrap)" make_base

# The Python test leaves what python3-nestor is built with.
if [ -x "$build/python/bin/python" ]; then
  try "finding nanobind" cmake -D "NESTOR_PACKAGE_PYTHON=$build/python/bin/python" "$build"
fi
try "making the packages" cpack --config "$build/CPackConfig.cmake" -G DEB -B "$scratch/packages"
packages=$(cd "$scratch/packages" && ls ./*.deb)
for package in libnestor libnestor-dev nestor-tools nestorc; do
  grep -q "^\./${package}_" <<<"$packages" || fail "cpack made no package $package"
done
if command -v lintian >/dev/null; then
  try "lintian" lintian --allow-root --fail-on error,warning "$scratch"/packages/*.deb
  echo "ok: lintian finds nothing in" $packages
fi

try "copying the bare Debian" cp -a --reflink=auto "$base" "$debian"
mkdir "$debian/test"
cp "$scratch"/packages/*.deb "$debian/test"
cp "$here/main.cpp" "$root/test/embedded/compare.cpp" "$root/examples/quickstart/fashion_resnet.onnx" "$debian/test"
try "apt-get update" inside apt-get update
install() { # PACKAGE...: with what they depend on, and no more
  local files=() package
  for package in "$@"; do
    files+=("/test/$(cd "$debian/test" && ls "${package}"_*.deb)")
  done
  try "installing $*" inside apt-get install -y --no-install-recommends "${files[@]}"
}

try "compiling a model" "$build/bin/nestorc" compile "$root/examples/quickstart/fashion_resnet.onnx" \
  -o "$debian/test/fashion.nest"

# 1. What an app needs.
install libnestor libnestor-dev
if inside dpkg-query -W -f '${Package}\n' | grep -E 'llvm|mlir|onnx|protobuf|^nestor'; then
  fail "libnestor-dev brings the packages above"
fi
try "building the app" inside sh -c 'g++ -std=c++17 -Wall -Wextra -Werror /test/main.cpp -o /test/app \
  $(pkg-config --cflags --libs nestor)'
try "building the static app" inside sh -c 'g++ -std=c++17 -Wall -Wextra -Werror /test/main.cpp -o /test/app_static \
  -l:libnestor.a -pthread'
expected=$(inside /test/app /test/fashion.nest) || fail "the app failed"
[ "$(inside /test/app_static /test/fashion.nest)" = "$expected" ] || fail "the static app differs from $expected"
# Not through a pipe: `grep -q` ends at the first match, and ldd would die of it now and then.
grep -q 'libnestor.so.* => /' <<<"$(inside ldd /test/app)" || fail "the app does not load libnestor.so"
echo "ok: libnestor-dev: $expected"

# 2. The tool.
install nestor-tools
try "nestor inspect" inside nestor inspect /test/fashion.nest --json
grep -q '"capacities"' "$scratch/log" || fail "nestor inspect shows no capacities"
try "nestor verify" inside nestor verify /test/fashion.nest
echo "ok: nestor-tools: inspect, verify"

# 3. The compiler: the same bytes as where it was built.
install nestorc
try "nestorc compile" inside nestorc compile /test/fashion_resnet.onnx -o /test/again.nest
cmp "$debian/test/fashion.nest" "$debian/test/again.nest" || fail "the installed nestorc writes other bytes"
echo "ok: nestorc: compile writes the same bytes as $build/bin/nestorc"
try "nestorc compile --emit object" inside nestorc compile /test/fashion_resnet.onnx --emit object -o /test/fashion.o
try "building an app with the model inside" inside sh -c 'g++ -std=c++17 -Wall -Wextra -Werror -I /test \
  /test/compare.cpp /test/fashion.o $(pkg-config --cflags --libs nestor) -o /test/compare'
try "the app with the model inside" inside /test/compare /test/fashion.nest
echo "ok: nestorc: an app with the model inside computes the same bits"

# 4. Python, where its package could be made.
if grep -q '^\./python3-nestor_' <<<"$packages"; then
  install python3-nestor
  try "importing nestor" inside python3 -c 'import nestor'
  echo "ok: python3-nestor: import"
else
  echo "skipped: python3-nestor (cmake says why it is not made)"
fi

# 5. Nothing stays.
try "removing the packages" inside apt-get purge -y 'libnestor*' '?installed?name(nestor)'
left=$(find "$debian" -xdev -path "$debian/test" -prune -o -path "$debian/var" -prune -o -path "$debian/proc" -prune \
  -o -iname '*nestor*' -print)
[ -z "$left" ] || fail "left behind: $left"
echo "ok: removed without a trace"

# Downloads are kept for the next time.
mkdir -p "$base/var/cache/apt/archives"
cp -n "$debian"/var/cache/apt/archives/*.deb "$base/var/cache/apt/archives/" 2>/dev/null || true
