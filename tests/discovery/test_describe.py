"""Tests of what is said about a strategy."""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field, JsonValue, model_validator

from imbtk import RunContext, Strategy, hookimpl, option
from imbtk.authoring.context import Criterion
from imbtk.discovery.describe import describe, describe_options


class ManyOptions(Strategy):
    """Do something to the loss.

    In detail.

    References
    ----------
    Nobody 2020.
    """

    scheme: Literal["plain", "custom"] = option("plain", "Which one.")
    rate: float = option(0.5, "A share.", gt=0, le=1)
    table: dict[str, float] | None = option(None, "By class.")

    @model_validator(mode="after")
    def _check(self) -> ManyOptions:
        if self.scheme == "custom" and not self.table:
            raise ValueError("scheme=custom needs the option 'table'")
        return self

    @hookimpl
    def imbtk_criterion(self, context: RunContext) -> Criterion | None:
        """Return the loss, or nothing."""

    @hookimpl
    def imbtk_run_end(self) -> None:
        """Say goodbye."""


def test_a_strategy() -> None:
    described = describe(ManyOptions, "acme 1.0")
    assert described.name == "many-options"
    assert described.summary == "Do something to the loss."
    assert described.doc.extended == "In detail."
    assert described.doc.sections == {"References": "Nobody 2020."}
    assert described.stages == ("criterion", "run end")
    assert [text for _, text in described.actions] == ["Return the loss, or nothing.", "Say goodbye."]
    assert described.takes_window
    # scheme=custom alone is refused by the class, so it is no example.
    assert described.examples == ("many-options", "many-options:scheme=plain", "many-options@50%-")
    document = json.loads(json.dumps(described.to_json()))
    assert document["distribution"] == "acme 1.0"
    assert document["hooks"] == ["imbtk_criterion", "imbtk_run_end"]
    assert [option["name"] for option in document["options"]] == ["scheme", "rate", "table"]


def test_the_base_class_does_not_lend_its_docstring() -> None:
    class Silent(Strategy):
        @hookimpl
        def imbtk_refit(self, head: Any) -> Any:
            return head

    described = describe(Silent)
    assert described.summary == "(its author wrote no description)"
    assert described.examples == ("silent",)
    assert not described.takes_window


class Fields(BaseModel):
    """One field of every kind."""

    flag: bool = Field(False)
    whole: int = Field(3, ge=1)
    share: float | None = Field(None, gt=0, lt=1)
    text: str = Field("x", description="Words.")
    choice: Literal["a", "b"] = Field("b")
    mixed: Literal["auto"] | float | dict[str, int] = Field("auto")
    names: tuple[str, ...] = Field(())
    pair: tuple[int, float] = Field((1, 2.0))
    plain_list: list = Field([])  # type: ignore[type-arg]
    params: dict[str, JsonValue] = Field({})
    noted: Annotated[int | None, "a note"] = Field(None)
    anything: Any = Field(None)
    made: list[str] = Field(default_factory=lambda: ["z"])
    needed: int


@pytest.mark.parametrize(
    ("name", "type_words", "default_text", "bounds", "choices"),
    [
        ("flag", "true or false", "false", "", None),
        ("whole", "integer", "3", "at least 1", None),
        ("share", "number", "not set", "above 0, below 1", None),
        ("text", "text", "x", "", None),
        ("choice", "choice", "b", "", ("a", "b")),
        ("mixed", "choice or number or integer by name", "auto", "", ("auto",)),
        ("names", "list of text", "not set", "", None),
        ("pair", "list of integer and number", "[1, 2.0]", "", None),
        ("plain_list", "list", "not set", "", None),
        ("params", "any by name", "not set", "", None),
        ("noted", "integer", "not set", "", None),
        ("anything", "any", "not set", "", None),
        ("made", "list of text", "[z]", "", None),
        ("needed", "integer", "required", "", None),
    ],
)
def test_options(name: str, type_words: str, default_text: str, bounds: str, choices: tuple[str, ...] | None) -> None:
    option = {option.name: option for option in describe_options(Fields)}[name]
    assert (option.type, option.default_text, option.bounds, option.choices) == (
        type_words,
        default_text,
        bounds,
        choices,
    )


def test_bounds_as_numbers() -> None:
    share = describe_options(Fields)[2]
    assert (share.minimum, share.maximum, share.above_minimum, share.below_maximum) == (0, 1, True, True)
