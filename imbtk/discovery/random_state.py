"""The global random states of Python, NumPy and torch, which no plugin may touch."""

from __future__ import annotations

import random
import sys
from dataclasses import dataclass
from typing import Any

__all__ = ["RandomStates"]


@dataclass(frozen=True)
class RandomStates:
    """The states at one moment.

    Attributes
    ----------
    python, numpy, torch : object
        As their libraries give them; None for torch if it is not imported yet.
    cuda : list of Tensor, optional
        Of each GPU; None if none is in use.
    """

    python: Any
    numpy: Any
    torch: Any
    cuda: Any = None

    @classmethod
    def now(cls) -> RandomStates:
        """Return the states as they are, without importing torch."""
        import numpy as np

        torch = sys.modules.get("torch")
        state = None if torch is None else torch.random.get_rng_state()
        cuda = torch.cuda.get_rng_state_all() if torch is not None and torch.cuda.is_initialized() else None
        return cls(random.getstate(), np.random.get_state(), state, cuda)  # noqa: NPY002

    def disturbed(self) -> str:
        """Return the library whose state has changed since, empty if none has; all states are put back."""
        import numpy as np

        found = []
        if random.getstate() != self.python:
            random.setstate(self.python)
            found.append("Python")
        numpy = np.random.get_state()  # noqa: NPY002
        if not all(np.array_equal(a, b) for a, b in zip(numpy, self.numpy, strict=True)):
            np.random.set_state(self.numpy)  # noqa: NPY002
            found.append("NumPy")
        torch = sys.modules.get("torch")
        if torch is not None:
            before = self.torch
            if before is None:
                # torch was imported meanwhile: nobody can have drawn if its state is where its seed puts it.
                before = torch.Generator().manual_seed(torch.initial_seed()).get_state()
            if not torch.equal(torch.random.get_rng_state(), before):
                torch.random.set_rng_state(before)
                found.append("torch")
            if self.cuda is not None and not all(map(torch.equal, torch.cuda.get_rng_state_all(), self.cuda)):
                torch.cuda.set_rng_state_all(self.cuda)
                found.append("torch")
        return found[0] if found else ""
