"""States on disk."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from imbtk.errors import RunFolderError
from imbtk.training import checkpoint
from imbtk.training.checkpoint import Checkpoint, load_checkpoint, training_state
from imbtk.training.config import Progress


def test_two_generations_are_kept(tmp_path: Path) -> None:
    network = torch.nn.Linear(2, 2)
    optimizer = torch.optim.AdamW(network.parameters())
    states = Checkpoint(tmp_path / "checkpoint")
    for done in (1, 2, 3):
        states.save(partial(training_state, network, optimizer, [], Progress([{"epoch": 0.0}] * done)))
    assert load_checkpoint(states.folder)["epochs_done"] == 3
    assert sorted(path.name for path in states.folder.iterdir()) == ["last.ckpt", "previous.ckpt"]
    (states.folder / "last.ckpt").unlink()
    state = load_checkpoint(states.folder)
    assert state["epochs_done"] == 2
    assert torch.equal(state["network"]["weight"], network.weight)
    states.save_if_due(partial(training_state, network, optimizer, [], Progress()))
    assert not (states.folder / "last.ckpt").exists(), "a minute has not gone"


def test_what_cannot_be_read_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(RunFolderError, match="holds no checkpoint"):
        load_checkpoint(tmp_path)
    (tmp_path / "last.ckpt").write_bytes(b"")
    with pytest.raises(
        RunFolderError, match=r"holds no checkpoint that is whole\. '.*last\.ckpt' is damaged: it is cut"
    ):
        load_checkpoint(tmp_path)
    monkeypatch.setattr(checkpoint, "SCHEMA_VERSION", 99)
    saved(tmp_path, 1)
    monkeypatch.undo()
    with pytest.raises(RunFolderError, match="written by a newer imbtk"):
        load_checkpoint(tmp_path)


def saved(folder: Path, *epochs: int) -> None:
    """Save states after so many epochs."""
    network = torch.nn.Linear(8, 8)
    optimizer = torch.optim.AdamW(network.parameters())
    for done in epochs:
        Checkpoint(folder).save(partial(training_state, network, optimizer, [], Progress([{"epoch": 0.0}] * done)))


def test_a_torn_state_falls_back_to_the_one_before_and_says_so(tmp_path: Path) -> None:
    saved(tmp_path, 1, 2)
    whole = (tmp_path / "last.ckpt").read_bytes()
    for length in (0, 1, 44, 45, 46, len(whole) // 2, len(whole) - 46, len(whole) - 45, len(whole) - 1):
        (tmp_path / "last.ckpt").write_bytes(whole[:length])
        with pytest.warns(
            UserWarning, match=r"last\.ckpt' is damaged: .* before it is used, after 1 epochs: '.*previous"
        ):
            assert load_checkpoint(tmp_path)["epochs_done"] == 1
    (tmp_path / "last.ckpt").write_bytes(whole)
    assert load_checkpoint(tmp_path)["epochs_done"] == 2


@given(place=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
def test_a_flipped_bit_anywhere_falls_back(place: float, bit: int, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("flipped")
    saved(folder, 1, 2)
    content = bytearray((folder / "last.ckpt").read_bytes())
    content[int(place * len(content))] ^= 1 << bit
    (folder / "last.ckpt").write_bytes(content)
    with pytest.warns(UserWarning, match="is damaged"):
        assert load_checkpoint(folder)["epochs_done"] == 1


def test_two_damaged_states_are_refused(tmp_path: Path) -> None:
    saved(tmp_path, 1, 2)
    for path in tmp_path.iterdir():
        path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(RunFolderError, match=r"no checkpoint that is whole\. '.*last.* '.*previous\.ckpt' is damaged"):
        load_checkpoint(tmp_path)
