"""``imbtk recommend``: which plans are worth comparing on these data, and why."""

from __future__ import annotations

import contextlib
import json
import shlex
import sys
from typing import TYPE_CHECKING, Any

import click

from imbtk.cli.flags import ARGUMENTS, SECTIONS, Flag, SectionedCommand, config_flags, flag_name
from imbtk.cli.loading import loading
from imbtk.comparison.config import ComparisonConfig, make_comparison_config

if TYPE_CHECKING:
    from rich.console import Console

    from imbtk.comparison.recommend import Recommendation

__all__ = ["command", "comparison_command"]

FIELDS = frozenset(
    {*SECTIONS["Data"], "plugins", "without", "folds", "repeats", "epochs", "seed", "out"}
    | {"model", "pretrained", "weights"}
)
"""Options that say something about data, where to find who can read them, or how the comparison is made."""


def recommend(top: int | None, start: bool, as_json: bool, quiet: bool, **given: Any) -> None:
    """Name plans that are worth comparing on these data, with reasons and published evidence: nothing is trained.

    DATA is what 'imbtk run' takes. What was published elsewhere proves nothing here: the last line is the comparison
    that tests the plans, always beside no plan at all and beside that with its decision moved. --run starts it.

    \b
    imbtk recommend photos/
    imbtk recommend study.csv --group-column patient_id --top 2
    imbtk recommend photos/ --epochs 20 --folds 3 --run
    """
    config = make_comparison_config({name: value for name, value in given.items() if value not in (None, ())})
    # Only now: a mistake in the options is told at once, without loading torch.
    with loading():
        from imbtk.comparison.recommend import recommend as recommend_plans

    # Whatever prints while data are read and cells run, standard output stays one JSON object.
    with contextlib.redirect_stdout(sys.stderr) if as_json else contextlib.nullcontext():
        found = recommend_plans(quiet=quiet, config=config, **({} if top is None else {"top": top}))
        if not as_json and not quiet:
            from rich.console import Console

            _print(Console(highlight=False), found)
        comparison = found.compare(quiet=quiet or as_json) if start else None
    if as_json:
        folder = {} if comparison is None else {"comparison": str(comparison.folder)}
        click.echo(json.dumps({**found.to_json(), "command": comparison_command(found), **folder}, ensure_ascii=False))


def comparison_command(found: Recommendation) -> str | None:
    """Return the command that tests what was recommended, as a shell takes it; None if nothing was."""
    if not found.advice:
        return None
    words = ["imbtk", "compare", *([found.config.data] if found.config.data else [])]
    for name, value in found.config.model_dump(exclude_unset=True).items():
        if name in ARGUMENTS or value is None:
            continue
        flag = flag_name(name)
        if isinstance(value, bool):
            words.append(flag if value else f"--no-{flag.removeprefix('--')}")
            continue
        for one in value if isinstance(value, (list, tuple)) else (value,):
            words += [flag, str(one)]
    return shlex.join(words)


def _print(console: Console, found: Recommendation) -> None:
    from rich.text import Text

    from imbtk.cli.strategy_page import print_prose
    from imbtk.comparison.analysis import DECISION
    from imbtk.wording import sentence

    console.print(Text(found.data, style="bold"))
    print_prose(console, _facts(found))
    entries = [(DECISION, "", ["It costs no training: what does not beat it has only moved a threshold."])]
    for advice in found.advice:
        recipe = advice.plan.recipe
        said = sentence("; ".join(advice.reasons)) if advice.reasons else ""
        why = f"Because: {said} {recipe.suits.why if recipe.suits else ''}"
        evidence = f"Published: {recipe.evidence}" if recipe.evidence else "Published: no figure is known."
        entries.append((advice.plan.name, recipe.plan, [recipe.summary, why, evidence]))
    for number, (name, plan, texts) in enumerate(entries):
        console.print()
        console.print(
            Text.assemble(f"{number}. ", (name, "bold cyan"), (f"  {plan}" if plan else "", "dim")), soft_wrap=True
        )
        for text in texts:
            print_prose(console, text)
    console.print()
    if command := comparison_command(found):
        console.print(Text("None of this was measured on your data. The comparison that does (or --run):"))
        console.print(Text(f"  {command}"), soft_wrap=True)
    else:
        console.print(Text("No installed plan is stated to suit these data. Plans that there are: imbtk plans"))


def _facts(found: Recommendation) -> str:
    """Return what was found in the data, in sentences."""
    from imbtk.wording import plural, ratio_text, several

    facts = found.facts
    text = (
        f"{plural(facts.rows, facts.noun)} in {plural(facts.classes, 'class')}. The rarest, '{facts.rarest}', has "
        f"{facts.rarest_rows:,}, the most frequent {ratio_text(facts.imbalance)} times as many."
    )
    if facts.induced:
        text += " That is the imbalance that is induced in the training rows."
    if facts.groups_known:
        text += f" '{facts.fewest}' has the fewest {several(facts.group_name)}: {facts.rarest_groups:,}."
    else:
        text += f" Which {several(facts.noun)} come from one {facts.group_name} is not known."
    if facts.kind == "images":
        start = "from pretrained weights" if facts.pretrained else "from random weights (else: --pretrained, --weights)"
        text += f" Training starts {start}."
    if found.suited > len(found.advice):
        text += f" {found.suited} plans suit these data; shown are the first {len(found.advice)} (--top)."
    return text


command = SectionedCommand(
    "recommend",
    callback=recommend,
    params=[
        click.Argument(["data"], required=False, type=click.Path(), metavar="DATA"),
        Flag(
            ["--top"],
            section="Recommendation",
            type=click.IntRange(min=1),
            metavar="N",
            help="Name so many plans at most; four unless given.",
        ),
        Flag(["--run", "start"], section="Recommendation", is_flag=True, help="Start the comparison that tests them."),
        *[flag for flag in config_flags(ComparisonConfig) if flag.name in FIELDS and flag.name not in ARGUMENTS],
        Flag(["--quiet", "-q"], section="Output", is_flag=True, help="Print nothing but errors."),
        Flag(["--json", "as_json"], section="Output", is_flag=True, help="Print what was found as one JSON object."),
    ],
)
