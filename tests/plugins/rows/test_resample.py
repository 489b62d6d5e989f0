"""Resampling: the same rows as imbalanced-learn called directly, and what is refused."""

import inspect

import imblearn.combine
import imblearn.over_sampling
import imblearn.under_sampling
import numpy as np
import pandas as pd
import pytest
import torch

from imbtk import Draw, Rows, RunContext
from imbtk.data.normalise import Normalisation
from imbtk.errors import DataError, OptionError, PlanError
from imbtk.pipeline.prepare import prepare, training_rows
from imbtk.planning.config import make_config
from imbtk_plugins.rows.resample import Resample

MODULES = (imblearn.over_sampling, imblearn.under_sampling, imblearn.combine)
SYNTHETIC = ["SMOTE", "BorderlineSMOTE", "SVMSMOTE", "ADASYN", "KMeansSMOTE"]
SELECTING = sorted((set(imblearn.under_sampling.__all__) - {"ClusterCentroids"}) | {"RandomOverSampler"})
SYNTHESISING = [*SYNTHETIC, "SMOTENC", "SMOTEN", "SMOTEENN", "SMOTETomek", "ClusterCentroids"]
SEED = int(Draw(0, "resample").numpy().integers(2**31))


def table(counts=(60, 25, 12), dimensions=3):
    """Return (features in the data's units, labels)."""
    rng = np.random.default_rng(0)
    labels = rng.permutation(np.repeat(np.arange(len(counts)), counts))
    features = rng.normal(size=(len(labels), dimensions)) + labels[:, None]
    return (features * [2.0, 0.1, 30.0] + [5, 0, -100]).astype(np.float32), labels


def rows_of(features, labels):
    mean, deviation = features.mean(axis=0), features.std(axis=0)
    # Row i of the training rows is row 2·i of the data set.
    scaled = ((features - mean) / deviation).astype(np.float32)
    return Rows(
        indices=torch.arange(len(labels)) * 2,
        labels=torch.from_numpy(labels),
        features_of=lambda indices: scaled[indices.numpy() // 2],
        synthetic=torch.zeros(0, features.shape[1]),
        synthetic_labels=torch.zeros(0, dtype=torch.int64),
        scale=(mean, deviation),
    )


def context(rows, kind="table", names=("a", "b", "c"), seed=0):
    counts = torch.bincount(rows.all_labels, minlength=len(names))
    return RunContext(names, counts, counts, rows.all_labels, kind=kind, draw=Draw(seed, "resample"))


def resample(rows, kind="table", **options):
    return Resample(**options).imbtk_resample(rows, context(rows, kind))


def sampler(method, **params):
    found = next(getattr(module, method) for module in MODULES if hasattr(module, method))
    seeded = {"random_state": SEED} if "random_state" in inspect.signature(found).parameters else {}
    return found(**seeded, **params)


def test_every_sampler_of_imbalanced_learn_is_here_by_its_name():
    everything = {name for module in MODULES for name in module.__all__}
    assert everything == {*SELECTING, *SYNTHESISING}
    assert all(Resample(method=method).method == method for method in everything)


def mixed_table(numbers=2):
    """Return a frame with columns of numbers, of words and of truths, and labels."""
    rng = np.random.default_rng(1)
    labels = rng.permutation(np.repeat([0, 1, 2], [60, 25, 12]))
    frame = pd.DataFrame({f"n{k}": 3.0 * rng.normal(size=97) + labels for k in range(numbers)})
    frame.insert(0, "site", np.array(["arm", "back", "leg"])[(labels + (rng.random(97) < 0.3)) % 3])
    frame["sun"] = rng.random(97) < 0.3 + 0.2 * labels
    return frame, labels


def rows_of_frame(frame, labels):
    prepared = prepare(make_config({"model": "linear", "device": "cpu"}), (frame, np.array(["a", "b", "c"])[labels]))
    dataset = prepared.data.dataset
    everything = torch.arange(len(dataset))
    return training_rows(dataset, everything, Normalisation.fit(dataset, everything))


WORDS = {"leg": "1", "back": "2", "": "3", "arm": "4"}
"""In the order of their columns of 0 and 1, so that draws fall alike where neighbours are equally divided."""


def check_words(made, expected):
    for k, word in enumerate(("arm", "back", "leg")):
        known = (expected["site"] != WORDS[""]).to_numpy()
        assert (made[known, k].round(4) == (expected["site"] == WORDS[word])[known]).all()
    assert (made[:, -1].round(4) == (expected["sun"] == "True")).all()


def test_smotenc_makes_the_same_rows_as_from_the_table_itself():
    frame, labels = mixed_table()
    frame.loc[frame.index[labels == 2][:3], "site"] = None
    rows = rows_of_frame(frame, labels)
    assert rows.categories == ((0, 3), (5, 6))
    # Beside it: the frame as the sampler takes it, numbers scaled as imbtk scales them, words as words.
    plain = frame.assign(site=frame["site"].fillna("").map(WORDS), sun=frame["sun"].astype(str))
    plain = plain[["n0", "n1", "site", "sun"]]
    plain[["n0", "n1"]] = rows.features()[:, 3:5]
    expected, expected_labels = sampler("SMOTENC", categorical_features=["site", "sun"]).fit_resample(plain, labels)
    result = resample(rows, method="SMOTENC")
    assert result.indices.tolist() == list(range(97))
    assert result.all_labels.tolist() == expected_labels.tolist()
    np.testing.assert_allclose(result.features()[:, 3:5], expected[["n0", "n1"]], rtol=1e-4, atol=1e-5)
    check_words(result.synthetic.numpy(), expected[97:])


def test_smoten_makes_the_same_rows_as_from_the_table_itself():
    frame, labels = mixed_table(numbers=0)
    plain = frame.assign(site=frame["site"].map(WORDS)).astype(str)
    expected, expected_labels = sampler("SMOTEN").fit_resample(plain, labels)
    result = resample(rows_of_frame(frame, labels), method="SMOTEN")
    assert result.all_labels.tolist() == expected_labels.tolist()
    check_words(result.synthetic.numpy(), expected[97:])


def test_categories_stay_categories_after_another_sampler():
    frame, labels = mixed_table()
    rows = rows_of_frame(frame, labels)
    first = resample(rows, method="SMOTENC", sampling_strategy={"c": 40})
    result = resample(first, method="SMOTENC")
    assert torch.bincount(result.all_labels).tolist() == [60, 60, 60]
    made = result.synthetic.numpy()[:, [0, 1, 2, 5]].round(4)
    assert set(np.unique(made)) == {0, 1}
    assert (made[:, :3].sum(axis=1) == 1).all()


@pytest.mark.parametrize(
    ("method", "data", "message"),
    [
        ("SMOTENC", None, "columns of categories, and the table has none that are known: name them with --categorical"),
        ("SMOTEN", None, "columns of categories, and the table has none"),
        ("SMOTEN", 2, "tables of categories alone, and 2 columns of this one are numbers: use method=SMOTENC"),
        ("SMOTENC", 0, "columns of numbers beside those of categories: use method=SMOTEN"),
    ],
)
def test_tables_of_another_kind_are_refused(method, data, message):
    rows = rows_of(*table()) if data is None else rows_of_frame(*mixed_table(numbers=data))
    with pytest.raises(DataError, match=rf"strategy 'resample' with method={method} is for {message}"):
        resample(rows, method=method)


def test_a_run_on_a_table_with_categories():
    frame, labels = mixed_table()
    data = (frame, np.array(["a", "b", "c"])[labels])
    config = make_config({"model": "linear", "device": "cpu"})
    (phase,) = prepare(config, data, ["resample:method=SMOTENC,params={k_neighbors: 2}"]).plan.phases
    assert len(phase.context.class_counts.unique()) == 1
    assert set(np.unique(phase.synthetic[:, :3].numpy().round(4))) == {0, 1}


@pytest.mark.parametrize("method", SELECTING)
@pytest.mark.filterwarnings("ignore:The number of the samples to be selected is larger:UserWarning")
def test_selecting_samplers_pick_the_same_rows_on_tables_and_images(method):
    features, labels = table()
    rows = rows_of(features, labels)
    reference = sampler(method)
    _, expected_labels = reference.fit_resample(rows.features(), labels)
    for kind in ("table", "images"):
        result = resample(rows, kind, method=method)
        assert result.indices.tolist() == (2 * reference.sample_indices_).tolist()
        assert result.labels.tolist() == expected_labels.tolist()
        assert len(result.synthetic) == 0


@pytest.mark.parametrize("method", SYNTHETIC)
def test_synthesising_samplers_keep_all_rows_and_add_the_same_ones(method):
    features, labels = table()
    rows = rows_of(features, labels)
    params = {"cluster_balance_threshold": 0.05} if method == "KMeansSMOTE" else {}
    expected, expected_labels = sampler(method, **params).fit_resample(rows.features(), labels)
    result = resample(rows, method=method, params=params)
    assert torch.equal(result.indices, rows.indices)
    assert len(result.synthetic) > 0
    assert result.all_labels.tolist() == expected_labels.tolist()
    np.testing.assert_allclose(result.features(), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("method", "cleaner"),
    [
        ("SMOTETomek", imblearn.under_sampling.TomekLinks(sampling_strategy="all")),
        ("SMOTEENN", imblearn.under_sampling.EditedNearestNeighbours(sampling_strategy="all")),
    ],
)
def test_combined_samplers_know_the_rows_of_the_data_from_made_up_ones(method, cleaner):
    features, labels = table((60, 25, 12))
    # Rows that are alike, in one class: what SMOTE makes between them is alike too, so that values tell nothing.
    features[labels == 2] = features[labels == 2][[0, 0, 0, 0, 0, 0, 0, 7, 8, 9, 10, 11]]
    rows = rows_of(features, labels)
    filled, filled_labels = sampler("SMOTE").fit_resample(rows.features(), labels)
    cleaned, cleaned_labels = cleaner.fit_resample(filled, filled_labels)
    kept = cleaner.sample_indices_
    expected, expected_labels = sampler(method).fit_resample(rows.features(), labels)
    assert (expected == cleaned).all()
    assert (expected_labels == cleaned_labels).all()
    result = resample(rows, method=method)
    assert 0 < len(result.indices) < len(labels)
    assert result.indices.tolist() == (2 * kept[kept < len(labels)]).tolist()
    assert result.synthetic_labels.tolist() == expected_labels[kept >= len(labels)].tolist()
    made = result.features()[len(result.indices) :]
    np.testing.assert_allclose(made, expected[kept >= len(labels)], rtol=1e-4, atol=1e-5)


def test_cluster_centroids_replace_frequent_classes():
    features, labels = table()
    rows = rows_of(features, labels)
    expected, _ = sampler("ClusterCentroids").fit_resample(rows.features(), labels)
    result = resample(rows, method="ClusterCentroids")
    assert result.labels.unique().tolist() == [2]
    assert torch.bincount(result.all_labels).tolist() == [12, 12, 12]
    np.testing.assert_allclose(
        np.sort(result.features().sum(axis=1)), np.sort(expected.sum(axis=1)), rtol=1e-3, atol=1e-4
    )


def test_made_up_rows_lie_between_rows_of_their_class_in_the_data_s_units():
    features, labels = table()
    result = resample(rows_of(features, labels), method="SMOTE")
    assert torch.bincount(result.all_labels).tolist() == [60, 60, 60]
    for c in (1, 2):
        own = features[labels == c]
        made = result.synthetic[result.synthetic_labels == c].numpy()
        assert (made >= own.min(axis=0) - 1e-3).all()
        assert (made <= own.max(axis=0) + 1e-3).all()


def test_resamplers_chain_over_made_up_rows():
    features, labels = table()
    filled = resample(rows_of(features, labels), method="SMOTE")
    result = resample(filled, method="RandomUnderSampler", sampling_strategy={"a": 5, "b": 6, "c": 7})
    assert torch.bincount(result.all_labels).tolist() == [5, 6, 7]
    assert len(result.synthetic) + len(result.indices) == 18


def test_random_samplers_read_no_pixels():
    rows = rows_of(*table())

    def unread(indices):
        raise AssertionError("pixels were read")

    blind = Rows(rows.indices, rows.labels, unread, rows.synthetic, rows.synthetic_labels, rows.scale)
    assert torch.bincount(resample(blind, "images").all_labels).tolist() == [60, 60, 60]
    assert torch.bincount(resample(blind, "images", method="RandomUnderSampler").all_labels).tolist() == [12] * 3


def test_params_reach_the_sampler_and_its_steps():
    rows = rows_of(*table())
    close = resample(rows, method="SMOTE", params={"k_neighbors": 1})
    assert not torch.equal(close.synthetic, resample(rows, method="SMOTE").synthetic)
    inner = resample(rows, method="SMOTETomek", params={"smote": {"k_neighbors": 1}, "tomek": {}})
    step = imblearn.over_sampling.SMOTE(k_neighbors=1, random_state=SEED)
    expected, _ = sampler("SMOTETomek", smote=step).fit_resample(rows.features(), rows.labels.numpy())
    assert len(inner.all_labels) == len(expected)
    smoothed = resample(rows, method="RandomOverSampler", params={"shrinkage": 0.2})
    assert len(smoothed.synthetic) == 180 - 97
    assert len(np.unique(smoothed.features(), axis=0)) == 180


def test_sampling_strategy_by_class_name():
    result = resample(rows_of(*table()), method="SMOTE", sampling_strategy={"c": 30})
    assert torch.bincount(result.all_labels).tolist() == [60, 25, 30]


def test_seed_decides_and_the_global_state_is_left_alone():
    rows = rows_of(*table())
    np.random.seed(3)  # noqa: NPY002
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    first = resample(rows, method="SMOTE").synthetic
    assert (np.random.get_state()[1] == before).all()  # noqa: NPY002
    assert torch.equal(first, resample(rows, method="SMOTE").synthetic)
    other = Resample(method="SMOTE").imbtk_resample(rows, context(rows, seed=1)).synthetic
    assert not torch.equal(first, other)


@pytest.mark.parametrize("method", SYNTHESISING)
def test_pixels_are_refused_with_the_reason(method):
    message = (
        rf"strategy 'resample' with method={method} makes up rows between neighbours, and the data are images: the "
        r"average of two images of tissue is no image of tissue\. Use a method that selects rows, such as Random.*, or "
        r"show rare classes more often with -s oversample and vary them with -s augment\."
    )
    with pytest.raises(PlanError, match=message):
        resample(rows_of(*table()), "images", method=method)


def test_smoothed_copies_of_pixels_are_refused():
    with pytest.raises(PlanError, match="the data are images"):
        resample(rows_of(*table()), "images", params={"shrinkage": 0.1})


@pytest.mark.parametrize(
    ("method", "params", "message"),
    [
        ("SMOTE", {}, r"class 'c' has 4 training rows, and SMOTE with k_neighbors=5 needs at least 6\. Set params="),
        ("SMOTE", {"k_neighbors": 4}, r"k_neighbors=4 needs at least 5\. Set params=\{k_neighbors: 3\}, or use"),
        ("BorderlineSMOTE", {}, r"class 'c' has 4 .* BorderlineSMOTE with k_neighbors=5 needs at least 6"),
        ("ADASYN", {}, r"class 'c' has 4 .* ADASYN with n_neighbors=5 .* Set params=\{n_neighbors: 3\}"),
        ("SMOTETomek", {}, r"SMOTETomek with k_neighbors=5 .* Set params=\{smote: \{k_neighbors: 3\}\}"),
        ("NearMiss", {"n_neighbors": 6}, r"NearMiss with n_neighbors=6 .* 6\. Set params=\{n_neighbors: 4\}"),
    ],
)
def test_too_few_neighbours(method, params, message):
    with pytest.raises(DataError, match=message):
        resample(rows_of(*table((60, 25, 4))), method=method, params=params)


def test_classes_without_rows_are_passed_over():
    features, labels = table((60, 25, 4))
    rows = rows_of(features, labels + 1)
    counts = torch.tensor([0, 60, 25, 4])
    ctx = RunContext(("none", "a", "b", "c"), counts, counts, rows.labels, kind="table", draw=Draw(0, "resample"))
    with pytest.raises(DataError, match="class 'c' has 4 training rows, and NearMiss"):
        Resample(method="NearMiss", params={"n_neighbors": 5}).imbtk_resample(rows, ctx)
    filled = Resample(method="SMOTE", params={"k_neighbors": 3}).imbtk_resample(rows, ctx)
    assert torch.bincount(filled.all_labels).tolist() == [0, 60, 60, 60]


def test_what_is_advised_works():
    rows = rows_of(*table((60, 25, 4)))
    assert torch.bincount(resample(rows, method="SMOTE", params={"k_neighbors": 3}).all_labels).tolist() == [60] * 3
    assert len(resample(rows, method="SMOTETomek", params={"smote": {"k_neighbors": 3}}).synthetic) > 0
    assert len(resample(rows, method="NearMiss", params={"n_neighbors": 4}).indices) == 12


def test_a_single_row_has_no_neighbour():
    message = r"class 'c' has 1 training row, and SMOTE .* One row has no neighbour: use method=RandomOverSampler, or"
    with pytest.raises(DataError, match=message):
        resample(rows_of(*table((60, 25, 1))), method="SMOTE")


def test_other_refusals_name_the_sampler():
    rows = rows_of(*table())
    with pytest.raises(DataError, match=r"imbalanced-learn's SMOTE cannot resample these rows: .*binary"):
        resample(rows, method="SMOTE", sampling_strategy=0.5)
    with pytest.raises(DataError, match=r"imbalanced-learn's SMOTE cannot resample these rows: .*'k_neighbors'"):
        resample(rows, method="SMOTE", params={"k_neighbors": "five"})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"method": "Smote"},
            "strategy 'resample': imbalanced-learn has no sampler 'Smote'. Did you mean 'SMOTE'.*'[?]$",
        ),
        (
            {"method": "SMOTENC", "params": {"categorical_features": [0]}},
            "'categorical_features' in 'params' is decided by the table, whose columns of categories --categorical",
        ),
        ({"method": "SMOTE", "params": {"k": 3}}, r"SMOTE has no parameter 'k'\. .*k_neighbors"),
        ({"params": {"random_state": 3}}, "'random_state' in 'params' is decided by the run's seed"),
        (
            {"params": {"sampling_strategy": "all"}},
            "'sampling_strategy' in 'params' is decided by the option of that name",
        ),
        ({"method": "SMOTETomek", "params": {"smote": {"neighbors": 3}}}, "SMOTE has no parameter 'neighbors'"),
        ({"sampling_strategy": "some"}, "option 'sampling_strategy' of strategy 'resample'"),
        ({"params": {"estimator": object()}}, "option 'params' of strategy 'resample'"),
    ],
)
def test_bad_options_are_refused_when_made(options, message):
    with pytest.raises(OptionError, match=message):
        Resample(**options)


def test_unknown_class_in_sampling_strategy():
    message = r"option 'sampling_strategy' of strategy 'resample' names the class 'd', which the data do not have"
    with pytest.raises(OptionError, match=message):
        resample(rows_of(*table()), method="SMOTE", sampling_strategy={"d": 30})
