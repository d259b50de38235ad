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

# The head on this machine, the tail on the other one, through a pipe; and back.
over_a_pipe() { # NAME CUT: of a model that was checked
  local nest=$scratch/$1.nest cut=$2
  local arm_run=(timeout 120 qemu-aarch64 -L /usr/aarch64-linux-gnu "$arm/nestor" run "$nest")
  local same=(--expect "$scratch/$1.npz" --atol 1e-4 --rtol 1e-4)
  "$host/nestor" run "$nest" --head "$cut" --live-out - | "${arm_run[@]}" --tail "$cut" --live-in - "${same[@]}" &&
    "${arm_run[@]}" --head "$cut" --live-out - | "$host/nestor" run "$nest" --tail "$cut" --live-in - "${same[@]}"
}
for cut in 2 5; do
  if over_a_pipe fashion_resnet $cut; then
    echo "ok: fashion_resnet over a pipe at cut $cut"
  else
    echo "FAILED: fashion_resnet over a pipe at cut $cut"
    failed=1
  fi
done

# int8: each CPU runs the code for the best instruction that it has, and all of
# them compute the bits of this machine, but for sums of floats behind the bytes.
int8_on_all() { # MODEL SAMPLES TOLERANCE
  local nest=$scratch/int8.nest capacity cpu target arm_tool
  "$host/nestorc" compile "$1" --data "$2" --recover none --precision f32,int8 \
    --target aarch64+neon --target x86-64-v3 -o "$nest"
  for cpu in cortex-a53=aarch64+neon cortex-a76=aarch64+neon+dotprod max=aarch64+neon+i8mm; do
    target=${cpu#*=}
    arm_tool=(timeout 120 qemu-aarch64 -cpu "${cpu%%=*}" -L /usr/aarch64-linux-gnu "$arm/nestor")
    "${arm_tool[@]}" inspect "$nest" --precision int8 | grep -F "$target " | grep 'runs it'
    for capacity in 0.25 1; do
      "$host/nestor" run "$nest" --precision int8 --capacity $capacity --output "$scratch/int8.npz"
      "${arm_tool[@]}" run "$nest" --precision int8 --capacity $capacity --expect "$scratch/int8.npz" \
        --atol "$3" --rtol 0
    done
  done
}
int8() {
  /usr/bin/python3 -c 'import sys, numpy as np
np.savez(sys.argv[1], x=np.random.default_rng(1).random((64, 1, 28, 28), np.float32))' "$scratch/samples.npz"
  int8_on_all "$root/examples/quickstart/fashion_resnet.onnx" "$scratch/samples.npz" 0
  if [ -d "$shared/models" ]; then # Depthwise layers, and a softmax.
    int8_on_all "$shared/models/kws_ds_cnn.onnx" "$shared/data/kws/calib.npz" 1e-6
  fi
}

# An Android app, built with this toolchain in the place of the NDK's and one
# thread, since Debian 12's qemu-user starts no more. The model is an asset of
# its package, aligned so that it is mapped and so that it has to be read.
android_app() {
  local package arguments expected result
  cmake --install "$arm/.." --prefix "$scratch/arm" --component Runtime
  cmake -S "$root/examples/android_app" -B "$scratch/app" -G Ninja -DCMAKE_BUILD_TYPE=Release \
    -DCMAKE_TOOLCHAIN_FILE="$root/cmake/aarch64-linux-gnu.cmake" -Dnestor_DIR="$scratch/arm/lib/cmake/nestor"
  cmake --build "$scratch/app"
  /usr/bin/python3 -c 'import sys, numpy as np
np.save(sys.argv[1], (np.arange(784, dtype=np.float32) / np.float32(784)).reshape(1, 1, 28, 28))' "$scratch/ramp.npy"
  expected=$(for capacity in 0.25 0.5 0.75 1; do
    "$host/nestor" run "$scratch/fashion_resnet.nest" --capacity $capacity --input "image=@$scratch/ramp.npy" --json |
      /usr/bin/python3 -c 'import json, sys
output = json.load(sys.stdin)["outputs"][0]
print("class %d, score %.3f" % (output["argmax"], output["max"]))'
  done)
  for arguments in "--align 64" "--align 4096 --shift 4"; do
    # shellcheck disable=SC2086
    package=$("$root/examples/android_app/pack.py" $arguments "$scratch/fashion_resnet.nest" "$scratch/app.apk")
    # shellcheck disable=SC2086
    result=$(timeout 120 qemu-aarch64 -L /usr/aarch64-linux-gnu "$scratch/app/activity" "$scratch/app.apk" $package)
    diff <(echo "$expected") <(sed 's/.*: class/class/' <<<"$result")
  done
  # Beyond the package, and in the middle of the model.
  for package in "64 100000000" "128 64"; do
    # shellcheck disable=SC2086
    if qemu-aarch64 -L /usr/aarch64-linux-gnu "$scratch/app/activity" "$scratch/app.apk" $package; then
      return 1
    fi
  done
}
# The same model linked into a program.
embedded() {
  "$host/nestorc" compile "$root/examples/quickstart/fashion_resnet.onnx" --emit object --target aarch64+neon \
    -o "$scratch/fashion.o"
  aarch64-linux-gnu-g++ -std=c++17 -Wall -Wextra -Werror -I "$scratch" -I "$scratch/arm/include" \
    "$root/test/embedded/compare.cpp" "$scratch/fashion.o" "$scratch/arm/lib/libnestor.a" -pthread -o "$scratch/embedded"
  timeout 120 qemu-aarch64 -L /usr/aarch64-linux-gnu "$scratch/embedded" "$scratch/fashion_resnet.nest"
}
for part in int8 android_app embedded; do
  # Not as a condition, which would keep a failing command from ending it.
  set +e
  (set -e; $part) >"$scratch/log" 2>&1
  status=$?
  set -e
  if [ $status -eq 0 ]; then
    echo "ok: $part"
  else
    cat "$scratch/log"
    echo "FAILED: $part"
    failed=1
  fi
done

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
