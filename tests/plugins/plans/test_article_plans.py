"""The plans of the default comparison."""

from __future__ import annotations

from imbtk.comparison.config import make_comparison_config
from imbtk.comparison.grid import make_rows
from imbtk.discovery.catalogue import Catalogue
from imbtk_plugins.plans.article_plans import imbtk_plans


def test_a_weighted_loss_and_the_same_with_augmentation() -> None:
    assert imbtk_plans() == {"default": ["class-weights", "class-weights augment"]}


def test_the_default_comparison_has_the_rows_of_the_article() -> None:
    rows = make_rows(make_comparison_config({}), Catalogue())
    assert [row.name for row in rows] == ["nothing", "class-weights", "class-weights augment"]
