"""One strategy's source made of the examples of several hooks."""

from __future__ import annotations

import ast
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

__all__ = ["ExampleSource", "StrategySource", "strategy_source"]


class ExampleSource:
    """The parts of an example: a module with imports and one strategy class.

    Parameters
    ----------
    text : str
        Source of the module.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self._lines = text.splitlines()
        self._tree = ast.parse(text)

    @property
    def imports(self) -> list[ast.Import | ast.ImportFrom]:
        """The import statements."""
        return [node for node in self._tree.body if isinstance(node, (ast.Import, ast.ImportFrom))]

    @cached_property
    def _class(self) -> ast.ClassDef:
        return next(node for node in self._tree.body if isinstance(node, ast.ClassDef))

    @property
    def summary(self) -> str:
        """The first line about the strategy."""
        return (ast.get_docstring(self._class) or "").split("\n")[0]

    @property
    def options(self) -> list[str]:
        """The lines of each option."""
        return [self._source(node) for node in self._class.body if isinstance(node, ast.AnnAssign)]

    @property
    def methods(self) -> list[str]:
        """The lines of each method, decorators first."""
        return [self._source(node) for node in self._class.body if isinstance(node, ast.FunctionDef)]

    @property
    def names(self) -> set[str]:
        """The names of the methods."""
        return {node.name for node in self._class.body if isinstance(node, ast.FunctionDef)}

    def _source(self, node: ast.AnnAssign | ast.FunctionDef) -> str:
        decorators = node.decorator_list if isinstance(node, ast.FunctionDef) else []
        first = min([node.lineno, *(d.lineno for d in decorators)])
        return "\n".join(self._lines[first - 1 : node.end_lineno])


@dataclass(frozen=True)
class StrategySource:
    """A module's text, and the line that describes it."""

    text: str
    summary: str


def strategy_source(
    examples: Sequence[ExampleSource], class_name: str, fixed_name: str | None = None
) -> StrategySource:
    """Return a module with one class that answers the hooks of all examples.

    Parameters
    ----------
    examples : sequence of ExampleSource
        At least one.
    class_name : str
    fixed_name : str, optional
        The strategy's name, where it does not follow from the class's.
    """
    # An example that answers several hooks, one by the other, stands for those of each.
    examples = [example for example in examples if not any(example.names < other.names for other in examples)]
    summary = examples[0].summary
    options = [option for example in examples for option in example.options]
    methods = [method for example in examples for method in example.methods]
    more = "".join(f"\n    {example.summary}" for example in examples[1:])
    body = [f'    """{summary}\n{more}\n    """' if more else f'    """{summary}"""']
    lines = [f'    name: ClassVar[str] = "{fixed_name}"'] if fixed_name else []
    if lines + options:
        body.append("\n".join([*lines, *options]))
    text = f'"""{summary}"""\n\n{_imports(examples, bool(fixed_name))}\n\n\nclass {class_name}(Strategy):\n'
    return StrategySource(text + "\n\n".join([*body, *methods]) + "\n", summary)


def _imports(examples: Sequence[ExampleSource], class_variable: bool) -> str:
    """Return the imports of all examples, each module once, the standard library first."""
    plain: dict[str, None] = {}
    names: dict[str, set[str]] = {"typing": {"ClassVar"}} if class_variable else {}
    for node in (node for example in examples for node in example.imports):
        if isinstance(node, ast.Import):
            plain |= dict.fromkeys(ast.unparse(node).removeprefix("import ").split(", "))
        else:
            names.setdefault(node.module or "", set()).update(alias.name for alias in node.names)
    lines = [(module.split()[0], 0, f"import {module}") for module in plain]
    lines += [(module, 1, _from(module, found)) for module, found in names.items()]
    blocks = []
    for standard in (True, False):
        # As ruff has it: whole modules first, then names from modules.
        block = [line for line in lines if (line[0].split(".")[0] in sys.stdlib_module_names) == standard]
        blocks.append("\n".join(text for _, _, text in sorted(block, key=lambda line: (line[1], line[0]))))
    return "\n\n".join(filter(None, blocks))


def _from(module: str, names: set[str]) -> str:
    # Constants, classes, functions: the order that import sorters ask for.
    listed = sorted(names, key=lambda name: (name[0].islower(), name))
    line = f"from {module} import {', '.join(listed)}"
    return line if len(line) <= 88 else f"from {module} import (\n" + "".join(f"    {n},\n" for n in listed) + ")"
