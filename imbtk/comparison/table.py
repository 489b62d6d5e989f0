"""The table of a comparison: on a terminal, as CSV, as Markdown, as records."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from typing import Any

from imbtk import files
from imbtk.comparison.settings import metric_in, metric_of
from imbtk.comparison.words import p_value
from imbtk.wording import NO_FIGURE, one_line

__all__ = [
    "COSTS",
    "best_places",
    "column_name",
    "csv_text",
    "difference_text",
    "figure_texts",
    "html_table",
    "interval_text",
    "markdown_table",
    "metric_column",
    "metric_name",
    "metrics_in",
    "p_text",
    "per_thousand",
    "records",
    "shown_classes",
    "size_text",
    "value_text",
]

MANY_UNITS = 400
"""From so many patients (or rows) on figures have three digits."""

CSV_BASELINE = "baseline"

COSTS = ("precision", "alarm_rate")
"""Metrics that show what finding a rare positive costs."""


def records(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return one flat record a plan, best first: figures, interval ends, difference, p-values, verdict, cost."""
    return [_record(document, row) for row in document["rows"]]


def _record(document: Mapping[str, Any], row: Mapping[str, Any]) -> dict[str, Any]:
    record: dict[str, Any] = {"plan": CSV_BASELINE if row["kind"] == "baseline" else row["name"]}
    complete = row["complete"]
    record["verdict"] = (row.get("verdict") or "baseline") if complete else "incomplete"
    for metric in metrics_in(document):
        record |= _columns(metric_column(document, metric), row["figures"][metric] if complete else None)
        if metric == "alarm_rate":
            rate = row["figures"][metric] if complete else {}
            record |= _columns(metric_column(document, "alarms_per_1000"), per_thousand(rate))
    for k, name in enumerate(document["data"]["class_names"]):
        record |= _columns(f"sensitivity {name}", row["per_class"][k]["sensitivity"] if complete else None)
    difference = row.get("difference") or {}
    record |= _columns("difference", difference)
    record |= {"p": difference.get("p"), "p_holm": difference.get("p_holm")}
    record["detectable_difference"] = difference.get("detectable")
    secondary = difference.get("secondary") or {}
    record["p_corrected_t_test_secondary"] = (secondary.get("corrected_t_test") or {}).get("p")
    record["p_mcnemar_secondary"] = (secondary.get("mcnemar") or {}).get("p")
    equivalence = row.get("equivalence") or {}
    record |= {key: equivalence.get(key) for key in ("p_not_worse", "p_equivalent_holm")}
    cost = row.get("cost") or {}
    record |= {key: cost.get(key) for key in ("seconds", "samples_per_second")}
    record["reason"] = row.get("reason")
    return record


def _columns(name: str, figure: Mapping[str, Any] | None) -> dict[str, float | None]:
    low, high = (figure or {}).get("interval") or (None, None)
    return {name: (figure or {}).get("value"), f"{name} low": low, f"{name} high": high}


def csv_text(document: Mapping[str, Any]) -> str:
    """Return the records as CSV, one line a plan, the baseline under that name."""
    rows = records(document)
    return files.csv_text(list(rows[0]), [list(row.values()) for row in rows])


def metrics_in(document: Mapping[str, Any]) -> list[str]:
    """Return the metrics that a comparison has; none before a row is complete."""
    return list(next((row["figures"] for row in document["rows"] if row["complete"]), ()))


def metric_name(document: Mapping[str, Any], metric: str) -> str:
    """Return what a metric is called in this comparison: ``"AUPRC (malignant)"``."""
    return metric_in(document, metric).named(document["data"]["positive_class"])


def column_name(document: Mapping[str, Any], metric: str) -> str:
    """Return what stands over a metric's column."""
    if metric != "alarm_rate":
        return metric_name(document, metric)
    return f"alarms per 1,000 {'images' if document['data']['kind'] == 'images' else 'rows'}"


def per_thousand(figure: Mapping[str, Any]) -> dict[str, Any]:
    """Return a share with its interval as a number in a thousand."""
    scaled = {key: 1000 * figure[key] for key in ("value",) if figure.get(key) is not None}
    interval = figure.get("interval")
    return {**figure, **scaled, **({"interval": [1000 * end for end in interval]} if interval else {})}


def metric_column(document: Mapping[str, Any], metric: str) -> str:
    """Return the column of a metric in the CSV file, with the class whose metric it is: ``"auprc malignant"``."""
    positive = document["data"]["positive_class"]
    of_positive = metric == "alarms_per_1000" or metric_in(document, metric).of_positive
    return f"{metric} {positive}" if of_positive and positive is not None else metric


def shown_classes(document: Mapping[str, Any], most: int = 3) -> list[int]:
    """Return the classes whose sensitivities stand in the table: all of up to `most`, else the rarest in training."""
    names, counts = document["data"]["class_names"], document["data"]["train_counts"]
    if len(names) <= most:
        return list(range(len(names)))
    return [min(range(len(names)), key=lambda k: counts[k])]


def best_places(document: Mapping[str, Any]) -> dict[str, str]:
    """Return for each column of figures the plan that is best in it: ``{"auroc": "oversample", "class:0": …}``."""
    rows = [row for row in document["rows"] if row["complete"]]
    best = {}
    for metric in metrics_in(document):
        if metric == "alarm_rate":  # more alarms are no better and no worse
            continue
        some = [(row["figures"][metric]["value"], row["name"]) for row in rows]
        known = [pair for pair in some if pair[0] is not None]
        if known:
            best_of = max if metric_in(document, metric).higher_is_better else min
            best[metric] = best_of(known, key=lambda pair: pair[0])[1]
    for k in range(len(document["data"]["class_names"])):
        values = [(row["per_class"][k]["sensitivity"]["value"], row["name"]) for row in rows]
        known = [pair for pair in values if pair[0] is not None]
        if known:
            best[f"class:{k}"] = max(known, key=lambda pair: pair[0])[1]
    return best


def value_text(document: Mapping[str, Any], figure: Mapping[str, Any], digits: int | None = None) -> str:
    """Return a figure with as many digits as the number of units supports: the same in a whole table."""
    digits = digits or _digits(document)
    return NO_FIGURE if figure.get("value") is None else f"{figure['value']:.{digits}f}".replace("-", "−")


def interval_text(document: Mapping[str, Any], figure: Mapping[str, Any], digits: int | None = None) -> str:
    """Return the interval of a figure, ``"0.64–0.97"``; empty where there is none."""
    if not figure.get("interval"):
        return ""
    digits = digits or _digits(document)
    low, high = (f"{end:.{digits}f}".replace("-", "−") for end in figure["interval"])
    return f"{low} to {high}" if low.startswith("−") else f"{low}–{high}"


def _digits(document: Mapping[str, Any]) -> int:
    units = document["data"]["groups"] or document["data"]["rows"]
    return 3 if units >= MANY_UNITS else 2


def difference_text(document: Mapping[str, Any], difference: Mapping[str, Any] | None) -> tuple[str, str]:
    """Return a difference and its interval: in points for shares, as it is for log-loss, Brier and MCC."""
    if not difference or difference.get("value") is None:
        return "", ""
    metric = metric_in(document, document["primary"])

    def text(value: float) -> str:
        return metric.difference(value).removesuffix(" points")

    interval = difference["interval"]
    return text(difference["value"]), f"{text(interval[0])} to {text(interval[1])}" if interval else ""


def p_text(p: float | None) -> str:
    """Return a p-value as people write it, without the sign of equality."""
    return "–" if p is None else p_value(p).removeprefix("= ")


def size_text(document: Mapping[str, Any], value: float | None) -> str:
    """Return the size of a difference with its unit: points for shares."""
    if value is None:
        return "–"
    return f"{100 * value:.1f} points" if metric_in(document, document["primary"]).share else f"{value:.3f}"


def markdown_table(document: Mapping[str, Any]) -> str:
    """Return the table in Markdown, the best figure of each column in bold."""
    classes = shown_classes(document)
    names = document["data"]["class_names"]
    metrics = list(dict.fromkeys([document["primary"], "accuracy", metric_of("auroc", len(names))]))
    costs = [metric for metric in COSTS if metric in metrics_in(document)]
    head = [
        "plan",
        *[column_name(document, m) for m in (*metrics, *costs)],
        *[f"sensitivity {names[k]}" for k in classes],
    ]
    head += ["difference", "p (Holm)", "verdict", "seconds"]
    lines = [head, ["---", *["---:"] * (len(head) - 1)]]
    best = best_places(document)
    for row in document["rows"]:
        if not row["complete"]:
            lines.append([row["name"], *[""] * (len(head) - 3), f"incomplete: {row['reason']}", ""])
            continue
        cells = [_marked(document, row["figures"][m], row["name"] == best.get(m)) for m in metrics]
        cells += [_marked(document, row["figures"][m], False, m) for m in costs]
        cells += [
            _marked(document, row["per_class"][k]["sensitivity"], row["name"] == best.get(f"class:{k}"))
            for k in classes
        ]
        value, interval = difference_text(document, row.get("difference"))
        p = p_text((row.get("difference") or {}).get("p_holm")) if row["kind"] != "baseline" else ""
        seconds = "–" if row["kind"] == "decision" else f"{row['cost']['seconds']:.3g}"
        cells += [f"{value} ({interval})" if interval else value, p, row.get("verdict") or "baseline", seconds]
        lines.append([row["name"], *cells])
    return "\n".join("| " + " | ".join(_cell(cell) for cell in line) + " |" for line in lines)


def figure_texts(
    document: Mapping[str, Any], metric: str, figure: Mapping[str, Any], digits: int | None = None
) -> tuple[str, str]:
    """Return value and interval of a metric as its column has them: alarms in a thousand."""
    if metric == "alarm_rate":
        figure, digits = per_thousand(figure), 1
    return value_text(document, figure, digits), interval_text(document, figure, digits)


def _marked(document: Mapping[str, Any], figure: Mapping[str, Any], best: bool, metric: str = "") -> str:
    value, interval = figure_texts(document, metric, figure)
    return (f"**{value}**" if best else value) + (f" ({interval})" if interval else "")


def _cell(text: str) -> str:
    return one_line(text).replace("|", "\\|") if text else ""


def html_table(document: Mapping[str, Any]) -> str:
    """Return the Markdown table's content as HTML, for notebooks."""
    lines = [line[2:-2].split(" | ") for line in markdown_table(document).split("\n")]
    head = "".join(f"<th>{html.escape(cell)}</th>" for cell in lines[0])
    body = "".join(_html_row(line) for line in lines[2:])
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _html_row(cells: Sequence[str]) -> str:
    return "<tr>" + "".join(f"<td>{html.escape(cell.replace('**', ''))}</td>" for cell in cells) + "</tr>"
