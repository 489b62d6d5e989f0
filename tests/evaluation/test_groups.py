import numpy as np
import pytest

from imbtk.authoring.prediction import DecisionRule
from imbtk.evaluation.groups import mixed_groups, per_group
from imbtk.evaluation.metrics import Missing, Predictions


def rows(p1, labels, groups):
    p1 = np.array(p1)
    p = np.column_stack([1 - p1, p1])
    return Predictions(np.array(labels), p.argmax(axis=1), p, ("a", "b"), groups and np.array(groups))


def test_mean_probability_of_each_patient():
    got = per_group(rows([0.9, 0.2, 0.4, 0.7, 0.3], [1, 0, 1, 1, 0], [4, 2, 4, 4, 2]))
    assert got.groups.tolist() == [2, 4]
    assert got.labels.tolist() == [0, 1]
    assert got.probabilities[:, 1] == pytest.approx([0.25, 2 / 3])
    assert got.predicted.tolist() == [0, 1]


MIXED = rows([0.9, 0.2, 0.4, 0.6], [1, 0, 1, 0], [1, 1, 1, 3])


def test_a_group_of_two_classes_is_no_unit_unless_the_user_says_which():
    """Nobody can tell its parts apart on new data: no metric per group is formed with the truth."""
    assert mixed_groups(MIXED.labels, MIXED.groups) == 1
    got = per_group(MIXED, noun="patient")
    assert isinstance(got, Missing)
    assert got.reason.startswith("1 of 2 patients has rows of several classes, so metrics are per row")
    assert "--group-label any:CLASS, majority, or column:NAME" in got.reason


def test_a_group_of_two_classes_with_the_class_that_the_user_says():
    got = per_group(MIXED, truth=np.array([1, 1, 1, 0]))
    assert got.groups.tolist() == [1, 3]
    assert got.labels.tolist() == [1, 0]
    assert got.probabilities[:, 1] == pytest.approx([0.5, 0.6]), "of all rows of a group, whatever their classes"


def test_the_rule_decides_patients_too():
    p = rows([0.3, 0.4, 0.1], [1, 1, 0], [0, 0, 1])
    assert per_group(p).predicted.tolist() == [0, 0]
    threshold = DecisionRule(on="probabilities", shift=np.array([0.0, np.log(4.0)]))
    assert per_group(p, rule=threshold).predicted.tolist() == [1, 0]
    cautious = DecisionRule(on="probabilities", reject_below=0.7)
    assert per_group(p, rule=cautious).predicted.tolist() == [-1, 0]


def test_a_rule_on_logits_sees_the_mean_of_their_softmax():
    trained = np.log([[0.2, 0.8], [0.7, 0.3], [0.6, 0.4]])
    p = rows([0.1, 0.05, 0.1], [1, 1, 0], [0, 0, 1])
    got = per_group(p, trained, DecisionRule(on="logits"))
    assert got.predicted.tolist() == [1, 0], "mean softmax of the first patient is 0.45 to 0.55"
    assert got.probabilities[0, 1] == pytest.approx(0.075)


def test_no_patients():
    assert per_group(rows([0.5, 0.5], [0, 1], None)) == Missing("groups are not known")
    assert per_group(rows([0.5, 0.5], [0, 1], [7, 3])) == Missing("every group has one row")
    empty = Predictions(np.zeros(0, int), np.zeros(0, int), np.zeros((0, 2)), "ab", np.zeros(0, int))
    assert per_group(empty) == Missing("no rows")
