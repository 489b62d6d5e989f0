"""What plugins offer in ``imbtk_plans``: sets of plans, plans by name, published tables, other words."""

from __future__ import annotations

import difflib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from imbtk.authoring.options import parse_spec, split_specs
from imbtk.authoring.recipes import PublishedTable, Recipe, Suits
from imbtk.discovery.plugin import Plugin
from imbtk.errors import PlanError, PluginError, did_you_mean

if TYPE_CHECKING:
    from imbtk.discovery.catalogue import Catalogue

Entry = TypeVar("Entry")

__all__ = ["NamedPlan", "Recipes", "expand", "read_recipes"]


@dataclass(frozen=True)
class NamedPlan:
    """A plan that can be asked for by name, and who offers it."""

    name: str
    recipe: Recipe
    provider: str

    def facts(self) -> dict[str, str]:
        """Return what is said of it by the title that it stands under, without what is not said."""
        recipe = self.recipe
        said = {"When to use": recipe.when, "Evidence": recipe.evidence, "References": recipe.source}
        return {title: text for title, text in said.items() if text}


@dataclass(frozen=True)
class Recipes:
    """All that plugins offer in ``imbtk_plans``.

    Attributes
    ----------
    plans : dict of str to NamedPlan
    sets : dict of str to list of str
        Plans of a comparison by the name of their set, of all plugins together.
    words : dict of str to str
        What people call something, and how it is written here: ``{"smote": "resample:method=SMOTE"}``.
    tables : dict of str to PublishedTable
        By the names under which ``imbtk reproduce`` trains them.
    """

    plans: dict[str, NamedPlan] = field(default_factory=dict)
    sets: dict[str, list[str]] = field(default_factory=dict)
    words: dict[str, str] = field(default_factory=dict)
    tables: dict[str, PublishedTable] = field(default_factory=dict)

    def find(self, name: str) -> NamedPlan | None:
        """Return the plan of a name, underscores or dashes; None if there is none."""
        return self.plans.get(name.replace("_", "-"))

    def written(self, name: str) -> str | None:
        """Return how a plan, or what goes by another name, is written with strategies; None if it is not known."""
        plan = self.find(name)
        return self.words.get(name.replace("_", "-")) if plan is None else plan.recipe.plan

    def set_named(self, name: str) -> list[str]:
        """Return the plans of a set, each once; none for a set ``default`` that nobody offers.

        Raises
        ------
        PlanError
            If no plugin offers it.
        """
        if name not in self.sets and name != "default":
            raise PlanError(f"no plugin offers a set of plans '{name}'.{did_you_mean(name, self.sets)}")
        return list(dict.fromkeys(self.sets.get(name, [])))


def read_recipes(catalogue: Catalogue) -> Recipes:
    """Ask every plugin what it offers in ``imbtk_plans``.

    Raises
    ------
    PluginError
        If a plan has the name of a strategy, two plugins offer one name, or an answer holds something else.
    """
    found = Recipes()
    owners: dict[str, str] = {}
    strategies = catalogue.offers()
    for answer, plugin in catalogue.offered("imbtk_plans"):
        for name, offer in answer.items():
            if isinstance(offer, (list, tuple)) and all(isinstance(plan, str) for plan in offer):
                found.sets.setdefault(name, []).extend(offer)
                continue
            taken = strategies[name].provider if name in strategies else owners.get(name)
            if taken is not None:
                raise PluginError(
                    f"'{name}', which plugin '{plugin.name}' ({plugin.provider}) offers in imbtk_plans, is offered by "
                    f"{taken} too. Leave one out with --without or IMBTK_PLUGINS."
                )
            owners[name] = plugin.provider
            if isinstance(offer, Recipe):
                if not isinstance(offer.suits, Suits | None):
                    raise PluginError(
                        f"'{name}', which plugin '{plugin.name}' ({plugin.provider}) offers in imbtk_plans, says what "
                        f"data it suits as a {type(offer.suits).__name__}: write imbtk.Suits(…)."
                    )
                found.plans[name] = NamedPlan(name, offer, plugin.provider)
            elif isinstance(offer, PublishedTable):
                found.tables[name] = offer
            elif isinstance(offer, str):
                found.words[name] = offer
            else:
                raise PluginError(_wrong(plugin, name, offer))
    return found


def _wrong(plugin: Plugin, name: str, offer: Any) -> str:
    return (
        f"plugin '{plugin.name}' ({plugin.provider}) offers '{name}' in imbtk_plans as a {type(offer).__name__}: it is "
        "a list of plans for a set, a Recipe for a plan, a PublishedTable, or a text for another word of what there is."
    )


def expand(entry: Entry, catalogue: Catalogue) -> list[Entry | str]:
    """Return the strategies that one entry of a list of strategies stands for: itself, or those of a plan of that name.

    Raises
    ------
    PlanError
        If it is a plan with options or a window, or another word for a strategy, or is unknown.
    PluginError
        As :func:`read_recipes`, and as :meth:`imbtk.discovery.catalogue.Catalogue.find`.
    """
    if not isinstance(entry, str):
        return [entry]
    spec = parse_spec(entry)
    try:
        catalogue.offering(spec.name)
    except PlanError as unknown:
        recipes = read_recipes(catalogue)
        written = recipes.written(spec.name)
        if written is None:
            if close := difflib.get_close_matches(spec.name.replace("_", "-"), recipes.plans, n=1, cutoff=0.7):
                raise PlanError(f"unknown strategy '{spec.name}'. Did you mean the plan '{close[0]}'?") from unknown
            raise
        if recipes.find(spec.name) is None:
            raise PlanError(f"'{spec.name}' is called {written} here: write that.") from unknown
        if spec.options or spec.window:
            raise PlanError(
                f"'{spec.name}' is a plan of several strategies and takes no options and no window (given: '{entry}'): "
                f"write out what it stands for, {written}."
            ) from unknown
        return [*split_specs(written)]
    return [entry]
