"""Images in another light."""

import torch

from imbtk import Augment, Draw, RunContext, Strategy, hookimpl, option


class Brighten(Strategy):
    """Make each image brighter or darker, by a factor of its own."""

    brightness: float = option(0.2, "Largest change, as a fraction: 0.2 multiplies by 0.8 to 1.2.", ge=0, le=1)

    @hookimpl
    def imbtk_augment(self, augment: Augment, context: RunContext) -> Augment:
        """Return a callable that does what the strategies before do, and then changes the light."""

        def brighten(images: torch.Tensor, target: torch.Tensor, draw: Draw) -> torch.Tensor:
            images = augment(images, target, draw)
            factor = draw.uniform(low=1 - self.brightness, high=1 + self.brightness)
            return (images * factor[:, :, None, None]).clamp(0, 1)

        return brighten
