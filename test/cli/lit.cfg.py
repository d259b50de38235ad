# Part of Nestor. SPDX-License-Identifier: Apache-2.0
import os

here = os.path.dirname(__file__)
lit_config.load_config(config, os.path.join(here, "..", "lit", "lit.cfg.py"))
config.name = "Nestor command line"
config.test_source_root = here
config.substitutions.append(("%exits", os.path.join(here, "Inputs", "exits.sh")))
config.substitutions.append(("%corrupt", "/usr/bin/python3 " + os.path.join(here, "Inputs", "corrupt.py")))

shared = os.environ.get("NESTOR_SHARED") or next(
    (path for path in (os.path.join(config.nestor_source_dir, up, "shared") for up in ("..", "../.."))
     if os.path.isdir(path)), None)
if shared:
    config.available_features.add("shared")
    config.substitutions.append(("%shared", shared))
