#!/usr/bin/env bash
# Part of Nestor. SPDX-License-Identifier: Apache-2.0
#
# Compiles models for aarch64+neon here, runs them with the cross-built runtime
# under qemu, and compares with what this machine's own code computes.
#
#   test/aarch64/run.sh BUILD AARCH64_BUILD      (tools/setup.sh aarch64; presets release and aarch64)
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
host=$(cd "${1:?build directory of the preset release}" && pwd)/bin
arm=$(cd "${2:?build directory of the preset aarch64}" && pwd)/bin
shared=${NESTOR_SHARED:-$root/../shared}
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

failed=0
check() { # MODEL [nestorc flags]: compares the outputs of random inputs
  local model=$1 name; shift
  name=$(basename "$model" .onnx)
  "$host/nestorc" compile "$model" "$@" --target aarch64+neon --target x86-64-v2 -o "$scratch/$name.nest" >/dev/null
  "$host/nestor" run "$scratch/$name.nest" --output "$scratch/$name.npz" >/dev/null
  if timeout 120 qemu-aarch64 -L /usr/aarch64-linux-gnu "$arm/nestor" run "$scratch/$name.nest" \
      --expect "$scratch/$name.npz" --atol 1e-4 --rtol 1e-4; then
    echo "ok: $name"
  else
    echo "FAILED: $name"
    failed=1
  fi
}

check "$root/examples/quickstart/fashion_resnet.onnx"
if [ -d "$shared/models" ]; then
  check "$shared/models/kws_ds_cnn.onnx"
  check "$shared/models/har_cnn1d.onnx"
  check "$shared/models/mobilenet_v2_imagenet.onnx"
  check "$shared/models/wild/tract_byte_sb_bidi_lstm.onnx" --shape input=1,24
  check "$shared/models/wild/silero_vad_16k_op15.onnx" --shape input=1,576 --shape state=2,1,128
  check "$shared/models/wild/ch_ppocr_mobile_v2.0_cls_infer.onnx" --shape x=1,3,48,192
else
  echo "skipped: the shared models need ../shared"
fi
exit $failed
