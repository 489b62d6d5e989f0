"""PyTorch's optimisers without the compiler that they load when one is made.

Making an optimiser and stepping it imports ``torch._dynamo`` (with sympy, triton and torch.distributed), only so that
these methods can be told apart inside ``torch.compile``. Nothing here is compiled, and that import takes as long as
``import torch`` itself.
"""

from __future__ import annotations

import inspect
from typing import Any, TypeVar, cast

import torch

__all__ = ["eager"]

Kind = TypeVar("Kind", bound=torch.optim.Optimizer)

_METHODS = ("step", "zero_grad", "add_param_group", "state_dict", "load_state_dict")


def eager(kind: type[Kind]) -> type[Kind]:
    """Return a subclass of an optimiser that does the same, and cannot be traced by ``torch.compile``.

    Parameters
    ----------
    kind : subclass of torch.optim.Optimizer

    Returns
    -------
    type
        Of the same name.
    """
    plain: dict[str, Any] = {name: inspect.unwrap(getattr(kind, name)) for name in _METHODS}
    # What was unwrapped switched gradients off as well, where the optimiser is not to be differentiated itself.
    plain["step"] = torch.no_grad()(plain["step"])
    return cast("type[Kind]", type(kind.__name__, (kind,), plain))
