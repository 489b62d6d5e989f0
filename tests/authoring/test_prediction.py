"""Decision rules as data: how sure they are, what they leave open, and the way through JSON."""

from __future__ import annotations

import json

import numpy as np
import pytest
from scipy.special import softmax

from imbtk.authoring.prediction import ABSTAIN, CalibrationMap, DecisionRule, pooled

LOGITS = np.random.default_rng(0).normal(size=(40, 3))
PROBABILITIES = softmax(LOGITS + np.array([1.0, 0.0, -1.0]), axis=1)


def test_confidence_is_the_share_of_what_the_rule_compares() -> None:
    np.testing.assert_allclose(DecisionRule().confidence(LOGITS, PROBABILITIES), softmax(LOGITS, axis=1).max(axis=1))
    np.testing.assert_allclose(
        DecisionRule("probabilities").confidence(LOGITS, PROBABILITIES), PROBABILITIES.max(axis=1)
    )
    shift = np.array([0.5, 0.0, 2.0])
    np.testing.assert_allclose(
        DecisionRule(shift=shift).confidence(LOGITS, PROBABILITIES), softmax(LOGITS + shift, axis=1).max(axis=1)
    )


def test_under_costs_confidence_is_the_decided_class_s_probability() -> None:
    rule = DecisionRule("probabilities", cost=np.array([[0, 1.0], [20, 0]]))
    p = np.array([[0.9, 0.1], [0.99, 0.01]])
    assert rule.forced(p, p).tolist() == [1, 0]
    assert rule.confidence(p, p).tolist() == [0.1, 0.99]


def test_what_is_below_is_left_open_and_the_rest_stays() -> None:
    rule = DecisionRule(reject_below=0.6)
    sure = softmax(LOGITS, axis=1).max(axis=1) >= 0.6
    decided = rule.decide(LOGITS, PROBABILITIES)
    np.testing.assert_array_equal(decided, np.where(sure, LOGITS.argmax(1), ABSTAIN))
    assert 0 < sure.sum() < 40


@pytest.mark.parametrize(
    "rule",
    [
        DecisionRule(),
        DecisionRule("logits", np.array([0.0, 1.0, -2.0]), name="shifted", floor=(1, 0.95)),
        DecisionRule("probabilities", cost=1 - np.eye(3), reject_below=0.4),
        DecisionRule(sets=np.array([0.1, np.inf, 2.5]), name="sets"),
    ],
)
def test_json_keeps_everything(rule: DecisionRule) -> None:
    back = DecisionRule.from_json(json.loads(json.dumps(rule.to_json())))
    np.testing.assert_array_equal(back.decide(LOGITS, PROBABILITIES), rule.decide(LOGITS, PROBABILITIES))
    assert back.to_json() == rule.to_json()
    assert back.floor == rule.floor
    if rule.sets is not None:
        np.testing.assert_array_equal(back.in_set(LOGITS), rule.in_set(LOGITS))


def test_rules_saved_before_there_were_floors_or_sets_are_read() -> None:
    saved = DecisionRule().to_json()
    del saved["floor"], saved["sets"]
    read = DecisionRule.from_json(saved)
    assert (read.floor, read.sets) == (None, None)


def test_sets_hold_what_the_softmax_of_the_trained_logits_does_not_rule_out() -> None:
    # Of the softmax (1/2, 1/3, 1/6): limits of -log 0.6, -log 0.3 and none.
    logits = np.log([[3.0, 2.0, 1.0]]) + 5.0
    rule = DecisionRule(sets=np.array([-np.log(0.6), -np.log(0.3), np.inf]))
    assert rule.in_set(logits).tolist() == [[False, True, True]]
    assert rule.named_sets(logits, "abc") == [["b", "c"]]
    joined = DecisionRule(shift=np.array([0.0, 0.0, 9.0]), name="shifted").joined(rule)
    assert joined.decide(logits, np.exp(logits)).tolist() == [2]
    assert (joined.only_sets, rule.only_sets, DecisionRule().only_sets) == (False, True, False)
    with pytest.raises(ValueError, match="has no sets"):
        DecisionRule().in_set(logits)


def test_patients_are_means_of_their_rows() -> None:
    scores, mean = pooled(LOGITS[:5], PROBABILITIES[:5], np.array([0, 2]))
    np.testing.assert_allclose(mean, [PROBABILITIES[:2].mean(axis=0), PROBABILITIES[2:5].mean(axis=0)])
    np.testing.assert_allclose(np.exp(scores[1]), softmax(LOGITS[2:5], axis=1).mean(axis=0))


NAN = np.array([0.0, np.nan])


@pytest.mark.parametrize(
    ("data", "fault"),
    [
        (CalibrationMap(0.0), "a scale of 0.0 instead of a number above 0"),
        (CalibrationMap("1"), "a scale of '1' instead of a number above 0"),  # type: ignore[arg-type]
        (CalibrationMap(1.0, [0.0, 1.0]), "a list as shift instead of an array of numbers"),  # type: ignore[arg-type]
        (CalibrationMap(1.0, np.array(["a", "b"])), "an array of <U1 as shift instead of an array of numbers"),
        (CalibrationMap(1.0, np.zeros(3)), "a shift of shape (3,) instead of (2,)"),
        (CalibrationMap(1.0, late_shift=NAN), "a late_shift that is not finite"),
        (CalibrationMap(1.0, tables=((np.zeros(2), np.zeros(2)),)), "1 tables for 2 classes"),
        (CalibrationMap(1.0, tables=((NAN, NAN),) * 2), "a table that is not finite"),
        (CalibrationMap(1.0, tables=((np.zeros(2), np.zeros(3)),) * 2), "a table of shape (3,) instead of (2,)"),
        (CalibrationMap(0.5, np.zeros(2)), ""),
        (CalibrationMap(np.float64(0.5), tables=((np.zeros(2), np.ones(2)),) * 2, late_shift=np.zeros(2)), ""),
        (DecisionRule("scores"), "on='scores' instead of 'logits' or 'probabilities'"),
        (DecisionRule(shift=np.zeros(3)), "a shift of shape (3,) instead of (2,)"),
        (DecisionRule(cost=np.zeros(2)), "a cost of shape (2,) instead of (2, 2)"),
        (DecisionRule(cost=np.full((2, 2), np.inf)), "a cost that is not finite"),
        (DecisionRule(reject_below=float("nan")), "reject_below=nan instead of a number"),
        (DecisionRule(floor=(2, 0.9)), "floor=(2, 0.9) instead of a class number and a sensitivity"),
        (DecisionRule(shift=np.zeros(2), reject_below=0.5, floor=(1, 0.9)), ""),
        (DecisionRule(sets=np.array([0.5, np.inf])), ""),
        (DecisionRule(sets=np.zeros(3)), "a vector of sets of shape (3,) instead of (2,)"),
        (DecisionRule(sets=NAN), "a vector of sets that is not finite"),
        (DecisionRule(sets=[0.0, 1.0]), "a list as vector of sets instead of an array of numbers"),  # type: ignore[arg-type]
    ],
)
def test_what_keeps_data_from_being_used_or_saved_is_told(data: CalibrationMap | DecisionRule, fault: str) -> None:
    assert data.fault(2) == fault
