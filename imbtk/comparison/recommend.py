"""Which plans are worth comparing on these data: conditions that plugins state, asked of facts of the data."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from imbtk.authoring.recipes import Range, Suits
from imbtk.comparison.config import ComparisonConfig, make_comparison_config
from imbtk.console.progress import RunProgress
from imbtk.data.dataset import Dataset
from imbtk.data.imbalance import target_counts
from imbtk.discovery.recipes import NamedPlan, read_recipes
from imbtk.errors import OptionError, PlanError
from imbtk.planning.reading import make_catalogue, read_data
from imbtk.wording import plural, ratio_text

if TYPE_CHECKING:
    from imbtk.comparison.comparison import Comparison

__all__ = ["Advice", "DataFacts", "Recommendation", "facts_of", "rank", "reasons", "recommend"]

TOP = 4
"""Plans that are named unless told otherwise."""


@dataclass(frozen=True)
class DataFacts:
    """What conditions are asked of.

    Attributes
    ----------
    kind : "images" or "table"
    classes, rows : int
    rarest : str
        The class with the fewest rows, an induced imbalance taken into account.
    rarest_rows : int
    imbalance : float
        Rows of the most frequent class over those of the rarest.
    fewest : str
        The class with the fewest groups; where they are not known, `rarest`.
    rarest_groups : int
        Groups of that class; where they are not known, its rows.
    groups_known, pretrained, induced : bool
        Whether groups are known, training starts from pretrained weights, and the imbalance is to be induced.
    group_name : str
        What a group is called.
    """

    kind: str
    classes: int
    rows: int
    rarest: str
    rarest_rows: int
    imbalance: float
    fewest: str
    rarest_groups: int
    groups_known: bool
    pretrained: bool
    induced: bool = False
    group_name: str = "group"

    @property
    def noun(self) -> str:
        """What a row is called."""
        return "image" if self.kind == "images" else "row"


def facts_of(dataset: Dataset, pretrained: bool = False) -> DataFacts:
    """Return the facts of a data set that conditions are asked of.

    Parameters
    ----------
    dataset : Dataset
    pretrained : bool
        Whether training would start from pretrained weights.
    """
    counts = dataset.class_counts
    if dataset.induced is not None:
        counts = target_counts(counts, dataset.induced)
    rarest = fewest = int(counts.argmin())
    of_class = counts.numpy()
    groups = dataset.known_groups(torch.arange(len(dataset)))
    if groups is not None:
        labels = dataset.labels.numpy()
        of_class = np.array([len(np.unique(groups.numpy()[labels == k])) for k in range(dataset.num_classes)])
        fewest = rarest if of_class[rarest] == of_class.min() else int(of_class.argmin())
    return DataFacts(
        kind=dataset.kind,
        classes=dataset.num_classes,
        rows=len(dataset),
        rarest=dataset.class_names[rarest],
        rarest_rows=int(counts[rarest]),
        imbalance=float(counts.max() / counts[rarest]),
        fewest=dataset.class_names[fewest],
        rarest_groups=int(of_class[fewest]),
        groups_known=groups is not None,
        pretrained=pretrained,
        induced=dataset.induced is not None,
        group_name=dataset.group_name,
    )


def reasons(suits: Suits, facts: DataFacts) -> tuple[str, ...] | None:
    """Return what of the data a plan suits, each in words; None if it does not suit them.

    Parameters
    ----------
    suits : Suits
    facts : DataFacts
    """
    units = plural(facts.rarest_groups, facts.group_name if facts.groups_known else facts.noun)
    asked: list[tuple[object, bool, str]] = [
        (suits.kind, suits.kind == facts.kind, "these are images" if facts.kind == "images" else "this is a table"),
        (suits.classes, _within(facts.classes, suits.classes), f"there are {plural(facts.classes, 'class')}"),
        (
            suits.imbalance,
            _within(facts.imbalance, suits.imbalance),
            f"the most frequent class is {ratio_text(facts.imbalance)} times as frequent as the rarest",
        ),
        (
            suits.rarest_rows,
            _within(facts.rarest_rows, suits.rarest_rows),
            f"the rarest class, '{facts.rarest}', has {plural(facts.rarest_rows, facts.noun)}",
        ),
        (suits.rarest_groups, _within(facts.rarest_groups, suits.rarest_groups), f"'{facts.fewest}' has {units}"),
        (
            suits.pretrained,
            suits.pretrained == facts.pretrained,
            f"training starts {'from pretrained weights' if facts.pretrained else 'from random weights'}",
        ),
    ]
    if not all(true for condition, true, _ in asked if condition is not None):
        return None
    return tuple(words for condition, _, words in asked if condition is not None)


def _within(value: float, bounds: Range | None) -> bool:
    least, most = bounds or (None, None)
    return (least is None or value >= least) and (most is None or value <= most)


@dataclass(frozen=True)
class Advice:
    """A plan that suits the data.

    Attributes
    ----------
    plan : NamedPlan
    reasons : tuple of str
        What of the data it suits.
    """

    plan: NamedPlan
    reasons: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Return it as plain values."""
        recipe = self.plan.recipe
        return {
            "name": self.plan.name,
            "plan": recipe.plan,
            "provider": self.plan.provider,
            "summary": recipe.summary,
            "reasons": list(self.reasons),
            "why": recipe.suits.why if recipe.suits else "",
            "evidence": recipe.evidence,
            "source": recipe.source,
        }


def rank(plans: Iterable[NamedPlan], facts: DataFacts) -> list[Advice]:
    """Return the plans that suit the data, the highest priority first, then by name; of equal plans the first."""
    found = []
    for plan in plans:
        suits = plan.recipe.suits
        said = None if suits is None else reasons(suits, facts)
        if suits is not None and said is not None:
            found.append((-suits.priority, plan.name, Advice(plan, said)))
    # A comparison refuses a plan that stands twice.
    first: dict[str, Advice] = {}
    for _, _, advice in sorted(found, key=lambda entry: entry[:2]):
        first.setdefault(advice.plan.recipe.plan, advice)
    return list(first.values())


@dataclass(frozen=True)
class Recommendation:
    """Plans that are worth a comparison, which alone says whether one helps.

    Attributes
    ----------
    data : str
        What the data are called.
    facts : DataFacts
    advice : tuple of Advice
        The most promising first; without the baseline, which every comparison has, as it is and with its decision
        moved.
    suited : int
        Plans that suit the data, with those that `top` left out.
    config : ComparisonConfig
        The comparison that tests them.
    source : object, optional
        The data themselves, where they were given from Python and not as a path.
    """

    data: str
    facts: DataFacts
    advice: tuple[Advice, ...]
    suited: int
    config: ComparisonConfig
    source: Any = None

    def compare(self, **options: Any) -> Comparison:
        """Test the plans: train them on the same splits as the baseline.

        Parameters
        ----------
        **options
            Those of :func:`imbtk.compare`, on top of those that were given: ``epochs=20``, ``quiet=True``.

        Raises
        ------
        PlanError
            If no plan suits the data.
        ImbtkError
            As :func:`imbtk.compare`.
        """
        from imbtk.comparison.comparison import compare

        if not self.advice:
            raise PlanError(
                f"no installed plan is stated to suit '{self.data}', so there is nothing to compare. Name plans "
                "yourself: imbtk compare DATA --plan NAME."
            )
        return compare(self.source, config=self.config, **options)

    def to_json(self) -> dict[str, Any]:
        """Return it as plain values."""
        plans = [advice.to_json() for advice in self.advice]
        return {"data": self.data, "facts": asdict(self.facts), "plans": plans, "suited": self.suited}


def recommend(
    data: Any = None,
    *,
    top: int = TOP,
    quiet: bool = False,
    config: ComparisonConfig | None = None,
    **options: Any,
) -> Recommendation:
    """Name plans that are worth comparing on these data, with reasons and evidence: nothing is trained.

    Parameters
    ----------
    data : path, str, tuple, DataFrame or Dataset
        Whatever :func:`imbtk.run` takes.
    top : int
        How many plans at most, at least 1.
    quiet : bool
        Show no progress.
    config : ComparisonConfig, optional
        Options made before; `options` go on top.
    **options
        Any field of :class:`imbtk.comparison.config.ComparisonConfig` but those that say what is compared.

    Returns
    -------
    Recommendation
        With ``.advice``, ``.facts``, and ``.compare()``, which tests them.

    Raises
    ------
    ImbtkError
        Whatever is wrong with data or options.

    Examples
    --------
    >>> import imbtk
    >>> found = imbtk.recommend("builtin:breast-cancer", quiet=True)
    >>> found.facts.rarest, found.facts.rarest_rows
    ('malignant', 212)
    """
    if top < 1:
        raise OptionError(f"option 'top' (given: {top}): it is how many plans are named, at least 1.")
    if isinstance(data, (str, Path)):
        options["data"], data = str(data), None
    base = config.model_dump(exclude_unset=True) if config is not None else {}
    resolved = make_comparison_config({**base, **options})
    for name in ("plan", "each", "plan_set"):
        if getattr(resolved, name):
            raise OptionError(f"option '{name}' says what is compared, which a recommendation finds: leave it out.")
    catalogue = make_catalogue(resolved)
    plans = read_recipes(catalogue).plans.values()
    with RunProgress(quiet) as progress:
        _, dataset = read_data(resolved, data, catalogue, progress.on_data)
    facts = facts_of(dataset, pretrained=resolved.pretrained or resolved.weights is not None)
    ranked = rank(plans, facts)
    chosen = tuple(ranked[:top])
    tested = resolved.model_dump(exclude_unset=True) | {"plan": tuple(advice.plan.name for advice in chosen)}
    # Every fold needs a group of every class. An induced imbalance cuts training rows alone, so it says nothing here.
    if "folds" not in tested and not facts.induced and 2 <= facts.rarest_groups < resolved.folds:
        tested["folds"] = facts.rarest_groups
    return Recommendation(dataset.name, facts, chosen, len(ranked), make_comparison_config(tested), data)
