"""The strategy: presets, who is augmented how often, and randomness that knows only a sample's place."""

import numpy as np
import pytest
import torch

from imbtk import Draw, RunContext
from imbtk.authoring.options import parse_spec
from imbtk.errors import OptionError, PlanError
from imbtk_plugins.augment.augment import Augment
from imbtk_plugins.augment.augment.strengths import PRESETS


def unchanged(images, target, draw):
    return images


def context_of(counts=(10, 1000), shape=(3, 16, 16), domain="photo", names=None, kind="images") -> RunContext:
    counts = torch.tensor(counts)
    return RunContext(
        class_names=tuple(names or [chr(ord("a") + i) for i in range(len(counts))]),
        class_counts=torch.full_like(counts, 7),
        natural_counts=counts,
        labels=torch.zeros(1, dtype=torch.int64),
        kind=kind,
        sample_shape=shape,
        domain=domain,
    )


def draw_for(positions, seed: int = 0, epoch: int = 0) -> Draw:
    return Draw(seed, "augment", epoch, np.asarray(positions))


def targets(labels, classes: int = 2) -> torch.Tensor:
    return torch.nn.functional.one_hot(torch.as_tensor(labels), classes).float()


def pictures(count: int, shape=(3, 16, 16)) -> torch.Tensor:
    return torch.rand(count, *shape, generator=torch.Generator().manual_seed(3))


def apply(images, labels=None, context=None, epoch=0, positions=None, **options) -> torch.Tensor:
    context = context or context_of(shape=tuple(images.shape[1:]))
    labels = [0] * len(images) if labels is None else labels
    positions = range(len(images)) if positions is None else positions
    call = Augment(**options).imbtk_augment(unchanged, context)
    return call(images, targets(labels, context.num_classes), draw_for(list(positions), epoch=epoch))


EVERYTHING = {
    "preset": "histology",
    "rotation": 15,
    "shear": 5,
    "shift": 0.1,
    "hue": 0.1,
    "erase": 0.5,
    "rarity": 0.1,
}


def test_a_batch_cut_in_two_gives_the_same_images():
    images, labels = pictures(12), [0, 1] * 6
    whole = apply(images, labels, **EVERYTHING)
    halves = [apply(images[p], labels[p], positions=range(12)[p], **EVERYTHING) for p in (slice(5), slice(5, 12))]
    torch.testing.assert_close(torch.cat(halves), whole, atol=1e-6, rtol=0)
    assert (whole - images).abs().amax(dim=(1, 2, 3)).gt(0.01).sum() > 6


def test_same_place_same_image_other_epoch_other_image():
    images = pictures(4)
    first = apply(images, **EVERYTHING)
    assert torch.equal(first, apply(images, **EVERYTHING))
    assert not torch.allclose(first, apply(images, epoch=1, **EVERYTHING), atol=0.01)
    assert not torch.allclose(first, apply(images, positions=range(4, 8), **EVERYTHING), atol=0.01)


def test_neither_the_input_nor_the_global_random_state_is_touched():
    images = pictures(6)
    before, state = images.clone(), torch.random.get_rng_state()
    out = apply(images, **EVERYTHING)
    assert torch.equal(images, before)
    assert torch.equal(torch.random.get_rng_state(), state)
    assert out.shape == images.shape
    assert out.min() >= 0
    assert out.max() <= 1


@pytest.mark.parametrize("preset", [name for name in PRESETS if name != "none"])
@pytest.mark.parametrize("shape", [(3, 16, 16), (1, 8, 8), (1, 13, 20), (3, 20, 13)], ids=str)
def test_every_sample_has_parameters_of_its_own(preset, shape):
    images = pictures(1, shape).expand(6, *shape).contiguous()
    out = apply(images, preset=preset, brightness=0.1)
    assert len({tuple(image.flatten().tolist()) for image in out}) == 6
    assert out.min() >= 0
    assert out.max() <= 1


def test_links_before_are_called_first_on_the_same_arguments():
    seen = []

    def darken(images, target, draw):
        seen.append((target, draw))
        return images * 0.5

    target, draw = targets([0, 1]), draw_for([0, 1])
    call = Augment(preset="none", vertical_flip=True).imbtk_augment(darken, context_of())
    out = call(torch.ones(2, 3, 16, 16), target, draw)
    assert seen == [(target, draw)]
    assert torch.equal(out, torch.full((2, 3, 16, 16), 0.5))


def test_preset_none_with_nothing_else_adds_no_link():
    assert Augment(preset="none").imbtk_augment(unchanged, context_of()) is unchanged


def test_a_table_is_refused():
    with pytest.raises(PlanError, match=r"'augment' moves and tints images, and these data are a table. Leave it out"):
        Augment().imbtk_augment(unchanged, context_of(kind="table", shape=(5,), domain="table"))


@pytest.mark.parametrize("domain", ["digits", "photo", "histology"])
def test_auto_is_the_preset_of_what_the_images_show(domain):
    assert Augment().strengths(context_of(domain=domain)) == PRESETS[domain]
    assert Augment(preset="none").strengths(context_of(domain=domain)) == PRESETS["none"]


def test_an_option_is_put_over_the_preset_and_zero_switches_off():
    strengths = Augment(**parse_spec("augment:rotation=25,zoom=0").options).strengths(context_of(domain="digits"))
    assert (strengths.rotation, strengths.zoom) == (25, 0)
    assert strengths.shift == PRESETS["digits"].shift


def test_grey_images_take_no_colour_from_a_preset():
    context = context_of(domain="histology", shape=(1, 16, 16))
    strengths = Augment().strengths(context)
    assert (strengths.saturation, strengths.hue, strengths.stain) == (0, 0, 0)
    assert strengths.brightness == PRESETS["histology"].brightness
    assert torch.isfinite(apply(pictures(3, (1, 16, 16)), context=context)).all()


@pytest.mark.parametrize("option", ["saturation", "hue", "stain"])
def test_colour_asked_for_on_grey_images_is_refused(option):
    with pytest.raises(OptionError, match=rf"option '{option}' of strategy 'augment' needs colour images .*have 1"):
        Augment(**{option: 0.1}).imbtk_augment(unchanged, context_of(shape=(1, 8, 8)))


def changed_share(images: torch.Tensor, out: torch.Tensor) -> float:
    return float((out - images).abs().amax(dim=(1, 2, 3)).gt(1e-4).double().mean())


def test_only_the_named_classes_are_augmented():
    images, labels = pictures(60, (1, 8, 8)), [0, 1, 2] * 20
    context = context_of((5, 6, 7), (1, 8, 8), names=("7", "8", "benign"))
    options = parse_spec("augment:classes=[8,benign],brightness=0.5").options
    out = apply(images, labels, context, **options)
    assert changed_share(images[0::3], out[0::3]) == 0
    assert changed_share(images[1::3], out[1::3]) > 0.9
    assert changed_share(images[2::3], out[2::3]) > 0.9


def test_one_class_needs_no_brackets():
    assert Augment(**parse_spec("augment:classes=malignant").options).classes == ("malignant",)
    assert Augment(**parse_spec("augment:classes=3").options).classes == ("3",)


def test_frequent_classes_are_augmented_less_by_a_power_of_the_training_counts():
    # Counts before resampling: 10, 160, 1000; with rarity 1/2 the chances are 0.8 times 1, 1/4, 1/10.
    images, labels = pictures(3000, (1, 6, 6)), [0, 1, 2] * 1000
    context = context_of((10, 160, 1000), (1, 6, 6))
    out = apply(images, labels, context, preset="none", brightness=0.5, rarity=0.5, probability=0.8)
    shares = [changed_share(images[c::3], out[c::3]) for c in range(3)]
    np.testing.assert_allclose(shares, [0.8, 0.2, 0.08], atol=0.04)


def test_the_rarest_class_is_the_rarest_that_is_augmented_and_has_rows():
    chance = Augment(classes=["b", "c", "d"], rarity=1).chance_per_class(context_of((2, 30, 0, 300)))
    np.testing.assert_allclose(chance, [0, 1, 1, 0.1], rtol=1e-6)


def test_images_left_alone_stay_as_they_are():
    images = pictures(5)
    out = apply(images, **{**EVERYTHING, "probability": 0.0})
    torch.testing.assert_close(out, images, atol=2e-5, rtol=0)


def test_soft_targets_count_by_their_share():
    images = pictures(2000, (1, 4, 4))
    call = Augment(preset="none", brightness=0.5, classes=["a"]).imbtk_augment(unchanged, context_of(shape=(1, 4, 4)))
    out = call(images, torch.full((2000, 2), 0.5), draw_for(range(2000)))
    assert changed_share(images, out) == pytest.approx(0.5, abs=0.05)


def test_an_unknown_class_gets_the_nearest_name():
    context = context_of(names=("benign", "malignant"))
    message = r"'classes' of strategy 'augment' names the class 'malignat', .* Did you mean 'malignant'\?"
    with pytest.raises(OptionError, match=message):
        Augment(classes=["malignat"]).imbtk_augment(unchanged, context)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"classes": []}, "'classes' names no class; leave it out"),
        ({"erase_area": [0.3, 0.1]}, r"'erase_area' is \[least, greatest\]"),
        ({"erase_area": [0.0, 0.1]}, r"'erase_area' is \[least, greatest\]"),
        ({"zoom": 1.0}, "option 'zoom' of strategy 'augment'"),
        ({"rotation": -5}, "option 'rotation' of strategy 'augment'"),
        ({"hue": 0.6}, "option 'hue' of strategy 'augment'"),
        ({"preset": "photos"}, "option 'preset' of strategy 'augment'"),
        ({"rotate": 5}, "unknown option 'rotate' of 'augment'. Did you mean 'rotation'"),
    ],
)
def test_bad_values_are_refused(options, message):
    with pytest.raises(OptionError, match=message):
        Augment(**options)


def test_it_is_written_as_it_was_read():
    text = "augment:preset=classic,rotation=5,erase_area=[0.1, 0.2],classes=[a, b]@10%-"
    spec = parse_spec(text)
    again = Augment(**spec.options).spec()
    assert Augment(**parse_spec(str(again)).options).options() == Augment(**spec.options).options()


def test_the_table_of_presets_in_the_documentation_is_true():
    lines = [line.split() for line in Augment.__doc__.splitlines()]
    rows = {words[0]: words[1:5] for words in lines if len(words) > 5 and words[0] in PRESETS}
    assert set(rows) == set(PRESETS)
    for name, words in rows.items():
        numbers = [0.0 if word == "no" else float(word.strip("±°")) for word in words]
        strengths = PRESETS[name]
        assert numbers == [strengths.rotation, strengths.shift, strengths.zoom, strengths.shear]
