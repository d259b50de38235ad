# Part of Nestor. SPDX-License-Identifier: Apache-2.0
"""Where the engines and the networks come from."""
import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
BENCH = os.path.dirname(HERE)
ROOT = os.path.dirname(os.path.dirname(BENCH))
WORK = os.path.join(ROOT, "build", "bench")
NETWORKS = ["mobilenet_v2", "resnet18", "resnet50", "squeezenet1_1", "efficientnet_b0", "vgg16", "mobilenet_v3_small",
            "shufflenet_v2_x1_0", "cifar_resnet20", "cifar_resnet56", "ds_cnn_kws", "lenet5", "lstm_har",
            "minilm6_384_s128"]


def enter_venv(venv):
    """Goes on under the Python of a virtual environment that has the engines; makes it first if there is none."""
    venv = os.path.abspath(venv)
    if sys.prefix == venv:
        return
    python, done = os.path.join(venv, "bin", "python"), os.path.join(venv, "nestor-bench")
    requirements = os.path.join(HERE, "requirements.txt")
    with open(requirements) as file:
        wanted = file.read()
    if not os.path.exists(done) or open(done).read() != wanted:
        subprocess.run(["/usr/bin/python3", "-m", "venv", venv], check=True)
        subprocess.run([python, "-m", "pip", "install", "-q", "--no-deps", "-r", requirements], check=True)
        with open(done, "w") as file:
            file.write(wanted)
    os.execv(python, [python, *sys.argv])


def export_networks(folder, names):
    """Exports those that are not in the folder, by the Python that has Debian's PyTorch."""
    missing = [name for name in names if not os.path.exists(os.path.join(folder, f"{name}.onnx"))]
    if missing:
        subprocess.run(["/usr/bin/python3", os.path.join(BENCH, "networks.py"), "-o", folder, *missing], check=True)
