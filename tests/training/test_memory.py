"""The allocator's thresholds."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

CODE = """
import resource, torch
torch.set_num_threads(1)
if {kept}:
    from imbtk.training.memory import keep_memory
    keep_memory()
def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
def step():
    return len([torch.ones(2_500_000) for _ in range(8)])
for _ in range(3):
    step()
before = faults()
for _ in range(10):
    step()
print(faults() - before)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc only")
def test_large_blocks_are_not_faulted_in_again() -> None:
    # glibc's own thresholds move while a program runs; pinned where they start, they are what is overridden.
    start = {"MALLOC_TRIM_THRESHOLD_": "131072", "MALLOC_MMAP_THRESHOLD_": "131072"}
    faults = {}
    for kept in (False, True):
        command = [sys.executable, "-c", CODE.format(kept=kept)]
        out = subprocess.run(command, capture_output=True, text=True, check=True, env=os.environ | start)
        faults[kept] = int(out.stdout)
    assert faults[False] > 10_000
    assert faults[True] < faults[False] / 10
