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

models=("$root/examples/quickstart/fashion_resnet.onnx")
if [ -d "$shared/models" ]; then
  models+=("$shared/models/kws_ds_cnn.onnx" "$shared/models/har_cnn1d.onnx" "$shared/models/mobilenet_v2_imagenet.onnx"
           "$shared/models/wild/tract_byte_sb_bidi_lstm.onnx" "$shared/models/wild/silero_vad_16k_op15.onnx"
           "$shared/models/wild/ch_ppocr_mobile_v2.0_cls_infer.onnx")
else
  echo "the shared models are skipped: needs ../shared"
fi

failed=0
for model in "${models[@]}"; do
  name=$(basename "$model" .onnx)
  "$host/nestorc" compile "$model" --target aarch64+neon --target x86-64-v2 -o "$scratch/$name.nest" >/dev/null
  "$host/nestor" run "$scratch/$name.nest" --output "$scratch/$name.npz" >/dev/null
  if qemu-aarch64 -L /usr/aarch64-linux-gnu "$arm/nestor" run "$scratch/$name.nest" \
      --expect "$scratch/$name.npz" --atol 1e-4 --rtol 1e-4; then
    echo "ok: $name"
  else
    echo "FAILED: $name"
    failed=1
  fi
done
exit $failed
