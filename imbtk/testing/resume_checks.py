"""The check that a training that was saved and loaded goes on as if nothing had been."""

from __future__ import annotations

from imbtk.errors import ImbtkError
from imbtk.testing.bench import Bench, benches
from imbtk.testing.draw_checks import same_results
from imbtk.testing.registry import CheckFailure, Subject, check
from imbtk.testing.trial import Trial

__all__: list[str] = []

STEPS = 3


@check("resumes", ("imbtk_partner", "imbtk_objective", "imbtk_step", "imbtk_network", "imbtk_finish"))
def resumes(subject: Subject) -> None:
    """Three steps, saved and loaded into fresh objects, go on with the same loss and end in the same network."""
    for bench in benches(subject, ordinary=True):
        try:
            going, fresh = Trial(bench), Trial(Bench(subject.strategy, bench.situation))
            going.steps(0, STEPS)
            saved = going.saved()
        except ImbtkError:
            continue  # refused, or said by the check of the hook that fails
        mend = (
            "Hooks make the same modules each time they are called, with self.keep(name, make); what changes from "
            "batch to batch stands in them, or in attributes that begin with '_', never in a closure."
        )
        try:
            fresh.load(saved)
        except (ImbtkError, RuntimeError, ValueError) as error:
            raise CheckFailure(f"what was saved after {STEPS} steps does not load: {error}", mend) from error
        if not same_results(going.steps(1, 1), fresh.steps(1, 1)):
            raise CheckFailure(
                f"after {STEPS} steps, saved and loaded, the next loss differs ({bench.situation})", mend
            )
        if not same_results(going.finished(), fresh.finished()):
            raise CheckFailure(
                f"after {STEPS} steps, saved and loaded, the window ends in another network ({bench.situation})", mend
            )
