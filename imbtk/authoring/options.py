"""Options are declared once, as fields; everything that is said about them comes from there.

One grammar for the command line, TOML and Python: ``NAME[:option=value,…][@from-to]``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from pydantic import Field
from pydantic_core import PydanticUndefined

from imbtk.errors import OptionError, PlanError

__all__ = [
    "StrategySpec",
    "Window",
    "option",
    "parse_spec",
    "parse_value",
    "parse_window",
    "render_value",
    "split_specs",
]


def option(
    default: Any = PydanticUndefined,
    description: str = "",
    *,
    ge: float | None = None,
    gt: float | None = None,
    le: float | None = None,
    lt: float | None = None,
) -> Any:
    """Declare an option of a strategy: its default, what it means, and its bounds.

    Parameters
    ----------
    default : object
        The value where the user gives none; left out, the option is required.
    description : str
        One sentence, with the unit.
    ge, gt, le, lt : float, optional
        Bounds: at least, above, at most, below.

    Returns
    -------
    object
        A pydantic field.
    """
    return Field(default, description=description, ge=ge, gt=gt, le=le, lt=lt)


@dataclass(frozen=True)
class Window:
    """The epochs ``[start, stop)`` in which a strategy is on, in epochs or in percent of them.

    Attributes
    ----------
    start : float
    stop : float, optional
        None is the end of the run.
    start_percent, stop_percent : bool
        Whether start and stop are percentages.
    """

    start: float = 0.0
    stop: float | None = None
    start_percent: bool = False
    stop_percent: bool = False

    def epochs(self, total: int) -> tuple[int, int]:
        """Return (first epoch, end) within a run of `total` epochs, the end not included."""
        start = round(self.start * total / 100) if self.start_percent else int(self.start)
        if self.stop is None:
            return min(start, total), total
        stop = round(self.stop * total / 100) if self.stop_percent else int(self.stop)
        return min(start, total), min(stop, total)

    def __str__(self) -> str:
        """Return the window as a user writes it: ``80%-`` or ``0-60%``."""
        if self.stop is None:
            return f"{self.start:g}{'%' * self.start_percent}-"
        mark = "%" if self.stop_percent else ""
        first = "%" if self.start_percent and not self.stop_percent else ""
        return f"{self.start:g}{first}-{self.stop:g}{mark}"


@dataclass(frozen=True)
class StrategySpec:
    """A strategy as a user wrote it: name, raw options, window."""

    name: str
    options: dict[str, Any]
    window: Window | None = None

    def __str__(self) -> str:
        """Return the specification in the one grammar."""
        options = ",".join(f"{key}={render_value(value)}" for key, value in self.options.items())
        return self.name + (f":{options}" if options else "") + (f"@{self.window}" if self.window else "")


_WINDOW = re.compile(r"(?P<a>\d+(?:\.\d+)?)?(?P<ap>%)?-(?P<b>\d+(?:\.\d+)?)?(?P<bp>%)?")


def parse_window(text: str) -> Window:
    """Read a window such as ``80%-``, ``0-60%``, ``10-`` or ``-20``.

    Raises
    ------
    PlanError
        If it is no window, is empty, ends before it starts, or mixes whole epochs with a fraction.
    """
    match = _WINDOW.fullmatch(text.strip())
    how = "Write it as FROM-TO, in epochs or percent: @10-20, @80%-, @0-60%."
    if match is None or (match["a"] is None and match["b"] is None):
        raise PlanError(f"'@{text}' is no window of epochs. {how}")
    start_percent = bool(match["ap"])
    stop_percent = bool(match["bp"])
    # "0-60%" and "20-60%" mean percent at both ends: nobody mixes epochs and percent by a missing sign.
    if stop_percent and not start_percent:
        start_percent = True
    if start_percent and match["b"] is not None and not stop_percent:
        raise PlanError(f"'@{text}' gives its start in percent and its end in epochs. {how}")
    start = float(match["a"] or 0)
    stop = None if match["b"] is None else float(match["b"])
    for value, percent in ((start, start_percent), (stop, stop_percent)):
        if value is None:
            continue
        if percent and value > 100:
            raise PlanError(f"'@{text}' goes past 100 %. {how}")
        if not percent and value != int(value):
            raise PlanError(f"'@{text}' has a fraction of an epoch. {how}")
    if stop is not None and stop <= start:
        raise PlanError(f"'@{text}' ends before it starts. {how}")
    return Window(start, stop, start_percent, stop_percent)


def parse_spec(text: str) -> StrategySpec:
    """Read ``NAME[:option=value,…][@from-to]``.

    Raises
    ------
    PlanError
        If there is no name, or an option is not written as ``option=value`` or stands twice.
    """
    body, window = text.strip(), None
    at = _find_outside(body, "@", last=True)
    if at >= 0:
        body, window = body[:at], parse_window(body[at + 1 :])
    name, colon, rest = body.partition(":")
    name = name.strip()
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_-]*", name):
        raise PlanError(f"'{text}' does not begin with the name of a strategy. Write NAME[:option=value,…][@from-to].")
    options: dict[str, Any] = {}
    for part in _split_outside(rest, ",") if colon else []:
        key, equals, value = part.partition("=")
        key = key.strip().replace("-", "_")
        if not equals or not key:
            raise PlanError(f"'{part.strip()}' in '{text}' is no option. Write option=value, with commas between.")
        if key in options:
            raise PlanError(f"option '{key}' stands twice in '{text}'.")
        try:
            options[key] = parse_value(value.strip())
        except ValueError as error:
            raise OptionError(f"option '{key}' in '{text}': {error}.") from None
    return StrategySpec(name, options, window)


_CLOSING = {"[": "]", "{": "}", "(": ")"}


def _outside(text: str) -> list[bool]:
    """Return for each character whether it is outside all brackets and quotes."""
    result: list[bool] = []
    stack: list[str] = []
    quote = ""
    for character in text:
        result.append(not stack and not quote)
        if quote:
            quote = "" if character == quote else quote
        elif character in "\"'":
            quote = character
            result[-1] = False
        elif character in _CLOSING:
            stack.append(_CLOSING[character])
            result[-1] = False
        elif stack and character == stack[-1]:
            stack.pop()
    return result


def _find_outside(text: str, character: str, last: bool = False) -> int:
    places = [i for i, out in enumerate(_outside(text)) if out and text[i] == character]
    return -1 if not places else places[-1 if last else 0]


def _split_outside(text: str, separator: str) -> list[str]:
    parts, start = [], 0
    for i, out in enumerate(_outside(text)):
        if out and text[i] == separator:
            parts.append(text[start:i])
            start = i + 1
    parts.append(text[start:])
    return [part for part in parts if part.strip()] if len(parts) > 1 else parts


def split_specs(text: str, separator: str = " ") -> list[str]:
    """Cut ``"oversample focal-loss:gamma=2"`` into specifications; what stands in brackets or quotes stays whole.

    Parameters
    ----------
    text : str
    separator : str
        One character. After a comma an ``option=value`` belongs to the specification before it.

    Examples
    --------
    >>> split_specs("class-weights:scheme=custom,weights={a: 1, b: 3} augment")
    ['class-weights:scheme=custom,weights={a: 1, b: 3}', 'augment']
    >>> split_specs("focal-loss:gamma=2,label=x,augment", ",")
    ['focal-loss:gamma=2,label=x', 'augment']
    """
    found: list[str] = []
    for part in (part.strip() for part in _split_outside(text, separator)):
        if separator == "," and found and "=" in part.partition(":")[0]:
            found[-1] += f",{part}"
        elif part:
            found.append(part)
    return found


def parse_value(text: str) -> Any:
    """Read a value: a list in ``[]`` or ``()``, a table in ``{}``, a quoted text, a number, true/false, or plain text.

    Raises
    ------
    ValueError
        If a bracket or quote is not closed, or an entry of a table has no colon.
    """
    text = text.strip()
    if not text:
        raise ValueError("the value is missing")
    if text[0] in _CLOSING:
        if text[-1] != _CLOSING[text[0]] or len(text) < 2:
            raise ValueError(f"the bracket that opens {text!r} is not closed at its end")
        inner = text[1:-1].strip()
        parts = _split_outside(inner, ",") if inner else []
        if text[0] != "{":
            return [parse_value(part) for part in parts]
        table: dict[str, Any] = {}
        for part in parts:
            colon = _find_outside(part, ":")
            if colon < 0:
                raise ValueError(f"the entry {part.strip()!r} has no ':' between name and value")
            key = part[:colon].strip()
            table[key[1:-1] if len(key) > 1 and key[0] in "\"'" and key[-1] == key[0] else key] = parse_value(
                part[colon + 1 :]
            )
        return table
    if text[0] in "\"'":
        if len(text) < 2 or text[-1] != text[0]:
            raise ValueError(f"the quote that opens {text!r} is not closed")
        return text[1:-1]
    if text in ("true", "false"):
        return text == "true"
    for number in (int, float):
        try:
            return number(text)
        except ValueError:
            continue
    return text


def render_value(value: Any) -> str:
    """Write a value so that :func:`parse_value` reads it back."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return repr(value)
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_quoted(str(k))}: {render_value(v)}" for k, v in value.items()) + "}"
    if isinstance(value, (list, tuple, set, frozenset)):
        return "[" + ", ".join(render_value(v) for v in value) + "]"
    return _quoted(str(value))


def _quoted(text: str) -> str:
    """Put quotes around a text that would otherwise be read as something else."""
    if re.fullmatch(r"[A-Za-z_][\w.%+-]*", text) and parse_value(text) == text:
        return text
    quote = "'" if '"' in text else '"'
    return f"{quote}{text}{quote}"
