"""Checks of how a step is taken, and of the learning rate."""

from __future__ import annotations

import torch

from imbtk.authoring.contracts import schedule_fault, step_fault
from imbtk.testing.bench import benches
from imbtk.testing.registry import CheckFailure, Subject, check
from imbtk.testing.steps import step_taken

__all__: list[str] = []

WINDOWS = (1, 2, 10, 400)
"""Lengths of the windows over which a schedule is looked at."""


@check("step-result", ("imbtk_step",))
def step_result(subject: Subject) -> None:
    """A step calls the closure, and gives the loss that its first call gave."""
    for bench in benches(subject):
        taken = step_taken(bench)
        if taken is None:
            continue
        fault = step_fault(taken.returned) if taken.losses else "what it likes, and never calls the closure"
        if not fault and float(taken.returned) != taken.losses[0]:
            fault = f"{float(taken.returned):.4g}, and the loss at the weights before the step is {taken.losses[0]:.4g}"
        if fault:
            raise CheckFailure(
                f"the step gives {fault} ({bench.situation})",
                "Return what the step that you were handed returns, or keep the first loss = closure() and return it.",
            )


@check("step-handed-on", ("imbtk_step",))
def step_handed_on(subject: Subject) -> None:
    """The step that is returned calls the one it was handed, once."""
    for bench in benches(subject, ordinary=True):
        taken = step_taken(bench)
        if taken is not None and taken.handed != 1:
            raise CheckFailure(
                f"the step calls the one it was handed {taken.handed} times ({bench.situation})",
                "Call step(optimizer, closure) once, and look elsewhere by calling closure() again.",
            )


@check("step-weights-back", ("imbtk_step",))
def step_weights_back(subject: Subject) -> None:
    """What the optimiser does is the only change to the network: at a rate of 0 its weights stay, to the bit."""
    for bench in benches(subject, ordinary=True):
        taken = step_taken(bench, lr=0.0)
        if taken is None:
            continue
        after = taken.network.state_dict()
        moved = [name for name, value in taken.before.items() if not torch.equal(value, after[name])]
        if moved:
            raise CheckFailure(
                f"after a step at a rate of 0 '{moved[0]}' of the network has changed ({bench.situation})",
                "Put weights back in finally, copies of them and not differences: moved = ascend(optimizer, rho); "
                "moved.back(). Averages are modules of their own: self.keep(name, make).",
            )


@check("schedule-result", ("imbtk_schedule",))
def schedule_result(subject: Subject) -> None:
    """The factor on the learning rate is finite and not negative in every step of windows short and long."""
    for bench in benches(subject):
        factor = bench.schedule()
        for steps in WINDOWS if factor else ():
            for step in range(steps):
                fault = schedule_fault(factor(step, steps)) if factor else ""
                if fault:
                    raise CheckFailure(
                        f"imbtk_schedule gives {fault} in step {step} of {steps} ({bench.situation})",
                        "Return a number of Python from 0 up; a window may have a single step: max(1, steps - 1).",
                    )
