"""One strategy made of the examples of several hooks."""

from __future__ import annotations

import ast

import pytest

from imbtk.scaffold.source import ExampleSource, strategy_source

FIRST = ExampleSource('''"""A module."""

import math
import torch
from imbtk import RunContext, Strategy, hookimpl, option


class One(Strategy):
    """Weigh classes.

    At more length.
    """

    power: float = option(0.5, "Exponent.")

    @hookimpl
    def imbtk_class_weights(self, context: RunContext) -> torch.Tensor:
        return context.class_counts.double().pow(-self.power)
''')
SECOND = ExampleSource('''"""Another."""

import torch
import numpy as np
from collections.abc import Callable
from imbtk import Criterion, Strategy, hookimpl


class Two(Strategy):
    """Change the loss."""

    plus: float = option(
        1.0,
        "Summand.",
    )

    @hookimpl
    def imbtk_adjust_criterion(self, criterion: Criterion) -> Criterion:
        return criterion

    def helper(self) -> float:
        return np.pi
''')


def test_an_example_has_parts() -> None:
    assert FIRST.summary == "Weigh classes."
    assert FIRST.options == ['    power: float = option(0.5, "Exponent.")']
    assert FIRST.methods[0].startswith("    @hookimpl\n    def imbtk_class_weights(")
    assert [ast.unparse(node) for node in FIRST.imports][:2] == ["import math", "import torch"]
    assert SECOND.options[0].count("\n") == 3
    assert len(SECOND.methods) == 2


def test_of_one_example_the_class_gets_its_name() -> None:
    made = strategy_source([FIRST], "Mine")
    assert made.summary == "Weigh classes."
    tree = ast.parse(made.text)
    assert ast.get_docstring(tree) == "Weigh classes."
    (cls,) = [node for node in tree.body if isinstance(node, ast.ClassDef)]
    assert (cls.name, ast.get_docstring(cls)) == ("Mine", "Weigh classes.")
    assert "ClassVar" not in made.text


def test_several_examples_become_one_class_with_each_import_once() -> None:
    made = strategy_source([FIRST, SECOND], "Both", fixed_name="both-of-them")
    head, body = made.text.split("class Both(Strategy):")
    # As an import sorter leaves it: the standard library first, modules before names, constants before functions.
    assert head == (
        '"""Weigh classes."""\n\nimport math\nfrom collections.abc import Callable\nfrom typing import ClassVar\n\n'
        "import numpy as np\nimport torch\nfrom imbtk import Criterion, RunContext, Strategy, hookimpl, option\n\n\n"
    )
    assert body.index("Weigh classes.") < body.index("Change the loss.") < body.index("name: ClassVar[str]")
    order = ["both-of-them", "power:", "plus:", "imbtk_class_weights", "imbtk_adjust_criterion", "helper"]
    places = [body.index(word) for word in order]
    assert places == sorted(places)


def test_an_example_with_the_hooks_of_another_stands_for_it() -> None:
    both = ExampleSource(SECOND.text.replace("helper", "imbtk_class_weights"))
    text = strategy_source([FIRST, both], "Mine").text
    assert text.count("def imbtk_class_weights") == 1
    assert "power" not in text


def test_a_long_line_of_names_is_broken() -> None:
    names = ", ".join(f"name_{i:02d}" for i in range(12))
    long = ExampleSource(f'from imbtk import {names}, Strategy\n\n\nclass A(Strategy):\n    """A."""\n')
    text = strategy_source([long], "A").text
    assert "from imbtk import (\n    Strategy,\n    name_00,\n" in text
    assert max(map(len, text.splitlines())) <= 88


@pytest.mark.parametrize("text", ["x = 1\n", '"""Nothing."""\n'])
def test_an_example_without_a_class_is_none(text: str) -> None:
    with pytest.raises(StopIteration):
        _ = ExampleSource(text).summary
