import numpy as np
import pytest

from imbtk.evaluation.groups import group_starts, mixed_groups, per_group
from imbtk.evaluation.metrics import Missing, Predictions
from imbtk.prediction import DecisionRule


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


def test_a_patient_of_two_classes_is_one_unit_for_each():
    got = per_group(rows([0.9, 0.2, 0.4, 0.6], [1, 0, 1, 0], [1, 1, 1, 3]))
    assert got.groups.tolist() == [1, 1, 3]
    assert got.labels.tolist() == [0, 1, 0]
    assert got.probabilities[:, 1] == pytest.approx([0.2, 0.65, 0.6])
    assert mixed_groups(np.array([1, 0, 2, 0]), np.array([1, 1, 1, 3])) == 1


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
    assert per_group(rows([0.5, 0.5], [0, 1], None)) == Missing("groups (patients) are not known")
    assert per_group(rows([0.5, 0.5], [0, 1], [7, 3])) == Missing("every group has one row")
    empty = Predictions(np.zeros(0, int), np.zeros(0, int), np.zeros((0, 2)), "ab", np.zeros(0, int))
    assert per_group(empty) == Missing("no rows")


def test_group_starts():
    order, starts = group_starts(np.array([1, 0, 1]), np.array([2, 2, 0]))
    assert order.tolist() == [2, 1, 0]
    assert starts.tolist() == [0, 1, 2]
