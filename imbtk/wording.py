"""Numbers and names as people read them: the digits that the data support, names that cannot break a page."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any

__all__ = [
    "NO_METRIC",
    "decimals",
    "duration_text",
    "ended_words",
    "fitted_on_words",
    "index_text",
    "interval_text",
    "join_words",
    "kept_words",
    "listing",
    "metric_text",
    "one_line",
    "per_cent",
    "plural",
    "ratio_text",
    "reason_of",
    "sentence",
    "several",
    "share_text",
    "shorten",
    "value_text",
]

NO_METRIC = "–"
"""What stands where a metric cannot be computed."""

LISTED = 20
"""How many files, rows or groups a message names before it says how many more there are."""

_INVISIBLE = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}


def one_line(name: object) -> str:
    """Return a name on one line: line breaks, control and direction characters become single spaces.

    Examples
    --------
    >>> one_line("benign\\n tumour")
    'benign tumour'
    """
    shown = "".join(" " if unicodedata.category(c) in _INVISIBLE else c for c in str(name))
    return " ".join(shown.split()) or "(no name)"


def sentence(text: object) -> str:
    """Return a text on one line that begins with a capital and ends with a full stop."""
    line = one_line(text)
    return line[0].upper() + line[1:] + ("" if line[-1] in ".!?" else ".")


def duration_text(seconds: float) -> str:
    """Return about how long something takes.

    Examples
    --------
    >>> duration_text(7.3), duration_text(100), duration_text(5000)
    ('7 s', '2 min', '1 h 23 min')
    """
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def ended_words(
    history: Sequence[Mapping[str, float]], plan: Mapping[str, Any], max_minutes: float | None
) -> str | None:
    """Return a sentence about a training that ended for want of time, None if it did not.

    Parameters
    ----------
    history : sequence of mapping
        Records of the epochs that were trained.
    plan : mapping
        As in ``plan.json``.
    max_minutes : float, optional
    """
    stopped = [record for record in history if record.get("out_of_time")]
    if not stopped:
        return None
    done, total = int(min(record["epoch"] for record in stopped)) + 1, int(plan["phases"][-1]["stop"])
    words = f"training ended after epoch {done} of {total}: the next would have taken it past {max_minutes:g} min"
    never = [phase for phase in plan["phases"] if int(phase["start"]) >= done]
    if never:
        phases = ", ".join(
            f"epochs {phase['start'] + 1}\N{EN DASH}{phase['stop']} ({' '.join(phase['strategies']) or 'no strategy'})"
            for phase in never
        )
        words += f"; never begun: {phases}"
    return f"{words}. The learning rate followed the plan of all {total} epochs."


def kept_words(history: Sequence[Mapping[str, float]], config: Mapping[str, Any]) -> str | None:
    """Return which epoch's weights a training that looked for the best one kept, None if the last ones were kept.

    Parameters
    ----------
    history : sequence of mapping
        Records of the epochs that were trained.
    config : mapping
        As in ``config.toml``.
    """
    kept = [int(record["epoch"]) + 1 for record in history if record.get("kept")]
    if not kept:
        return None
    by = str(config["early_stop"]).replace("_", " ").replace("log loss", "log-loss")
    if "member" in history[0]:
        epochs = join_words([str(epoch) for epoch in kept])
        return f"each member keeps the weights of its best epoch on validation rows by {by}: {epochs}"
    most, done = int(config["epochs"]), len(history)
    trained = f"all {done} epochs" if done == most else f"{plural(done, 'epoch')} of at most {most}"
    return f"the weights of epoch {kept[0]} are kept, the best on validation rows by {by}; trained: {trained}"


def shorten(name: object, width: int = 24) -> str:
    """Return a name on one line of at most `width` characters, cut in the middle: beginnings and ends tell names apart.

    Examples
    --------
    >>> shorten("ductal carcinoma in situ, high grade", 16)
    'ductal c…h grade'
    """
    text = one_line(name)
    if len(text) <= width:
        return text
    head = width // 2
    return text[:head] + "…" + text[len(text) - (width - 1 - head) :]


def decimals(support: int | None, interval: Sequence[float] | None = None) -> int:
    """Return how many decimals of a proportion the data support: 2, or 3 where the uncertainty is under ±0.02.

    Parameters
    ----------
    support : int, optional
        Units in the denominator.
    interval : (low, high), optional
        Where there is one, its half-width is the uncertainty; else the widest that `support` allows, 0.98/√support.
    """
    if interval is not None and math.isfinite(interval[0]) and math.isfinite(interval[1]):
        # An interval of no width (a bootstrap that never varied) says nothing about precision.
        half = (interval[1] - interval[0]) / 2 or 1.0
    else:
        half = 0.98 / math.sqrt(support) if support else 1.0
    return 3 if half < 0.02 and (support is None or support >= 1000) else 2


def _fixed(value: float, digits: int) -> str:
    text = f"{value:.{digits}f}"
    return text.lstrip("-") if float(text) == 0 else text.replace("-", "−")


def value_text(figure: Mapping[str, Any] | None) -> str:
    """Return a metric of ``metrics.json`` without its interval: ``"0.86"``, or a dash where there is none."""
    if figure is None or figure.get("value") is None:
        return NO_METRIC
    return _fixed(figure["value"], decimals(_support(figure), figure.get("interval")))


def share_text(figure: Mapping[str, Any] | None) -> str:
    """Return a share that is known and not estimated, with two significant digits: ``"0.28"``, ``"0.0097"``."""
    return NO_METRIC if figure is None or figure.get("value") is None else f"{figure['value']:.2g}"


def interval_text(figure: Mapping[str, Any] | None) -> str:
    """Return the interval of a metric, ``"0.64–0.97"``; empty where there is none."""
    if figure is None or figure.get("value") is None or figure.get("interval") is None:
        return ""
    low, high = figure["interval"]
    digits = decimals(_support(figure), figure["interval"])
    between = " to " if low < 0 else "–"
    return f"{_fixed(low, digits)}{between}{_fixed(high, digits)}"


def index_text(index: float) -> str:
    """Return a correction index as people read it.

    Examples
    --------
    >>> index_text(1.234), index_text(-0.001)
    ('1.23', '0.00')
    """
    return f"{round(index, 2) + 0.0:.2f}"


def fitted_on_words(decision: Mapping[str, Any], noun: str, group_noun: str) -> str:
    """Return which rows a decision was fitted on, how many, of how many groups, and by how many models.

    Parameters
    ----------
    decision : mapping
        As in ``decision.json``; version 1 has validation rows and no inner models.
    noun : str
        What a row is called.
    """
    kind = str(decision["fitted_on"]).removesuffix(" rows")
    groups = decision.get("groups")
    grouped = f"{several(group_noun)} unknown" if groups is None else plural(groups, group_noun)
    said = f"{plural(decision['rows'], f'{kind} {noun}')}, {grouped}"
    models = decision.get("inner_models")
    of = "members" if decision.get("of_members") else "inner models"
    return said + (f", each predicted by one of {models} {of} that had not seen it" if models else "")


def metric_text(figure: Mapping[str, Any] | None) -> str:
    """Return a metric with its interval: ``"0.86 (0.64–0.97)"``."""
    interval = interval_text(figure)
    return value_text(figure) + (f" ({interval})" if interval else "")


def reason_of(figure: Mapping[str, Any] | None) -> str:
    """Return why a metric or its interval is missing; empty if nothing is."""
    if figure is None:
        return "not computed"
    return str(figure.get("reason") or figure.get("interval_reason") or "")


def _support(figure: Mapping[str, Any]) -> int | None:
    """Return the independent units behind a metric: its groups where they are known."""
    groups = figure.get("groups")
    return figure.get("n") if groups is None else int(groups)


def per_cent(share: float | None) -> str:
    """Return a share in per cent with two significant digits at least: ``"31 %"``, ``"0.42 %"``.

    Examples
    --------
    >>> [per_cent(s) for s in (1.0, 0.314, 0.0314, 0.0004, 0.0, None)]
    ['100 %', '31 %', '3.1 %', '0.04 %', '0 %', '–']
    """
    if share is None or not math.isfinite(share):
        return NO_METRIC
    value = 100 * share
    digits = 0 if value == 0 or value >= 9.95 else 1 if value >= 0.995 else 2
    if 0 < value < 0.005:
        return "<0.01 %"
    return f"{value:.{digits}f} %"


def ratio_text(ratio: float) -> str:
    """Return a ratio with two digits: ``"9.3"``, ``"48"``, ``"1,204"``."""
    return f"{ratio:.1f}" if ratio < 9.95 else f"{ratio:,.0f}"


def plural(count: int, noun: str) -> str:
    """Return a count with its noun: ``"1 patient"``, ``"1,204 images"``, ``"3 classes"``."""
    if count == 1:
        return f"1 {noun}"
    return f"{count:,} {several(noun)}"


def join_words(words: Sequence[str]) -> str:
    """Return ``"a"``, ``"a and b"``, ``"a, b and c"``."""
    if len(words) < 2:
        return "".join(words)
    return ", ".join(words[:-1]) + " and " + words[-1]


def several(noun: str) -> str:
    """Return the plural of an English noun that forms it by rule.

    Examples
    --------
    >>> [several(noun) for noun in ("patient", "class", "study", "batch", "epoch")]
    ['patients', 'classes', 'studies', 'batches', 'epochs']
    """
    if noun.endswith(("s", "x", "tch", "sh")):
        return noun + "es"
    if noun.endswith("y") and noun[-2:-1] not in "aeiou":
        return noun[:-1] + "ies"
    return noun + "s"


def listing(items: Sequence[object], limit: int = LISTED) -> str:
    """Return items with commas between, the first `limit` of them, then how many more there are."""
    shown = ", ".join(str(item) for item in items[:limit])
    return shown if len(items) <= limit else f"{shown} and {len(items) - limit} more"
