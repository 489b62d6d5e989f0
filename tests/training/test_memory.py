"""The allocator's thresholds."""

from __future__ import annotations

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
    faults = {}
    for kept in (False, True):
        out = subprocess.run([sys.executable, "-c", CODE.format(kept=kept)], capture_output=True, text=True, check=True)
        faults[kept] = int(out.stdout)
    assert faults[True] < faults[False] / 10
