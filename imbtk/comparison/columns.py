"""The columns of a comparison's tables, told once: their headings, what their cells say, what is best in them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from imbtk.comparison.config import metric_in, metric_of
from imbtk.comparison.words import p_value, row_noun
from imbtk.wording import NO_METRIC, one_line, reason_of, several, shorten

__all__ = [
    "VALUES",
    "Column",
    "TableCell",
    "cells",
    "detectable_text",
    "difference_text",
    "figure_of",
    "metric_name",
    "metric_texts",
    "metrics_in",
    "of",
    "of_table",
    "p_text",
    "per_thousand",
    "value_at",
]

Document = Mapping[str, Any]
Row = Mapping[str, Any]

MANY_UNITS = 400
"""From so many patients (or rows) on metrics have three digits."""

_COSTS = ("precision", "alarm_rate")
"""Metrics that show what finding a rare positive costs."""

VALUES = {
    "p": ("difference.p", "p"),
    "p_holm": ("difference.p_holm", "p (Holm)"),
    "detectable_difference": ("difference.detectable", "detectable at 80 % power"),
    "p_corrected_t_test_secondary": ("difference.secondary.corrected_t_test.p", "corrected t-test (secondary)"),
    "p_mcnemar_secondary": ("difference.secondary.mcnemar.p", "McNemar, exact (secondary)"),
    "p_not_worse": ("equivalence.p_not_worse", "not worse by the margin, p"),
    "p_equivalent_holm": ("equivalence.p_equivalent_holm", "equivalent, p (Holm)"),
    "seconds": ("cost.seconds", "seconds"),
    "samples_per_second": ("cost.samples_per_second", "samples / s"),
    "relative": ("cost.relative", "times the baseline"),
}
"""Columns of numbers without an interval: where the number is in a row, and what stands over it."""

_NUMBERS = {"seconds": "{:.3g}", "samples_per_second": "{:,.0f}", "relative": "{:.2f}"}


@dataclass(frozen=True)
class TableCell:
    """What a table says of a plan in one place.

    Attributes
    ----------
    text : str
    below : str
        An interval or a p-value.
    tone : str
        ``"best"`` of its column, ``"leading"`` for the name of the best plan, a verdict, ``"incomplete"``, or nothing.
    reason : str
        Why there is no metric, or no interval.
    """

    text: str = ""
    below: str = ""
    tone: str = ""
    reason: str = ""


@dataclass(frozen=True)
class Column:
    """A column: its heading, and what it says of a row that has metrics; `of` is the class that it is about."""

    key: str
    heading: str
    cell: Callable[[Row], TableCell]
    look: Literal["name", "verdict", "number"] = "number"
    of: str = ""

    def headed(self, width: int | None = None) -> str:
        """Return the heading, with the class in at most `width` characters."""
        if not self.of:
            return self.heading
        return f"{self.heading} {shorten(self.of, width) if width else self.of}"


def of_table(document: Document, where: Literal["wide", "narrow", "markdown", "page"]) -> list[Column]:
    """Return the columns of the table that people read, left to right; wide and narrow are terminals."""
    primary, there, counts = document["primary"], metrics_in(document), document["data"]["train_counts"]
    auroc, costs = metric_of("auroc", len(counts)), [metric for metric in _COSTS if metric in there]
    rarest = [f"class:{min(range(len(counts)), key=lambda k: counts[k])}"]
    few = [f"class:{k}" for k in range(len(counts))] if len(counts) <= 3 else []
    if where == "page":
        rest = [metric for metric in (*costs, "expected_cost", auroc, "log_loss") if metric in there]
        keys = ["plan", "verdict", primary, "difference", *few, *rest]
    elif where == "markdown":
        keys = ["plan", primary, "accuracy", auroc, *costs, *(few or rarest)]
        keys += ["difference", "p_holm", "verdict", "seconds"]
    elif where == "wide":
        keys = ["plan", primary, "difference", *(few or rarest), *costs, "seconds", "verdict"]
    else:
        keys = ["plan", primary, "difference", *rarest, *(costs[:1] or ["seconds"]), "verdict"]
    # A table that is read in ten seconds has two digits.
    return of(document, keys, 2 if where in ("wide", "narrow") else None)


def of(document: Document, keys: Iterable[str], digits: int | None = None) -> list[Column]:
    """Return columns by key, each once.

    Parameters
    ----------
    document : mapping
        As in ``comparison.json``.
    keys : iterable of str
        ``"plan"``, ``"verdict"``, ``"difference"``, a key of :data:`VALUES`, a metric, or ``"class:0"`` for the
        sensitivity of the first class.
    digits : int, optional
        Of metrics; as many as the number of units supports unless given.
    """
    return [_column(document, key, digits) for key in dict.fromkeys(keys)]


def cells(shown: Iterable[Column], row: Row) -> list[TableCell]:
    """Return the cells of a row; one without metrics has its name, and why in the place of its verdict."""
    if row.get("complete", True):
        return [column.cell(row) for column in shown]
    said = {
        "plan": TableCell(one_line(row["name"])),
        "verdict": TableCell(f"incomplete: {row['reason']}", tone="incomplete"),
    }
    return [said.get(column.key, TableCell()) for column in shown]


def _column(document: Document, key: str, digits: int | None) -> Column:
    if key == "plan":
        first = _best_plan(document, document["primary"])
        return Column(key, key, lambda row: TableCell(one_line(row["name"]), tone=_tone(row, first, "leading")), "name")
    if key == "verdict":
        return Column(key, key, _verdict, "verdict")
    if key == "difference":
        return Column(key, key, lambda row: TableCell(*difference_text(document, row.get("difference"))))
    if key in VALUES:
        return Column(key, VALUES[key][1], lambda row: _value(document, key, row))
    best = _best_plan(document, key)

    def cell(row: Row) -> TableCell:
        figure = figure_of(row, key)
        return TableCell(*metric_texts(document, key, figure, digits), _tone(row, best, "best"), reason_of(figure))

    if key.startswith("class:"):
        return Column(key, "sensitivity", cell, of=document["data"]["class_names"][int(key.removeprefix("class:"))])
    return Column(key, _metric_heading(document, key), cell)


def _tone(row: Row, chosen: str | None, tone: str) -> str:
    return tone if row["name"] == chosen else ""


def _verdict(row: Row) -> TableCell:
    if row["kind"] == "baseline":
        return TableCell("baseline", tone="baseline")
    p = row["difference"].get("p_holm")
    return TableCell(row["verdict"], f"p {NO_METRIC if p is None else p_value(p)}", row["verdict"])


def _value(document: Document, key: str, row: Row) -> TableCell:
    path, _ = VALUES[key]
    part = path.partition(".")[0]
    if part == "difference" and row.get("kind") == "baseline":
        return TableCell()
    # Moving the decision trains nothing: the seconds are the baseline's.
    value = None if part == "cost" and row["kind"] == "decision" else value_at(row, path)
    if value is None:
        return TableCell(NO_METRIC)
    if key == "detectable_difference":
        return TableCell(_size_text(document, value))
    return TableCell(_NUMBERS[key].format(value) if key in _NUMBERS else p_text(value))


def p_text(p: float | None) -> str:
    """Return a p-value as people write it, without the sign of equality."""
    return NO_METRIC if p is None else p_value(p).removeprefix("= ")


def value_at(row: Row, path: str) -> Any:
    """Return what a row has at a path such as ``"difference.p"``, None where a part of it is missing."""
    found: Any = row
    for part in path.split("."):
        found = (found or {}).get(part)
    return found


def figure_of(row: Row, key: str) -> Mapping[str, Any]:
    """Return the entry of a metric or of a class; one without a value for a row that is not complete."""
    if not row["complete"]:
        return {}
    kind, _, k = key.partition(":")
    figure: Mapping[str, Any] = row["per_class"][int(k)]["sensitivity"] if kind == "class" else row["figures"][key]
    return figure


def _best_plan(document: Document, key: str) -> str | None:
    if key == "alarm_rate":  # more alarms are no better and no worse
        return None
    sign = 1 if key.startswith("class:") or metric_in(document, key).higher_is_better else -1
    figures = [(figure_of(row, key).get("value"), row["name"]) for row in document["rows"]]
    known = [(sign * value, name) for value, name in figures if value is not None]
    return max(known, key=lambda pair: pair[0])[1] if known else None


def metrics_in(document: Document) -> list[str]:
    """Return the metrics that a comparison has; none before a row is complete."""
    return list(next((row["figures"] for row in document["rows"] if row["complete"]), ()))


def metric_name(document: Document, metric: str) -> str:
    """Return what a metric is called in this comparison: ``"AUPRC (malignant)"``."""
    return metric_in(document, metric).named(document["data"]["positive_class"])


def _metric_heading(document: Document, metric: str) -> str:
    if metric != "alarm_rate":
        return metric_name(document, metric)
    return f"alarms per 1,000 {several(row_noun(document['data']))}"


def per_thousand(figure: Mapping[str, Any]) -> dict[str, Any]:
    """Return a share with its interval as a number in a thousand."""
    value, interval = figure.get("value"), figure.get("interval")
    return {"value": None if value is None else 1000 * value, "interval": [1000 * end for end in interval or ()]}


def metric_texts(
    document: Document, metric: str, figure: Mapping[str, Any], digits: int | None = None
) -> tuple[str, str]:
    """Return value and interval of a metric as its column has them, the same digits in a whole table.

    Alarms are counted in a thousand. The interval is ``"0.64–0.97"``, and empty where there is none.
    """
    if metric == "alarm_rate":
        figure, digits = per_thousand(figure), 1
    data = document["data"]
    digits = digits or (3 if (data["groups"] or data["rows"]) >= MANY_UNITS else 2)
    value, *ends = (
        NO_METRIC if number is None else f"{number:.{digits}f}".replace("-", "−")
        for number in (figure.get("value"), *(figure.get("interval") or ()))
    )
    return value, (" to " if ends and ends[0].startswith("−") else "–").join(ends)


def difference_text(document: Document, difference: Mapping[str, Any] | None) -> tuple[str, str]:
    """Return a difference and its interval: in points for shares, as it is for log-loss, Brier and MCC."""
    if not difference or difference.get("value") is None:
        return "", ""
    metric = metric_in(document, document["primary"])
    numbers = (difference["value"], *(difference["interval"] or ()))
    value, *ends = (metric.difference(number).removesuffix(" points") for number in numbers)
    return value, " to ".join(ends)


def detectable_text(document: Document) -> str:
    """Return which differences could have been found, ``"2.2 points to 11.5 points"``; empty if nobody knows."""
    sizes = [size for row in document["rows"] if (size := value_at(row, "difference.detectable"))]
    ends = (min(sizes), max(sizes)) if len(sizes) > 1 else sizes
    return " to ".join(_size_text(document, size) for size in ends)


def _size_text(document: Document, value: float) -> str:
    return f"{100 * value:.1f} points" if metric_in(document, document["primary"]).share else f"{value:.3f}"
