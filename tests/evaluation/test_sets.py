"""Coverage and size of sets: by hand, with groups and without, and where there is nothing to say."""

from __future__ import annotations

import numpy as np
import pytest

from imbtk.evaluation.intervals import clopper_pearson
from imbtk.evaluation.sets import set_metrics

IN_SET = np.array([[1, 0, 0], [0, 1, 0], [1, 1, 0], [0, 0, 0]], dtype=bool)
LABELS = np.array([0, 0, 1, 1])


def test_by_hand() -> None:
    found = set_metrics(IN_SET, LABELS, None, "abc")
    a, b, c = found["per_class"]
    assert (a["name"], a["coverage"]["value"], a["size"]["value"], a["empty"]["value"]) == ("a", 0.5, 1.0, 0.0)
    assert (b["coverage"]["value"], b["size"]["value"], b["empty"]["value"]) == (0.5, 1.0, 0.5)
    assert c["coverage"] == {"value": None, "reason": "there is no such row"}
    assert found["overall"]["coverage"]["interval"] == list(clopper_pearson(2, 4))
    assert found["overall"]["coverage"]["groups"] is None


def test_a_group_weighs_one() -> None:
    # One group has the first three rows (2/3 covered), the other the last one (not covered).
    found = set_metrics(IN_SET, LABELS, np.array([7, 7, 7, 9]), "abc")["overall"]
    assert found["coverage"]["value"] == pytest.approx((2 / 3 + 0) / 2)
    assert found["size"]["value"] == pytest.approx((4 / 3 + 0) / 2)
    assert found["coverage"]["interval"] == pytest.approx(list(clopper_pearson(2 / 3, 2)))
    assert (found["coverage"]["n"], found["coverage"]["groups"]) == (4, 2)
