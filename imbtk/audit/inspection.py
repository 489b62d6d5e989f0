"""Every question that is asked of data, in the order of the page."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from imbtk.audit.classes import class_findings
from imbtk.audit.colour import colour_findings
from imbtk.audit.content import column_findings, domain_findings, reading_findings
from imbtk.audit.duplicates import copy_findings
from imbtk.audit.files import broken_finding, broken_findings, file_findings
from imbtk.audit.findings import Audit, Finding
from imbtk.audit.given_split import split_findings
from imbtk.audit.groups import group_findings
from imbtk.audit.sample_size import prospect_findings
from imbtk.audit.subject import AuditedData, given_split
from imbtk.authoring.context import Split
from imbtk.console.progress import RunProgress
from imbtk.data import load
from imbtk.data.dataset import Dataset
from imbtk.data.faults import Faults
from imbtk.data.options import DataOptions
from imbtk.data.store import Progress
from imbtk.errors import DataError, OptionError, did_you_mean
from imbtk.planning.config import RunConfig, make_config
from imbtk.planning.reading import make_catalogue, offered_sources

__all__ = ["OPTIONS", "check", "quick_audit"]

OPTIONS = (*DataOptions.model_fields, "data", "plugins", "without")
"""Fields of :class:`imbtk.planning.config.RunConfig` that an audit takes."""

_QUESTIONS: tuple[Callable[[AuditedData], list[Finding]], ...] = (
    broken_findings,
    file_findings,
    reading_findings,
    class_findings,
    group_findings,
    split_findings,
    copy_findings,
    column_findings,
    domain_findings,
    colour_findings,
    prospect_findings,
)


def check(data: Any = None, *, quiet: bool = False, config: RunConfig | None = None, **options: Any) -> Audit:
    """Look for what would spoil results on these data, before anything is trained.

    Parameters
    ----------
    data : path, str, tuple, DataFrame or Dataset
        Whatever :func:`imbtk.run` takes.
    quiet : bool
        Show no progress.
    config : RunConfig, optional
        Options made before; `options` go on top.
    **options
        Those of :data:`OPTIONS`: ``group_pattern="^([^/]+)/"``, ``split_column="fold1"``.

    Returns
    -------
    Audit
        With ``.findings``, ``.failed``, ``.to_json()``; printed and in a notebook it is a page.

    Raises
    ------
    DataError
        If nothing can be read. Broken files and contradicting labels are findings.
    OptionError
        If an option is not one of data.

    Examples
    --------
    >>> audit = check("builtin:breast-cancer", quiet=True)
    >>> audit.failed, audit.named("classes").title
    (False, 'Imbalance factor 1.7')
    """
    for name in options:
        if name not in OPTIONS:
            known = did_you_mean(name, OPTIONS)
            raise OptionError(f"option '{name}' says nothing about data, which is all that is checked.{known}")
    base = config.model_dump(exclude_unset=True) if config is not None else {}
    resolved = make_config({**base, **options})
    with RunProgress(quiet) as progress:
        return _audit(data, resolved, progress.on_data)


def _audit(data: Any, config: RunConfig, progress: Progress) -> Audit:
    source = config.data if data is None else data
    if source is None:
        raise OptionError("no data are given. Give a path, or builtin:digits to try imbtk out.")
    faults = Faults()
    try:
        dataset = _read(source, config, faults, progress)
    except DataError as error:
        if not faults.broken:
            raise
        name = str(source) if isinstance(source, (str, Path)) else type(source).__name__
        return _of_the_rest(name, faults, error)
    subject = AuditedData(dataset, given_split(dataset), faults, progress=progress)
    findings = tuple(finding for ask in _QUESTIONS for finding in ask(subject))
    return Audit(dataset.name, _facts(subject), findings)


def _read(source: Any, config: RunConfig, faults: Faults, progress: Progress) -> Dataset:
    if isinstance(source, Dataset):
        return source
    catalogue = make_catalogue(config)
    sources = offered_sources(catalogue)
    return load(source, config.tolerating(faults), sources=sources, progress=progress)


def _of_the_rest(name: str, faults: Faults, error: DataError) -> Audit:
    """Return the audit of data of which, without the broken files, not enough is left."""
    rest = Finding("rest", "What is left is no data set", "error", str(error))
    return Audit(name, {"broken_files": len(faults.broken)}, (broken_finding(faults.broken), rest))


def _facts(subject: AuditedData) -> dict[str, Any]:
    dataset = subject.dataset
    return {
        "kind": dataset.kind,
        "rows": len(dataset),
        "class_names": list(dataset.class_names),
        "class_counts": dataset.class_counts.tolist(),
        "groups": None if subject.groups is None else len(set(subject.groups.tolist())),
        "broken_files": len(subject.faults.broken),
    }


def quick_audit(dataset: Dataset, split: Split | None = None) -> list[dict[str, Any]]:
    """Return the findings that every run keeps as ``audit.json``: what a few seconds can find.

    File headers are not read and the colour model sees fewer images; all else is as in :func:`check`.

    Parameters
    ----------
    dataset : Dataset
    split : Split, optional
        The split of the run; the data's own unless given.
    """
    subject = AuditedData(dataset, split or given_split(dataset), thorough=False)
    return [finding.to_json() for ask in _QUESTIONS for finding in ask(subject)]
