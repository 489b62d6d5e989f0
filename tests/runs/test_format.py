"""The names of files, and the schemas that they are written in."""

from __future__ import annotations

from pathlib import Path

import pytest

from imbtk.errors import RunFolderError
from imbtk.files import write_json
from imbtk.runs import format as names
from imbtk.runs.format import Document
from imbtk.runs.schemas import schema


def test_a_document_is_stamped_and_read_up_to_its_own_schema(tmp_path: Path) -> None:
    document = Document("thing.json", 2)
    assert document == "thing.json"
    assert document.stamped({"a": 1}) == {"schema_version": 2, "a": 1}
    for version in (1, 2):
        write_json(tmp_path / document, {"schema_version": version})
        assert document.read(tmp_path)["schema_version"] == version
    write_json(tmp_path / document, {"schema_version": 3})
    with pytest.raises(RunFolderError, match=r"thing\.json has schema_version 3; this imbtk reads up to 2"):
        document.read(tmp_path)


def test_no_two_files_have_one_name() -> None:
    found = [str(getattr(names, name)) for name in names.__all__ if name != "Document"]
    assert len(found) == len(set(found))
    assert all(Path(name).name == name and Path(name).suffix for name in found)


def test_metrics_have_a_json_schema_of_their_version() -> None:
    assert schema("metrics")["$id"].endswith(f":{names.METRICS.schema}")
