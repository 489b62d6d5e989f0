"""How errors are worded, and what a stranger's code raises."""

from __future__ import annotations

import pytest

from imbtk.errors import DataError, ImbtkError, PluginError, StrangersCode, as_sentence, did_you_mean


@pytest.mark.parametrize(
    ("name", "known", "hint"),
    [
        ("focal-los", ["focal-loss", "cost"], " Did you mean 'focal-loss'?"),
        ("FOCAL-LOSS", ["focal-loss", "cost"], " Did you mean 'focal-loss'?"),
        ("resnet-18", ["resnet18", "resnet34", "vit"], " Did you mean 'resnet18' or 'resnet34'?"),
        ("xyz", ["b", "a", "a"], " There is: a, b."),
        ("xyz", [], ""),
    ],
)
def test_what_is_misspelt_is_guessed_or_what_there_is_listed(name: str, known: list[str], hint: str) -> None:
    assert did_you_mean(name, known) == hint


@pytest.mark.parametrize(
    ("text", "sentence"),
    [("oops", "oops."), ("oops. ", "oops."), ("why?\n", "why?"), ("no:", "no."), ("no!", "no!"), ("", ".")],
)
def test_a_text_becomes_a_sentence(text: str, sentence: str) -> None:
    assert as_sentence(text) == sentence


@pytest.mark.parametrize("raised", [KeyError("k"), RuntimeError("no way:"), SystemExit(3), AssertionError()])
def test_whatever_a_stranger_raises_is_told_with_its_name(raised: BaseException) -> None:
    code = StrangersCode("strategy 'mine' (acme 1.2)", "imbtk_mix", "Report it to its author.")
    for _ in range(2):  # one is entered in every step
        with pytest.raises(PluginError) as caught, code:
            raise raised
        assert caught.value.__cause__ is raised
    said = f"strategy 'mine' (acme 1.2) failed in imbtk_mix: {type(raised).__name__}: {raised}".rstrip(": ")
    assert str(caught.value) == f"{said}. Report it to its author."


@pytest.mark.parametrize("raised", [DataError("two labels."), ImbtkError("no."), KeyboardInterrupt()])
def test_our_own_errors_and_interrupts_pass_as_they_are(raised: BaseException) -> None:
    with pytest.raises(type(raised)) as caught, StrangersCode("strategy 'mine'", "imbtk_mix", "Report it."):
        raise raised
    assert caught.value is raised


def test_what_goes_well_goes_on() -> None:
    with StrangersCode("strategy 'mine'", "imbtk_mix", "Report it."):
        done = True
    assert done
