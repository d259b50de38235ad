# Part of Nestor. SPDX-License-Identifier: Apache-2.0
import os

import lit.formats

config.name = "Nestor"
config.test_format = lit.formats.ShTest(execute_external=False)
config.suffixes = [".mlir", ".test"]
config.test_source_root = os.path.dirname(__file__)
config.test_exec_root = config.nestor_test_dir
config.excludes = ["Inputs"]

# Our tools, then FileCheck, not, split-file.
config.environment["PATH"] = os.pathsep.join(
    [config.nestor_tools_dir, config.llvm_tools_dir, os.environ["PATH"]]
)
config.substitutions.append(("%source", config.nestor_source_dir))

# A test that needs a tool that this build leaves out says so in REQUIRES.
for tool in ("nestorc", "nestor", "nestor-opt"):
    if os.path.exists(os.path.join(config.nestor_tools_dir, tool)):
        config.available_features.add(tool)
