"""The table of a comparison as text: records, CSV, Markdown, and HTML for notebooks."""

from __future__ import annotations

import html
from collections.abc import Mapping
from typing import Any

from imbtk import files
from imbtk.comparison import columns
from imbtk.comparison.config import metric_in
from imbtk.wording import one_line

__all__ = ["csv_text", "html_table", "markdown_table", "records"]


def records(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return one flat record a plan, best first: metrics, interval ends, difference, p-values, verdict, cost."""
    return [_record(document, row) for row in document["rows"]]


def _record(document: Mapping[str, Any], row: Mapping[str, Any]) -> dict[str, Any]:
    record = {
        "plan": "baseline" if row["kind"] == "baseline" else row["name"],
        "verdict": (row.get("verdict") or "baseline") if row["complete"] else "incomplete",
    }
    for metric in columns.metrics_in(document):
        figure = columns.figure_of(row, metric)
        record |= _spread(_csv_name(document, metric), figure)
        if metric == "alarm_rate":
            record |= _spread(_csv_name(document, "alarms_per_1000"), columns.per_thousand(figure))
    for k, name in enumerate(document["data"]["class_names"]):
        record |= _spread(f"sensitivity {name}", columns.figure_of(row, f"class:{k}"))
    record |= _spread("difference", row.get("difference") or {})
    record |= {key: columns.value_at(row, path) for key, (path, _) in columns.VALUES.items() if key != "relative"}
    return record | {"reason": row.get("reason")}


def _spread(name: str, figure: Mapping[str, Any]) -> dict[str, float | None]:
    low, high = figure.get("interval") or (None, None)
    return {name: figure.get("value"), f"{name} low": low, f"{name} high": high}


def _csv_name(document: Mapping[str, Any], metric: str) -> str:
    """Return the column of a metric in the CSV file, with the class whose metric it is: ``"auprc malignant"``."""
    positive = document["data"]["positive_class"]
    of_positive = metric == "alarms_per_1000" or metric_in(document, metric).of_positive
    return f"{metric} {positive}" if of_positive and positive is not None else metric


def csv_text(document: Mapping[str, Any]) -> str:
    """Return the records as CSV, one line a plan, the baseline under that name."""
    rows = records(document)
    return files.csv_text(list(rows[0]), [list(row.values()) for row in rows])


def markdown_table(document: Mapping[str, Any]) -> str:
    """Return the table in Markdown, the best metric of each column in bold."""
    head, *rows = _lines(document, "**")
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join("| " + " | ".join(text.replace("|", "\\|") for text in line) + " |" for line in lines)


def html_table(document: Mapping[str, Any]) -> str:
    """Return the same table as HTML, for notebooks."""
    head, *rows = (list(map(html.escape, line)) for line in _lines(document))
    top = "".join(f"<th>{text}</th>" for text in head)
    body = "".join("<tr>" + "".join(f"<td>{text}</td>" for text in row) + "</tr>" for row in rows)
    return f"<table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table>"


def _lines(document: Mapping[str, Any], mark: str = "") -> list[list[str]]:
    """Return head and rows, each cell on one line, `mark` around the best metric of a column."""
    shown = columns.of_table(document, "markdown")
    rows = [zip(shown, columns.cells(shown, row), strict=True) for row in document["rows"]]
    return [[one_line(column.headed()) for column in shown], *([_text(*pair, mark) for pair in row] for row in rows)]


def _text(column: columns.Column, cell: columns.TableCell, mark: str) -> str:
    mark = mark if cell.tone == "best" else ""
    # The p-value below a verdict has a column of its own here.
    below = f" ({cell.below})" if cell.below and column.look == "number" else ""
    return one_line(f"{mark}{cell.text}{mark}{below}") if cell.text else ""
