# Part of Nestor. SPDX-License-Identifier: Apache-2.0
import os
import subprocess

here = os.path.dirname(__file__)
lit_config.load_config(config, os.path.join(here, "..", "lit", "lit.cfg.py"))
config.name = "Nestor command line"
config.test_source_root = here
config.substitutions.append(("%exits", os.path.join(here, "Inputs", "exits.sh")))
config.substitutions.append(("%corrupt", "/usr/bin/python3 " + os.path.join(here, "Inputs", "corrupt.py")))
config.substitutions.append(("%images", "/usr/bin/python3 " + os.path.join(here, "Inputs", "images.py")))
config.substitutions.append(("%interrupt", "/usr/bin/python3 " + os.path.join(here, "Inputs", "interrupt.py")))
config.substitutions.append(("%agree", "/usr/bin/python3 " + os.path.join(here, "Inputs", "agree.py")))
config.substitutions.append(("%mixed", "/usr/bin/python3 " + os.path.join(here, "Inputs", "mixed.py")))
config.substitutions.append(("%halved", "/usr/bin/python3 " + os.path.join(here, "Inputs", "halved.py")))
config.substitutions.append(("%samples", "/usr/bin/python3 " + os.path.join(here, "Inputs", "samples.py")))
config.substitutions.append(("%tuned", "/usr/bin/python3 " + os.path.join(here, "Inputs", "tuned.py")))
# A target whose code this machine cannot run.
config.substitutions.append(("%foreign", "x86-64-v3" if os.uname().machine == "aarch64" else "aarch64+neon"))

config.substitutions.append(("%describe-onnx", "/usr/bin/python3 " + os.path.join(here, "Inputs", "describe_onnx.py")))
# Other packages leave a folder of that name, which can be imported, too.
if subprocess.run(["/usr/bin/python3", "-c", "from onnx import load"], capture_output=True).returncode == 0:
    config.available_features.add("python3-onnx")

# The targets whose code this CPU can run, by a flag that Linux names for each.
with open("/proc/cpuinfo") as file:
    flags = set(file.read().split())
for target, flag in (("x86-64-v2", "sse4_2"), ("x86-64-v3", "avx2"), ("x86-64-v4", "avx512vl"), ("aarch64", "asimd")):
    if flag in flags:
        config.available_features.add(target)

shared = os.environ.get("NESTOR_SHARED") or next(
    (path for path in (os.path.join(config.nestor_source_dir, up, "shared") for up in ("..", "../.."))
     if os.path.isdir(path)), None)
if shared:
    config.available_features.add("shared")
    config.substitutions.append(("%shared", shared))
