"""The tables of the literature: plans that can be built, the schedule and the class counts as published."""

from __future__ import annotations

import pytest
import torch

from imbtk.authoring.options import parse_spec, split_specs
from imbtk.data.dataset import InducedImbalance
from imbtk.data.imbalance import target_counts
from imbtk.discovery.catalogue import Catalogue
from imbtk.planning.config import make_config
from imbtk.planning.plan import Plan
from imbtk_plugins.plans.published_tables import TABLES


@pytest.mark.parametrize("name", TABLES)
def test_each_row_is_made_of_strategies_with_their_options(name: str) -> None:
    table, catalogue = TABLES[name], Catalogue()
    there = catalogue.offers()
    built = 0
    for row in table.rows.values():
        specs = split_specs(f"{table.plan} {row.plan}".strip())
        if all(parse_spec(spec).name in there for spec in specs):
            Plan.build(specs, catalogue)
            built += 1
        assert (row.figure is None) == (row.source == "")
        assert row.figure is None or 30 < row.figure < 95
    assert built >= 11
    assert len(table.rows) == 15


@pytest.mark.parametrize("name", TABLES)
def test_the_options_are_those_of_a_run(name: str) -> None:
    config = make_config(dict(TABLES[name].options))
    assert (config.lr, config.weight_decay, config.batch_size, config.epochs) == (0.1, 2e-4, 128, 200)
    assert config.model == "resnet32"
    assert config.induce_imbalance is not None


@pytest.mark.parametrize(
    ("classes", "largest", "imbalance", "total"),
    [(10, 5000, 10, 20_431), (10, 5000, 100, 12_406), (100, 500, 10, 19_573), (100, 500, 100, 10_847)],
)
def test_the_long_tail_has_as_many_rows_as_published(classes: int, largest: int, imbalance: int, total: int) -> None:
    """Totals that papers print for CIFAR-10-LT and CIFAR-100-LT with the counts of Cao et al. 2019."""
    counts = target_counts(torch.full((classes,), largest), InducedImbalance(imbalance, "long-tail", 0))
    assert int(counts.sum()) == total
    assert int(counts[0]) == largest
    assert int(counts[-1]) == largest // imbalance
