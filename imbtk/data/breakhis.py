"""What the file names of BreakHis say: class, tumour type, patient, magnification.

References
----------
Spanhol, Oliveira, Petitjean & Heutte 2016, "A dataset for breast cancer histopathological image classification", IEEE
Transactions on Biomedical Engineering 63(7). Name format: ``SOB_M_DC-14-17614-200-001.png``.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePath

__all__ = ["TUMOR_TYPES", "BreakHisName", "class_labels", "parse_all", "parse_name"]

TUMOR_TYPES = {
    "A": "adenosis",
    "F": "fibroadenoma",
    "PT": "phyllodes_tumor",
    "TA": "tubular_adenoma",
    "DC": "ductal_carcinoma",
    "LC": "lobular_carcinoma",
    "MC": "mucinous_carcinoma",
    "PC": "papillary_carcinoma",
}
"""Tumour codes of the names, benign ones first."""

# Year and slide letters vary: patient 190EF has year 15 where all others have 14.
_NAME = re.compile(
    r"(?:SOB|CNB)_(?P<tumor_class>[BM])_(?P<code>A|F|PT|TA|DC|LC|MC|PC)-(?P<year>\d{2})-"
    r"(?P<patient>\d+)(?P<letters>[A-Z]*)-(?P<magnification>\d+)-(?P<sequence>\d+)",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class BreakHisName:
    """A BreakHis file name, taken apart.

    Attributes
    ----------
    tumor_class : "benign" or "malignant"
    tumor_code, tumor_type : str
        ``"DC"``, ``"ductal_carcinoma"``.
    slide : str
        The id with its letters: ``"190EF"``.
    patient : str
        The digits of the id. Ids that differ in the letters only are slides of one patient, and one patient may stand
        in two tumour types (13412 in DC and LC), so neither letters nor type belong to it.
    magnification : int
    sequence : int
    """

    tumor_class: str
    tumor_code: str
    tumor_type: str
    slide: str
    patient: str
    magnification: int
    sequence: int

    def column(self, name: str) -> str | None:
        """Return what a filter ``name=value`` compares with, None if there is no such column."""
        columns = {
            "class": self.tumor_class,
            "label": self.tumor_class,
            "magnification": str(self.magnification),
            "patient": self.patient,
            "tumor_code": self.tumor_code,
            "tumor_type": self.tumor_type,
        }
        return columns.get(name)


COLUMNS = ("class", "magnification", "patient", "tumor_code", "tumor_type")
"""What can be filtered by, beside ``label``."""


def parse_name(path: str) -> BreakHisName | None:
    """Return what the name says, None if it is no BreakHis name.

    Examples
    --------
    >>> parse_name("benign/SOB_B_A-14-29960CD-200-007.png").patient
    '29960'
    """
    match = _NAME.fullmatch(PurePath(path).stem)
    if match is None:
        return None
    code = match["code"].upper()
    return BreakHisName(
        tumor_class="benign" if match["tumor_class"].upper() == "B" else "malignant",
        tumor_code=code,
        tumor_type=TUMOR_TYPES[code],
        slide=(match["patient"] + match["letters"]).upper(),
        patient=match["patient"],
        magnification=int(match["magnification"]),
        sequence=int(match["sequence"]),
    )


def parse_all(paths: Sequence[str]) -> list[BreakHisName] | None:
    """Return what all names say, None unless every one is a BreakHis name."""
    names = []
    for path in paths:
        name = parse_name(path)
        if name is None:
            return None
        names.append(name)
    return names or None


def class_labels(names: Sequence[BreakHisName], folders: Sequence[str | None]) -> list[str]:
    """Return the class of each file of a BreakHis tree, original, sorted anew or flattened.

    Parameters
    ----------
    names : sequence of BreakHisName
    folders : sequence of str or None
        The first folder that each file lies in.

    Notes
    -----
    A first level that stands for class or tumour type, one folder each, is what the user means. Any other first level
    (magnifications, patients, the ``histology_slides`` of the original tree) is not: then the name says the class, and
    where all files are of one class, the tumour type.
    """
    classes = [name.tumor_class for name in names]
    types = [name.tumor_type for name in names]
    if None not in folders and len(set(folders)) > 1:
        for said in (classes, types):
            pairs = set(zip(folders, said, strict=True))
            if len(pairs) == len(set(folders)) == len(set(said)):
                return [str(folder) for folder in folders]
    return classes if len(set(classes)) > 1 else types
