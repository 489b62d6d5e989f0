"""States on disk."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from imbtk.errors import RunFolderError
from imbtk.training.checkpoint import Checkpoint, load_checkpoint


def test_two_generations_are_kept(tmp_path: Path) -> None:
    network = torch.nn.Linear(2, 2)
    optimizer = torch.optim.AdamW(network.parameters())
    checkpoint = Checkpoint(tmp_path / "checkpoint")
    for done in (1, 2, 3):
        checkpoint.save(network, optimizer, [], done, [{"epoch": 0.0}])
    assert load_checkpoint(checkpoint.folder)["epochs_done"] == 3
    assert sorted(path.name for path in checkpoint.folder.iterdir()) == ["last.ckpt", "previous.ckpt"]
    (checkpoint.folder / "last.ckpt").unlink()
    state = load_checkpoint(checkpoint.folder)
    assert state["epochs_done"] == 2
    assert torch.equal(state["network"]["weight"], network.weight)
    checkpoint.save_if_due(network, optimizer, [], 4, [])
    assert not (checkpoint.folder / "last.ckpt").exists(), "a minute has not gone"


def test_what_cannot_be_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RunFolderError, match="holds no checkpoint"):
        load_checkpoint(tmp_path)
    torch.save({"schema_version": 99}, tmp_path / "last.ckpt")
    with pytest.raises(RunFolderError, match="written by a newer imbtk"):
        load_checkpoint(tmp_path)
