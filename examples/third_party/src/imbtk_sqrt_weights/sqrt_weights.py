"""Square-root class weights."""

import torch
from imbtk import RunContext, Strategy, hookimpl, option


class SqrtWeights(Strategy):
    """Weight each class by a power of its inverse frequency."""

    power: float = option(0.5, "Exponent on the inverse frequency.", ge=0)

    @hookimpl
    def imbtk_class_weights(self, context: RunContext) -> torch.Tensor:
        return context.class_counts.double().pow(-self.power)
