import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer, load_digits

from imbtk.data import DataOptions, load
from imbtk.errors import DataError, OptionError


def test_digits_are_scikit_learns() -> None:
    dataset = load("builtin:digits")
    expected = load_digits()
    assert (np.rint(dataset.x.numpy()[:, 0] * (16 / 255)) == expected.images).all()
    assert (dataset.labels.numpy() == expected.target).all()
    assert (dataset.name, dataset.domain, dataset.sample_shape) == ("builtin:digits", "digits", (1, 8, 8))


def test_digits_have_an_imbalance_and_say_so() -> None:
    dataset = load("builtin:digits")
    assert dataset.induced is not None
    assert (dataset.induced.factor, dataset.induced.profile, dataset.induced.seed) == (20, "long-tail", 0)
    assert any("induced, not natural" in note and "the default of this data set" in note for note in dataset.notes)


def test_digits_take_options() -> None:
    dataset = load("builtin:digits:imbalance=50,seed=1,profile=step")
    assert dataset.induced is not None
    assert (dataset.induced.factor, dataset.induced.profile, dataset.induced.seed) == (50, "step", 1)
    assert not any("default" in note for note in dataset.notes)
    assert load("builtin:digits:imbalance=1").induced is None


def test_the_option_of_all_sources_goes_before_the_default() -> None:
    dataset = load("builtin:digits", DataOptions(induce_imbalance="5", seed=3))
    assert dataset.induced is not None
    assert (dataset.induced.factor, dataset.induced.seed) == (5, 3)
    assert sum("induced" in note for note in dataset.notes) == 1
    with pytest.raises(OptionError, match="from the option in its name and from --induce-imbalance: give one"):
        load("builtin:digits:imbalance=3", DataOptions(induce_imbalance="5"))


def test_breast_cancer_is_scikit_learns() -> None:
    dataset = load("builtin:breast-cancer")
    expected = load_breast_cancer()
    np.testing.assert_array_equal(dataset.x.numpy(), expected.data.astype(np.float32))
    assert dict(zip(dataset.class_names, dataset.class_counts.tolist(), strict=True)) == {
        "benign": 357,
        "malignant": 212,
    }
    names = np.array(dataset.class_names)[dataset.labels.numpy()]
    assert (names == expected.target_names[expected.target]).all()
    assert dataset.feature_names == tuple(expected.feature_names)
    assert dataset.induced is None
    assert dataset.notes == ()


@pytest.mark.parametrize(
    ("name", "error", "message"),
    [
        ("builtin:digts", DataError, "unknown built-in data set builtin:digts. Did you mean 'digits'"),
        ("builtin:", DataError, "unknown built-in data set builtin:. There is: breast-cancer, digits"),
        (
            "builtin:digits:imbalence=3",
            OptionError,
            "unknown option 'imbalence' of builtin:digits. Did you mean 'imbalance'",
        ),
        (
            "builtin:breast-cancer:imbalance=3",
            OptionError,
            "unknown option 'imbalance' of builtin:breast-cancer. It has none.",
        ),
        ("builtin:digits:imbalance=0.2", OptionError, "the imbalance factor 0.2 is not between 1 and infinity"),
        ("builtin:digits:imbalance=lots", OptionError, "is no imbalance factor"),
        ("builtin:digits:seed=x", OptionError, "seed=x is no whole number from 0 on"),
        ("builtin:digits:seed=-1", OptionError, "seed=-1 is no whole number from 0 on"),
        ("builtin:digits:profile=flat", OptionError, "'flat' is no profile of imbalance"),
    ],
)
def test_bad_names_and_options_are_refused(name: str, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        load(name)
