"""What a loss on cosines needs: the head that gives them, and no other."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from torch import nn

from imbtk import CosineHead, RunContext, Strategy, hookimpl, option
from imbtk.errors import PlanError

if TYPE_CHECKING:
    from imbtk.models.network import Network

__all__ = ["OnCosines"]


class OnCosines(Strategy):
    """A strategy that makes a head of cosines, and refuses another one that is put in its place."""

    why: ClassVar[str] = ""
    """What of it is on cosines, for the message: ``"its margins are on cosines"``."""

    scale: float = option(30.0, "Factor s on the cosine, without unit: logits lie in [-s, s].", gt=0)

    @hookimpl
    def imbtk_head(self, in_features: int, context: RunContext) -> nn.Module:
        """Return the head of cosines, (B, D) -> (B, K)."""
        return CosineHead(in_features, context.num_classes, self.scale)

    @hookimpl
    def imbtk_network(self, network: Network) -> None:
        """Look at the head, and leave the network as it is.

        Raises
        ------
        PlanError
            If it is not the one that this strategy makes.
        """
        for head in network.heads:
            if type(head) is not CosineHead or head.scale != self.scale:
                raise PlanError(
                    f"strategy '{self.name}' needs the head that it makes, cosines times {self.scale:g}, and the "
                    f"network has a '{type(head).__name__}'{network.head_origin.text}: {self.why}. Leave out what puts "
                    "another head into the network."
                )
