"""What every test starts from: one thread, a cache of its own."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keep decoded images away from the user's cache."""
    cache: Path = tmp_path_factory.getbasetemp() / "cache"
    monkeypatch.setenv("IMBTK_CACHE", str(cache))
    return cache
