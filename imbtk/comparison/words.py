"""What a comparison says in words: warnings, interactions, and the protocol as a methods section would have it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from shlex import quote
from typing import Any

import numpy as np

from imbtk.comparison.config import metric_in
from imbtk.comparison.outcomes import JudgedRows
from imbtk.evaluation.levels import FEW_GROUPS
from imbtk.evaluation.metric_table import Metric
from imbtk.wording import join_words, plural, several

__all__ = [
    "headline_sentences",
    "interaction_words",
    "model_commands",
    "p_value",
    "protocol_sentences",
    "row_noun",
    "row_warnings",
    "unit_noun",
]


def p_value(p: float) -> str:
    """Return a p-value with its sign: ``"= 0.031"``, ``"< 0.001"``."""
    return "< 0.001" if p < 0.001 else f"= {p:.3f}" if p < 0.1 else f"= {p:.2f}"


def row_noun(data: Mapping[str, Any]) -> str:
    """Return what a row of the data is called, by the ``data`` of a comparison."""
    return "image" if data["kind"] == "images" else "row"


def unit_noun(document: Mapping[str, Any]) -> str:
    """Return what is resampled: what a group is called, or a row where no groups are known."""
    return str(document["unit"]) if document["data"]["groups"] else row_noun(document["data"])


def row_warnings(rows: JudgedRows, entries: Sequence[Mapping[str, Any]], noun: str = "row") -> list[str]:
    """Return what must be said of the metrics; `noun` is what a row is called."""
    found = []
    if rows.groups is None:
        found.append(
            f"{several(rows.group_name)} are not known: splits, intervals and tests assume that no two {several(noun)} "
            f"come from one {rows.group_name}"
        )
    for k, name in enumerate(rows.class_names):
        where = rows.labels == k
        count = int(where.sum()) if rows.groups is None else len(np.unique(rows.groups[where]))
        if count < FEW_GROUPS:
            of = noun if rows.groups is None else rows.group_name
            found.append(
                f"class '{name}' has {plural(count, of)}, fewer than {FEW_GROUPS}: its intervals are wide, and less "
                "certain than they say"
            )
    for entry in entries:
        if entry["coverage"] < 1:
            found.append(
                f"'{entry['name']}' leaves {1 - entry['coverage']:.1%} of the {several(noun)} open: its "
                "sensitivities and their means are over the others, which flatters it"
            )
    return found


def headline_sentences(document: Mapping[str, Any]) -> list[str]:
    """Return the verdict in sentences: what helps, what hurts, what a mere move of the decision does."""
    rows = [row for row in document["rows"] if row["complete"]]
    plans = [row for row in rows if row["kind"] == "plan"]
    name, unit = document["primary_name"], unit_noun(document)
    sentences = []
    for word, verb in (
        ("better", "is better"),
        ("worse", "is worse"),
        ("equivalent within the margin", "is equivalent"),
    ):
        found = [f"“{row['name']}” ({_gain(document, row)})" for row in plans if row["verdict"] == word]
        if found:
            verb = verb.replace("is", "are") if len(found) > 1 else verb
            sentences.append(
                f"In {name} {join_words(found)} {verb} {'to' if 'equi' in verb else 'than'} doing nothing."
            )
    open_ = [row for row in plans if row["verdict"] == "no evidence of a difference"]
    if open_:
        listed = join_words([f"“{row['name']}”" for row in open_])
        sentences.append(f"For {listed} there is no evidence of a difference to doing nothing.")
    decision = next((row for row in rows if row["kind"] == "decision"), None)
    if decision is not None and decision["difference"]["value"] is not None:
        better = sum(_beats(document, row, decision) for row in plans)
        which = "no plan here has a better value than that"
        if better:
            verb = "has" if better == 1 else "have"
            which = f"{better} of {plural(len(plans), 'plan')} {verb} a better value than that (not tested)"
        sentences.append(
            f"Training nothing else and only moving the decision gives {_gain(document, decision)} "
            f"({decision['verdict']}); "
            f"{which}."
        )
    sentences.append(f"Judged over {several(unit)}, by one test for each plan, adjusted for their number.")
    return sentences


def model_commands(document: Mapping[str, Any], folder: Path) -> list[tuple[str, str]]:
    """Return what trains the model on all rows, as (what, command): of the best plan, and of the decision alone."""
    rows = [row for row in document["rows"] if row["complete"]]
    best = [row for row in rows if row["kind"] == "plan"][:1]
    decision = [row for row in rows if row["kind"] == "decision"]
    found = []
    for row in (*best, *decision):
        verdict = row.get("verdict") or ""
        what = f"the best plan ({verdict})" if row["kind"] == "plan" else f"no strategy, only the decision ({verdict})"
        found.append((what, f"imbtk run --from {quote(str(folder))} --row {quote(row['name'])}"))
    return found


def _gain(document: Mapping[str, Any], row: Mapping[str, Any]) -> str:
    return metric_in(document, document["primary"]).difference(row["difference"]["value"])


def _beats(document: Mapping[str, Any], row: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    first, second = (r["figures"][document["primary"]]["value"] for r in (row, other))
    if first is None or second is None:
        return False
    return bool(first > second if document["higher_is_better"] else first < second)


def interaction_words(entry: Mapping[str, Any], metric: Metric, metric_name: str) -> str:
    """Return what two strategies do together, beside what each does alone, in a sentence.

    Parameters
    ----------
    entry : mapping
        Of ``comparison.json``.
    metric : Metric
        Which the metrics are of.
    metric_name : str
        With the class whose metric it is.
    """
    first, second = entry["parts"]
    sign = 1.0 if metric.higher_is_better else -1.0
    together, alone = entry["together"], entry["alone"]
    best = max(range(2), key=lambda i: sign * alone[i])
    compared = "worse" if sign * together < sign * alone[best] else "better"
    against = f"{compared} than '{(first, second)[best]}' alone ({metric.difference(alone[best])})"
    p = entry["p_holm"]
    if p is None:
        judged = "whether the two simply add up cannot be judged"
    elif p <= 0.05:
        judged = "better" if sign * entry["value"] > 0 else "worse"
        judged = f"that is {judged} than the two alone add up to (p {p_value(p)})"
    else:
        judged = f"no evidence that the two do not simply add up (p {p_value(p)})"
    return f"'{first}' and '{second}' together: {metric.difference(together)} in {metric_name}, {against}; {judged}."


def protocol_sentences(document: Mapping[str, Any]) -> list[str]:
    """Return the protocol in words, for a methods section, one paragraph each."""
    data, options = document["data"], document["protocol"]
    unit, noun, names = unit_noun(document), several(row_noun(data)), data["class_names"]
    counts = join_words([f"{n:,} {name}" for n, name in zip(data["class_counts"], names, strict=True)])
    grouped = f" of {plural(data['groups'], unit)}" if data["groups"] else ""
    repeats = "once" if options["repeats"] == 1 else f"{options['repeats']} times"
    whole = f"whole {several(unit)}" if data["groups"] else noun
    stopped = options["early_stop"] not in (None, "none")
    stop = f"the epoch that was best on validation {noun}" if stopped else "the last epoch's weights"
    shape = data.get("sample_shape")
    size = f" on images of {shape[1]} × {shape[2]} pixels" if shape and data["kind"] == "images" else ""
    tested = "the difference of all its repeats" if options["repeats"] > 1 else "the difference"
    sentences = [
        f"Data. {data['rows']:,} {noun}{grouped} in {plural(len(names), 'class')}: {counts}.",
        f"Splits. {whole.capitalize()} were dealt into {options['folds']} stratified folds, {repeats}, so that every "
        "class stands in every fold; each fold was the test side once. Of the others, one part in five was for "
        "validation: the calibration was fitted there, and so are the thresholds of plans that have any (out-of-fold "
        f"thresholds would cost another training for each other fold); test {noun} were read once. "
        "All plans saw the same splits, the same initial weights and the same schedule of epochs "
        f"(seed {options['seed']}).",
        f"Training. {options['model']}{size}, {options['epochs']} epochs of {options['optimizer']} "
        f"(learning rate {options['lr']:g}, weight decay {options['weight_decay']:g}, {options['schedule']} schedule, "
        f"batch {options['batch_size']}), {stop}.",
        "The baseline has no strategy. “Nothing, with the decision moved” is the same networks with another decision: "
        "the "
        "class with the largest calibrated probability divided by its class frequency.",
        "Metrics. Sensitivities, accuracy, balanced accuracy, G-mean, macro F1 and MCC were computed for each repeat "
        "over its "
        "pooled out-of-fold predictions and averaged over repeats; AUROC, AUPRC, log-loss and Brier score in each "
        "fold, "
        "then averaged.",
        f"Intervals are at 95 % over {several(unit)}, each with all its repeats, given these trained models: for "
        f"sensitivities Clopper–Pearson on the effective number of {noun} (Korn and Graubard 1998), for all other "
        f"metrics and for paired differences a bootstrap of {several(unit)} stratified by class (Rao and Wu 1988) with "
        "Student's t.",
        f"Test. One metric, {document['primary_name']}, was tested once for each plan against the baseline, "
        "two-sided, by a "
        f"permutation test that swaps the two plans' names {unit} by {unit} ({tested} changes its sign), with Holm's "
        "adjustment over all rows. Interactions of pairs are a family of their own. The corrected resampled t-test "
        "(Nadeau and Bengio 2003)"
        + (
            " and McNemar's exact test are given as secondary and decide nothing."
            if not data["groups"] and options["repeats"] == 1
            else " is given as secondary and decides nothing."
        ),
    ]
    if document["margin"] is not None:
        sentences.append(
            f"Equivalence. Two one-sided t-tests of the paired difference against a margin of {document['margin']:g}, "
            "with "
            "Holm's adjustment."
        )
    return sentences
