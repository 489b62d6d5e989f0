"""A second look at each image."""

from collections.abc import Sequence

from imbtk import RunContext, Strategy, View, hookimpl, option


class BothWays(Strategy):
    """Look at each image as it is and mirrored, or upside down as well, when predicting."""

    upside_down: bool = option(False, "Whether it is also turned by 180 degrees.")

    @hookimpl
    def imbtk_views(self, context: RunContext) -> Sequence[View] | None:
        """Return the looks that logits are averaged over; None for a table."""
        if context.kind != "images":
            return None
        return [View(), View(mirror=True)] + ([View(turns=2)] if self.upside_down else [])
