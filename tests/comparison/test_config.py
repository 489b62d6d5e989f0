"""What a comparison can be told."""

from __future__ import annotations

import re

import pytest

from imbtk.comparison.config import METRICS, make_comparison_config, metrics_of, parse_shard
from imbtk.errors import OptionError


def test_defaults_are_five_folds_three_repeats_one_thread_balanced_accuracy() -> None:
    config = make_comparison_config({})
    assert (config.folds, config.repeats, config.threads) == (5, 3, 1)
    assert config.primary == "balanced_accuracy"
    assert all(METRICS[make_comparison_config({"primary": key}).primary].key == key for key in metrics_of(2)[:9])


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"fold": 3}, "a comparison trains every fold; 'folds' says how many there are"),
        ({"strategies": ("augment",)}, "a comparison takes its strategies in plans: --plan 'NAME NAME'"),
        ({"pairs": True}, "'pairs' makes pairs of the strategies of 'each': add --each NAME,NAME."),
        ({"fold_count": 3}, "unknown option 'fold_count'. Did you mean"),
        ({"folds": 1}, "option 'folds' (given: 1): input should be greater than or equal to 2."),
    ],
)
def test_refused(values: dict[str, object], message: str) -> None:
    with pytest.raises(OptionError, match=re.escape(message)):
        make_comparison_config(values)


def test_shard() -> None:
    assert parse_shard("2/8") == (1, 8)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("2", "'2' is no shard. Write which one of how many, such as 2/8."),
        ("a/8", "'a/8' is no shard."),
        ("9/8", "there is no shard 9 of 8: they count from 1 to 8."),
        ("0/8", "there is no shard 0 of 8: they count from 1 to 8."),
    ],
)
def test_no_shard(text: str, message: str) -> None:
    with pytest.raises(OptionError, match=re.escape(message)):
        parse_shard(text)
