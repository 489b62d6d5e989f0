"""The table of a comparison: on a terminal, as CSV, as Markdown, as records."""

from __future__ import annotations

import csv
import html
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from imbtk.comparison.settings import HIGHER_IS_BETTER, METRICS
from imbtk.comparison.words import p_value, points
from imbtk.report.wording import NO_FIGURE, one_line, shorten

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

__all__ = [
    "best_places",
    "csv_text",
    "difference_text",
    "html_table",
    "interval_text",
    "markdown_table",
    "p_text",
    "print_table",
    "records",
    "shown_classes",
    "size_text",
    "value_text",
]

WIDE = 96
"""From so many characters on a terminal shows the sensitivity of more than one class."""

MANY_UNITS = 400
"""From so many patients (or rows) on figures have three digits."""

CSV_BASELINE = "baseline"


def records(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return one flat record a plan, best first: figures, interval ends, difference, p-values, verdict, cost."""
    return [_record(document, row) for row in document["rows"]]


def _record(document: Mapping[str, Any], row: Mapping[str, Any]) -> dict[str, Any]:
    record: dict[str, Any] = {"plan": CSV_BASELINE if row["kind"] == "baseline" else row["name"]}
    complete = row["complete"]
    record["verdict"] = (row.get("verdict") or "baseline") if complete else "incomplete"
    for metric in METRICS:
        record |= _columns(metric, row["figures"][metric] if complete else None)
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
    buffer = io.StringIO(newline="")
    writer = csv.DictWriter(buffer, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows([{k: "" if v is None else v for k, v in row.items()} for row in rows])
    return buffer.getvalue()


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
    for metric in METRICS:
        some = [(row["figures"][metric]["value"], row["name"]) for row in rows]
        known = [pair for pair in some if pair[0] is not None]
        if known:
            best[metric] = (max if HIGHER_IS_BETTER[metric] else min)(known, key=lambda pair: pair[0])[1]
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
    plain = document["primary"] in ("log_loss", "brier", "mcc")

    def text(value: float) -> str:
        return f"{value:+.3f}".replace("-", "−") if plain else points(value)

    interval = difference["interval"]
    return text(difference["value"]), f"{text(interval[0])} to {text(interval[1])}" if interval else ""


def p_text(p: float | None) -> str:
    """Return a p-value as people write it, without the sign of equality."""
    return "–" if p is None else p_value(p).removeprefix("= ")


def print_table(console: Console, document: Mapping[str, Any], folder: Path) -> None:
    """Print the table, best plan first, the best figure of each column marked.

    Parameters
    ----------
    console : rich.console.Console
    document : mapping
        As in ``comparison.json``.
    folder : Path
    """
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1))
    table.add_column("plan", min_width=14)
    primary, wide = document["primary"], console.width >= WIDE
    table.add_column(_broken(document["primary_name"]), justify="right", no_wrap=True)
    table.add_column("difference", justify="right", no_wrap=True)
    classes = shown_classes(document, 3 if wide else 1)
    for k in classes:
        of = shorten(document["data"]["class_names"][k], 11)
        table.add_column(f"sensit.\n{of}", justify="right", no_wrap=True)
    table.add_column("seconds", justify="right", no_wrap=True)
    table.add_column("verdict", min_width=10)
    best = best_places(document)
    for row in document["rows"]:
        name = Text(one_line(row["name"]), style="bold" if row["name"] == best.get(primary) else "")
        if not row["complete"]:
            table.add_row(name, *[""] * (3 + len(classes)), Text(f"incomplete: {row['reason']}", style="red"))
            continue
        cells: list[Text] = [_two_lines(document, row["figures"][primary], row["name"] == best.get(primary))]
        value, interval = difference_text(document, row.get("difference"))
        cells.append(Text.assemble(value, (f"\n{interval}", "dim")))
        for k in classes:
            cells.append(
                _two_lines(document, row["per_class"][k]["sensitivity"], row["name"] == best.get(f"class:{k}"))
            )
        cells.append(Text("–" if row["kind"] == "decision" else f"{row['cost']['seconds']:.3g}"))
        table.add_row(name, *cells, _verdict_text(row))
    data = document["data"]
    console.print()
    console.print(Text(f"{one_line(data['name'])}: {_protocol_line(document)}", style="bold"))
    console.print(table)
    for line in _foot(document):
        console.print(Text(line, style="dim"))
    for row in document["interactions"]:
        console.print(Text(row["words"]))
    for line in _leak_lines(document):
        console.print(Text(line))
    for left in document["left_out"]:
        console.print(Text(f"left out: '{left['plan']}': {left['reason']}", style="dim"))
    for warning in document["warnings"]:
        console.print(Text.assemble(("! ", "bold yellow"), one_line(warning)))
    console.print(Text.assemble(("\nComparison ", "bold"), str(folder)), soft_wrap=True)
    console.print(Text.assemble(("Page ", "bold"), str(folder / "report.html")), soft_wrap=True)


def _broken(words: str) -> str:
    """Return words over two lines."""
    return "\n".join(words.split(" ", 1))


def _two_lines(document: Mapping[str, Any], figure: Mapping[str, Any], best: bool) -> Text:
    from rich.text import Text

    # A table that is read in ten seconds has two digits.
    value, interval = value_text(document, figure, 2), interval_text(document, figure, 2)
    return Text.assemble((value, "bold green" if best else ""), (f"\n{interval}", "dim"))


def _verdict_text(row: Mapping[str, Any]) -> Any:
    from rich.text import Text

    if row["kind"] == "baseline":
        return Text("baseline", style="dim")
    style = {"better": "bold green", "worse": "bold red"}.get(row["verdict"], "")
    return Text.assemble((row["verdict"], style), (f"\np {_p(row)}", "dim"))


def _p(row: Mapping[str, Any]) -> str:
    p = row["difference"].get("p_holm")
    return "–" if p is None else p_value(p)


def _protocol_line(document: Mapping[str, Any]) -> str:
    options = document["protocol"]
    repeats = f" x {options['repeats']} repeats" if options["repeats"] > 1 else ""
    return f"{options['folds']} folds{repeats}, {options['model']}, {options['epochs']} epochs"


def _foot(document: Mapping[str, Any]) -> list[str]:
    lines = [
        f"Below each figure its 95 % interval over {document['unit']}s, given these trained models. Differences to the "
        f"baseline{'' if document['primary'] in ('log_loss', 'brier', 'mcc') else ' in points'}; p: permutation test, "
        "Holm-adjusted."
    ]
    found = [
        row["difference"]["detectable"] for row in document["rows"] if (row.get("difference") or {}).get("detectable")
    ]
    if found:
        lines.append(
            f"With 80 % power this comparison could have found differences of {size_text(document, min(found))}"
            + (f" to {size_text(document, max(found))}" if len(found) > 1 else "")
            + ", depending on the plan."
        )
    return lines


def size_text(document: Mapping[str, Any], value: float | None) -> str:
    """Return the size of a difference with its unit: points for shares."""
    if value is None:
        return "–"
    return f"{value:.3f}" if document["primary"] in ("log_loss", "brier", "mcc") else f"{100 * value:.1f} points"


def _leak_lines(document: Mapping[str, Any]) -> list[str]:
    ungrouped = document["ungrouped"]
    if not ungrouped:
        return []
    if ungrouped["reason"]:
        return [f"Groups ignored: {ungrouped['reason']}."]
    lines = []
    for row in ungrouped["rows"]:
        if row["complete"]:
            low_high = row["flatters_by"]["interval"]
            between = f" ({points(low_high[0])} to {points(low_high[1])})" if low_high else ""
            lines.append(
                f"Patients ignored: '{row['name']}' would seem to reach {row['figure']['value']:.2f}, flattered by "
                f"{points(row['flatters_by']['value'])} points{between}."
            )
    return lines


def markdown_table(document: Mapping[str, Any]) -> str:
    """Return the table in Markdown, the best figure of each column in bold."""
    classes = shown_classes(document)
    names = document["data"]["class_names"]
    metrics = list(dict.fromkeys([document["primary"], "accuracy", "auroc"]))
    head = ["plan", *[METRICS[m] for m in metrics], *[f"sensitivity {names[k]}" for k in classes]]
    head += ["difference", "p (Holm)", "verdict", "seconds"]
    lines = [head, ["---", *["---:"] * (len(head) - 1)]]
    best = best_places(document)
    for row in document["rows"]:
        if not row["complete"]:
            lines.append([row["name"], *[""] * (len(head) - 3), f"incomplete: {row['reason']}", ""])
            continue
        cells = [_marked(document, row["figures"][m], row["name"] == best.get(m)) for m in metrics]
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


def _marked(document: Mapping[str, Any], figure: Mapping[str, Any], best: bool) -> str:
    value, interval = value_text(document, figure), interval_text(document, figure)
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
