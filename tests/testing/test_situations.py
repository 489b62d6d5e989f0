"""The made-up runs of the conformance kit are what their names say."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from imbtk.testing.situations import Situation, SpyDraw, situations

EVERY = list(situations())


@pytest.mark.parametrize("situation", EVERY, ids=str)
def test_rows_context_and_batches_fit_together(situation: Situation) -> None:
    dataset, seen = situation.dataset(), list[torch.Tensor]()
    rows, context = situation.rows(dataset, seen), situation.context(SpyDraw(0))
    assert context.class_counts.tolist() == list(situation.counts)
    assert torch.equal(rows.labels, context.labels)
    # Training rows are the even ones: what looks at others can be told.
    assert torch.equal(rows.indices, torch.arange(0, len(dataset), 2))
    assert torch.equal(dataset.labels[rows.indices], rows.labels)
    features = rows.features()
    np.testing.assert_allclose(features.mean(0), 0, atol=1e-3)
    np.testing.assert_allclose(features.std(0), 1, atol=1e-2)
    assert torch.equal(seen[0], rows.indices)
    assert situation.samples().shape == (8, *context.sample_shape) == (8, *dataset.sample_shape)
    for soft in (False, True):
        target = situation.target(soft=soft)
        torch.testing.assert_close(target.sum(1), torch.ones(8))
        assert not target[:, context.class_counts == 0].any()  # no batch has a class without rows
    assert situation.logits(3).shape == (3, situation.num_classes)


@pytest.mark.parametrize("situation", EVERY, ids=str)
def test_a_group_has_one_class_and_never_more_than_two_rows(situation: Situation) -> None:
    dataset = situation.dataset()
    assert dataset.groups is not None
    _, sizes = torch.unique(dataset.groups, return_counts=True)
    assert int(sizes.max()) <= 2
    assert len(torch.unique(dataset.groups * 1000 + dataset.labels)) == len(sizes)
    assert situation.dataset(grouped=False).groups is None


def test_what_is_written_into_a_situation_stays_there() -> None:
    situation = EVERY[0]
    situation.dataset().x.zero_()
    situation.dataset().labels.zero_()
    assert situation.dataset().x.any()
    assert situation.dataset().labels.any()


def test_there_are_few_classes_and_many_an_absent_one_and_a_single_sample_of_both_kinds() -> None:
    for kind in ("images", "table"):
        counts = [situation.counts for situation in EVERY if situation.kind == kind]
        assert {len(each) for each in counts} >= {2, 10, 1000}
        assert any(0 in each for each in counts)
        assert any(1 in each and len(each) < 1000 for each in counts)
    assert EVERY[0].ordinary


def test_classes_have_the_names_that_are_asked_for_in_ordinary_situations() -> None:
    found = list(situations(("benign", "malignant")))
    assert {situation.class_names for situation in found if situation.ordinary} == {("benign", "malignant")}
    assert len(found) == len(EVERY) + 2


def test_a_spy_notes_who_draws_and_draws_the_same() -> None:
    spy = SpyDraw(3)
    other = spy.named("augment").at(2, np.arange(4))
    assert spy.uses == []
    found = other.uniform()
    assert set(spy.uses) == {"augment"}
    from imbtk import Draw

    torch.testing.assert_close(found, Draw(3, "augment", 2, np.arange(4)).uniform())
