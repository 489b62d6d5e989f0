"""Random numbers that depend on what they are for, never on who drew before.

Every number is a pure function of (run seed, name of the strategy, epoch, *global* position of the sample, column):
adding a strategy does not reshuffle another, a process that holds half of a batch draws exactly its half, and a
resumed run goes on as if nothing had been.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import torch

__all__ = ["Draw"]

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_SHIFT_30, _SHIFT_27, _SHIFT_31 = np.uint64(30), np.uint64(27), np.uint64(31)
_MULTIPLY_A, _MULTIPLY_B = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)


def _avalanche(state: np.ndarray) -> np.ndarray:
    """Finish SplitMix64 (Steele, Lea & Flood 2014, Figure 14) on an array of uint64, in place; return it."""
    state ^= state >> _SHIFT_30
    state *= _MULTIPLY_A
    state ^= state >> _SHIFT_27
    state *= _MULTIPLY_B
    state ^= state >> _SHIFT_31
    return state


def _check_above_zero(distribution: str, *parameters: float) -> None:
    if not all(0 < parameter < np.inf for parameter in parameters):
        raise ValueError(f"a {distribution} distribution needs parameters above 0, and got {parameters}")


class Draw:
    """A source of numbers for one strategy in one epoch, one row of numbers for each sample of a batch.

    Parameters
    ----------
    seed : int
        The run's seed.
    name : str
        What the numbers are for, usually the strategy's name.
    epoch : int
        The epoch, from 0.
    positions : ndarray of int64, shape (B,), optional
        Positions of the samples in the epoch's *global* order. Without them, only :meth:`generator` and :meth:`numpy`
        can be used.
    device : str or torch.device
        Where the tensors are put.

    Notes
    -----
    Each call of a method that draws (:meth:`uniform`, :meth:`beta`, ...) gives fresh numbers: a column counter goes on.
    Numbers are made by SplitMix64 on the CPU, so that they are the same on every device.

    Examples
    --------
    >>> import numpy as np
    >>> whole = Draw(0, "augment", epoch=3, positions=np.arange(4)).uniform(2)
    >>> half = Draw(0, "augment", epoch=3, positions=np.arange(2, 4)).uniform(2)
    >>> bool((whole[2:] == half).all())
    True
    """

    __slots__ = ("_column", "_device", "_key", "_rows", "epoch", "name", "positions", "seed")

    def __init__(
        self,
        seed: int,
        name: str,
        epoch: int = 0,
        positions: np.ndarray | None = None,
        device: str | torch.device = "cpu",
    ) -> None:
        self.seed, self.name, self.epoch, self.positions = seed, name, epoch, positions
        self._device = device
        self._column = 0
        self._rows: np.ndarray | None = None
        self._key: int | None = None

    @property
    def key(self) -> int:
        """The 64-bit key that seed, name and epoch make."""
        if self._key is None:
            text = f"{self.seed}\0{self.name}\0{self.epoch}".encode()
            self._key = int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "little")
        return self._key

    def named(self, name: str) -> Draw:
        """Return the same place in the run (seed, epoch, positions) for another name, its columns unused."""
        return Draw(self.seed, name, self.epoch, self.positions, self._device)

    def at(self, epoch: int, positions: np.ndarray | None = None) -> Draw:
        """Return the same name and seed at another epoch and other positions."""
        return Draw(self.seed, self.name, epoch, positions, self._device)

    def generator(self) -> torch.Generator:
        """Return a fresh CPU generator keyed by seed, name and epoch: for draws over a whole epoch."""
        import torch

        return torch.Generator().manual_seed(self.key & 0x7FFFFFFFFFFFFFFF)

    def numpy(self) -> np.random.Generator:
        """Return a fresh NumPy generator keyed by seed, name and epoch."""
        return np.random.default_rng(self.key)

    def _bits(self, columns: int) -> np.ndarray:
        """Return 64 random bits per sample and column, shape (B, columns), uint64."""
        if self.positions is None:
            raise ValueError(f"this draw ('{self.name}') has no positions: use generator() or numpy()")
        if self._rows is None:
            positions = np.asarray(self.positions).astype(np.uint64)[:, None]
            self._rows = _avalanche((positions + np.uint64(1)) * _GOLDEN ^ np.uint64(self.key))
        first = self._column + 1
        self._column += columns
        return _avalanche(self._rows + np.arange(first, first + columns, dtype=np.uint64) * _GOLDEN)

    def _tensor(self, values: np.ndarray) -> torch.Tensor:
        import torch

        tensor = torch.from_numpy(values)
        return tensor if str(self._device) == "cpu" else tensor.to(self._device, non_blocking=True)

    def uniform(self, columns: int = 1, low: float = 0.0, high: float = 1.0) -> torch.Tensor:
        """Return uniform numbers in [low, high), float32, shape (B, columns)."""
        unit = (self._bits(columns) >> np.uint64(40)).astype(np.float32) * np.float32(2.0**-24)
        return self._tensor(unit if (low, high) == (0.0, 1.0) else unit * np.float32(high - low) + np.float32(low))

    def normal(self, columns: int = 1) -> torch.Tensor:
        """Return standard normal numbers, float32, shape (B, columns)."""
        from scipy.special import ndtri

        return self._tensor(ndtri(self._inside(columns)).astype(np.float32))

    def gamma(self, shape: float, columns: int = 1) -> torch.Tensor:
        """Return numbers from the gamma distribution of scale 1, float32, shape (B, columns).

        Raises
        ------
        ValueError
            If `shape` is not above 0.
        """
        from scipy.special import gammaincinv

        _check_above_zero("gamma", shape)
        return self._tensor(gammaincinv(shape, self._inside(columns)).astype(np.float32))

    def beta(self, a: float, b: float, columns: int = 1) -> torch.Tensor:
        """Return numbers from the beta distribution, as mixing draws its shares: float32 in [0, 1], (B, columns).

        Raises
        ------
        ValueError
            If `a` or `b` is not above 0.
        """
        from scipy.special import betaincinv

        _check_above_zero("beta", a, b)
        return self._tensor(betaincinv(a, b, self._inside(columns)).astype(np.float32))

    def _inside(self, columns: int) -> np.ndarray:
        """Return uniform numbers, never 0 or 1, shape (B, columns), float64: for the inverse of a distribution."""
        return ((self._bits(columns) >> np.uint64(11)).astype(np.float64) + 0.5) * 2.0**-53

    def integers(self, high: int, columns: int = 1) -> torch.Tensor:
        """Return integers in [0, high), int64, shape (B, columns); `high` at most 2**24."""
        unit = (self._bits(columns) >> np.uint64(11)).astype(np.float64) * 2.0**-53
        return self._tensor((unit * high).astype(np.int64))

    def __repr__(self) -> str:
        size = None if self.positions is None else len(self.positions)
        return f"Draw(seed={self.seed}, name={self.name!r}, epoch={self.epoch}, samples={size})"
