# Part of Nestor. SPDX-License-Identifier: Apache-2.0
"""The parts of test/bench/run_peers.py: one engine a file, and what they share.

engine_*.py run in a worker process each (worker.py); the others run in the
benchmark itself, which drives the workers.
"""
