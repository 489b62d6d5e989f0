"""Tests of what an audit is made of."""

from __future__ import annotations

import json

import pytest

from imbtk.audit.findings import Audit, Finding, FindingTable, first_rows

NOTE = Finding("classes", "Two classes", "note", "As it is.", FindingTable(("class", "rows"), (("a", 3), ("b", None))))
ERROR = Finding("leak", "It leaks", "error", "Mend it.")


def test_an_audit_fails_by_an_error_alone() -> None:
    assert not Audit("data", {}, (NOTE, Finding("x", "x", "warning", "x"))).failed
    assert Audit("data", {}, (NOTE, ERROR)).failed


def test_json_is_plain() -> None:
    document = json.loads(json.dumps(Audit("data", {"rows": 3}, (NOTE, ERROR)).to_json()))
    assert document["failed"] is True
    assert (document["schema_version"], document["data"], document["rows"]) == (1, "data", 3)
    assert document["findings"][0]["table"] == {"columns": ["class", "rows"], "rows": [["a", 3], ["b", None]]}
    assert document["findings"][1] == {
        "name": "leak", "title": "It leaks", "level": "error", "text": "Mend it.", "table": None,
    }  # fmt: skip


def test_a_finding_is_found_by_its_name() -> None:
    audit = Audit("data", {}, (NOTE, ERROR))
    assert audit.named("leak") is ERROR
    with pytest.raises(KeyError, match="no-such"):
        audit.named("no-such")


def test_tables_are_cut_off() -> None:
    rows = [(n,) for n in range(60)]
    table = first_rows(rows, ["n"])
    assert table is not None
    assert len(table.rows) == 50
    assert first_rows([], ["n"]) is None
