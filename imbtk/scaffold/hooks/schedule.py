"""A learning rate that falls in a straight line."""

from imbtk import RunContext, ScheduleFunction, Strategy, hookimpl, option


class StraightDown(Strategy):
    """Let the learning rate fall in a straight line."""

    last: float = option(0.01, "Share of the peak rate that the last step has.", ge=0, le=1)

    @hookimpl
    def imbtk_schedule(self, context: RunContext) -> ScheduleFunction:
        """Return the factor on the peak rate, (step, steps) -> factor."""
        return lambda step, steps: 1 - (1 - self.last) * step / max(1, steps - 1)
