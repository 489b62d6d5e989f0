"""Class weights against scikit-learn, Cui et al.'s numbers and laws."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.utils.class_weight import compute_class_weight

from imbtk import RunContext
from imbtk.errors import OptionError
from imbtk_plugins.weights.class_weights import ClassWeights

COUNTS = st.lists(st.integers(1, 100_000), min_size=2, max_size=6)
SCHEMES = ("balanced", "inverse", "sqrt", "effective")


def context(counts, names=None):
    counts = torch.tensor(counts)
    labels = torch.repeat_interleave(torch.arange(len(counts)), counts.clamp(max=5))
    return RunContext(tuple(names or (f"c{i}" for i in range(len(counts)))), counts, counts, labels)


def weights(counts, names=None, **options):
    return ClassWeights(**options).imbtk_class_weights(context(counts, names))


def test_balanced_is_scikit_learns():
    labels = np.repeat([0, 1, 2], [70, 25, 5])
    expected = compute_class_weight("balanced", classes=np.arange(3), y=labels)
    result = weights([70, 25, 5])
    assert result.dtype == torch.float64
    np.testing.assert_allclose(result.numpy(), expected, rtol=1e-14)


def test_balanced_counts_only_classes_that_have_rows():
    expected = compute_class_weight("balanced", classes=np.array([0, 2]), y=np.repeat([0, 2], [70, 5]))
    np.testing.assert_allclose(weights([70, 0, 5])[[0, 2]].numpy(), expected, rtol=1e-14)


def test_paper_arithmetic():
    assert weights([4, 100], scheme="inverse").tolist() == [0.25, 0.01]
    assert weights([4, 100], scheme="sqrt").tolist() == pytest.approx([0.5, 0.1])
    # β = 0.9: E_1 = 1, E_2 = 1 + 0.9, E_3 = 1 + 0.9 + 0.81.
    effective = weights([1, 2, 3], scheme="effective", beta=0.9)
    assert (1 / effective).tolist() == pytest.approx([1.0, 1.9, 2.71])


def test_effective_goes_from_equal_to_inverse():
    assert weights([3, 50], scheme="effective", beta=0.0).tolist() == [1.0, 1.0]
    near_one = weights([3, 50], scheme="effective", beta=1 - 1e-15)
    assert float(near_one[0] / near_one[1]) == pytest.approx(50 / 3, rel=1e-9)


def test_effective_stays_finite_for_large_counts():
    result = weights([10**12, 10**9, 1], scheme="effective", beta=1 - 2**-53)
    assert torch.isfinite(result).all()
    assert (result > 0).all()
    assert float(result[1] / result[2]) == pytest.approx(1e-9, rel=1e-6)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_class_without_rows_has_weight_zero(scheme):
    result = weights([5, 0, 7], scheme=scheme)
    assert result[1] == 0
    assert (result[[0, 2]] > 0).all()


@settings(max_examples=25, deadline=None)
@given(counts=COUNTS, scheme=st.sampled_from(SCHEMES), data=st.data())
def test_permutation_of_classes_permutes_weights(counts, scheme, data):
    order = data.draw(st.permutations(range(len(counts))))
    permuted = weights([counts[i] for i in order], scheme=scheme)
    torch.testing.assert_close(permuted, weights(counts, scheme=scheme)[list(order)], rtol=1e-12, atol=0)


@settings(max_examples=25, deadline=None)
@given(count=st.integers(1, 10**6), classes=st.integers(1, 6), scheme=st.sampled_from(SCHEMES))
def test_uniform_counts_give_equal_weights(count, classes, scheme):
    result = weights([count] * classes, scheme=scheme)
    assert (result == result[0]).all()


@settings(max_examples=25, deadline=None)
@given(counts=COUNTS, scheme=st.sampled_from(SCHEMES))
def test_rarer_is_never_lighter(counts, scheme):
    result = weights(sorted(counts), scheme=scheme)
    assert (torch.diff(result) <= 0).all()


def test_custom_weights_by_name():
    given_weights = {"malignant": 3, "benign": 1}
    result = weights([5, 5], ["benign", "malignant"], scheme="custom", weights=given_weights)
    assert result.tolist() == [1.0, 3.0]
    assert weights([5, 0], ["benign", "malignant"], scheme="custom", weights=given_weights).tolist() == [1.0, 0.0]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"scheme": "custom"}, "strategy 'class-weights': scheme=custom needs the option 'weights'"),
        ({"scheme": "custom", "weights": {}}, "scheme=custom needs the option 'weights'"),
        ({"weights": {"a": 1}}, "'weights' goes with scheme=custom only, and the scheme is balanced"),
        ({"scheme": "sqrt", "beta": 0.9}, "'beta' goes with scheme=effective only, and the scheme is sqrt"),
        ({"scheme": "custom", "weights": {"a": 0}}, "the weight of class 'a' is 0 and must be above 0"),
        ({"scheme": "custom", "weights": {"a": -2.5}}, "the weight of class 'a' is -2.5 and must be above 0"),
        ({"scheme": "custom", "weights": {"a": float("nan")}}, "finite number"),
        ({"beta": 1.0}, "option 'beta' of strategy 'class-weights' .* less than 1"),
        ({"scheme": "balance"}, "option 'scheme' .*'balanced', 'inverse', 'sqrt', 'effective' or 'custom'"),
    ],
)
def test_bad_options_are_refused_when_made(options, message):
    with pytest.raises(OptionError, match=message):
        ClassWeights(**options)


def test_custom_weights_must_fit_the_data():
    with pytest.raises(OptionError, match=r"names the class 'malign', .* Did you mean 'malignant'"):
        weights([5, 5], ["benign", "malignant"], scheme="custom", weights={"benign": 1, "malign": 3})
    with pytest.raises(OptionError, match=r"has no weight for 'malignant'\. Give every class one"):
        weights([5, 5], ["benign", "malignant"], scheme="custom", weights={"benign": 1})


def test_clone_keeps_the_options():
    strategy = ClassWeights(scheme="custom", weights={"a": 1.0, "b": 2.0})
    assert strategy.clone().options() == strategy.options()
    assert str(strategy.spec()) == "class-weights:scheme=custom,weights={a: 1.0, b: 2.0}"


def test_weights_written_down_by_the_user_are_costs():
    assert ClassWeights(scheme="custom", weights={"a": 1, "b": 9}).states_costs()
    assert not ClassWeights().states_costs()
