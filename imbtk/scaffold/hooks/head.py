"""A classifier with dropout before it."""

from torch import nn

from imbtk import RunContext, Strategy, hookimpl, option


class DropoutHead(Strategy):
    """Leave features out at random before the linear classifier."""

    dropout: float = option(0.2, "Chance that a feature is left out.", ge=0, lt=1)

    @hookimpl
    def imbtk_head(self, in_features: int, context: RunContext) -> nn.Module:
        """Return a module (B, D) -> (B, K)."""
        return nn.Sequential(nn.Dropout(self.dropout), nn.Linear(in_features, context.num_classes))
