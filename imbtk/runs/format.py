"""Every file of a run's folder and of a comparison's: what it is called, and the schema that it is written in."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from imbtk.files import read_versioned

__all__ = [
    "AUDIT",
    "CALIBRATION",
    "COMPARISON",
    "CONFIG",
    "DECISION",
    "ENVIRONMENT",
    "EVALUATION",
    "GALLERY",
    "HISTORY",
    "LOG",
    "LOGITS",
    "METRICS",
    "PLAN",
    "PREDICTIONS",
    "PROTOCOL",
    "REPORT",
    "SECTIONS",
    "SEEN",
    "SPEED",
    "SPLIT",
    "Document",
]


class Document(str):
    """The name of a JSON file, with the newest schema of it that this imbtk writes and reads.

    Attributes
    ----------
    schema : int
    """

    schema: int

    def __new__(cls, name: str, schema: int) -> Self:
        """Make a name that knows its schema."""
        document = super().__new__(cls, name)
        document.schema = schema
        return document

    def stamped(self, content: Mapping[str, Any]) -> dict[str, Any]:
        """Return the content with the version of its schema, as the file has it."""
        return {"schema_version": self.schema, **content}

    def read(self, folder: Path) -> dict[str, Any]:
        """Return what the file holds in a folder.

        Raises
        ------
        RunFolderError
            If it cannot be read, does not say its schema, or a newer imbtk wrote it.
        """
        return read_versioned(folder / self, self.schema)


CONFIG = "config.toml"
ENVIRONMENT = "environment.json"
AUDIT = "audit.json"
PLAN = Document("plan.json", 1)
SPLIT = "split.csv"
SEEN = "seen.npz"
LOG = "log.txt"
HISTORY = "history.csv"
CALIBRATION = Document("calibration.json", 2)
DECISION = Document("decision.json", 2)
METRICS = Document("metrics.json", 2)
PREDICTIONS = "predictions.csv"
LOGITS = "logits.npz"
"""In a cell of a comparison: which rows of the data are the test side, and what the network says of them."""
GALLERY = "gallery.npz"
SECTIONS = Document("sections.json", 1)
REPORT = "report.html"
EVALUATION = Document("evaluation.json", 1)
"""Of an external validation, beside its metrics and predictions."""
PROTOCOL = Document("protocol.json", 1)
COMPARISON = Document("comparison.json", 1)
SPEED = "speed.json"
"""These three of a comparison."""
