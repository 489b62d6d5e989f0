"""The data, the audit, the split and its leaks."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from imbtk.report.blocks import Banner, Details, Table, Text
from imbtk.report.data_sections import data_name, data_section, split_section
from imbtk.runs.reading import read_run


def banners(section: object) -> list[Banner]:
    return [block for block in section.blocks if isinstance(block, Banner)]  # type: ignore[attr-defined]


def test_no_leak_is_said_and_counted(make_run: Callable[..., Path]) -> None:
    record = read_run(make_run(rows=300, patients=60))
    (banner,) = banners(split_section(record))
    groups = {row["group"] for row in record.split}
    assert banner.level == "ok"
    assert banner.text == f"All {len(groups)} patients were looked at: none is on two sides of the split."


def test_a_leak_is_found_in_the_split_itself(make_run: Callable[..., Path]) -> None:
    folder = make_run(rows=300, patients=60)
    lines = (folder / "split.csv").read_text().splitlines()
    first = lines[1].split(",")
    lines.append(",".join(["300", "x.png", first[2], first[3], "test"]))
    (folder / "split.csv").write_text("\n".join(lines))
    (banner,) = banners(split_section(read_run(folder)))
    assert (banner.level, banner.title) == ("error", "The split leaks")
    assert banner.text.startswith("1 patient of ")
    assert first[3] in banner.text


def test_unknown_patients_are_said(make_run: Callable[..., Path]) -> None:
    (banner,) = banners(split_section(read_run(make_run(rows=60))))
    assert (banner.level, banner.title) == ("warning", "Patients unknown")
    assert "assume that no two images come from one patient" in banner.text


def test_split_table_counts_rows_and_patients(make_run: Callable[..., Path]) -> None:
    folder = make_run(classes=["a", "b"], rows=200, patients=40)
    with (folder / "split.csv").open("a") as file:
        file.write("200,x.png,a,,dropped\n")
    record = read_run(folder)
    section = split_section(record)
    (table,) = [block for block in section.blocks if isinstance(block, Table)]
    train_a = [r for r in record.split if r["split"] == "train" and r["label"] == "a"]
    assert table.rows[0][1].text == str(len(train_a))
    assert table.rows[0][1].sub.endswith(f"· {len({r['group'] for r in train_a})} patients")
    assert [cell.text for cell in table.rows[-1]] == ["all classes", "80", "40", "80"]
    assert Text("1 image left out: on no side of the split.", "quiet") in section.blocks


def test_audit_findings_keep_their_level_and_table(make_run: Callable[..., Path]) -> None:
    folder = make_run(rows=60)
    findings = [
        {"title": "Leak", "level": "error", "text": "patient 13412", "table": [["class", "n"], ["a", 3]]},
        {"title": "Sizes", "level": "odd", "text": "Sizes", "table": [{"size": "8x8", "share": 0.25, "all": True}]},
        {"title": "Fine", "level": "ok", "text": "yes", "table": {"columns": ["x"], "rows": [[None]]}},
    ]
    (folder / "audit.json").write_text(json.dumps(findings))
    section = data_section(read_run(folder))
    assert [(b.level, b.title, b.text) for b in banners(section)] == [
        ("error", "Leak", "patient 13412"),
        ("note", "Sizes", ""),
        ("ok", "Fine", "yes"),
    ]
    tables = [b.blocks[0] for b in section.blocks if isinstance(b, Details)]
    assert [[cell.text for cell in t.rows[0]] for t in tables if isinstance(t, Table)] == [
        ["a", "3"],
        ["8x8", "0.25", "yes"],
        ["–"],
    ]


def test_no_audit_is_said(make_run: Callable[..., Path]) -> None:
    texts = [b.text for b in data_section(read_run(make_run(rows=60))).blocks if isinstance(b, Text)]
    assert any("The data were not audited" in text for text in texts)


def test_data_are_called_by_the_last_part_of_their_path(make_run: Callable[..., Path]) -> None:
    folder = make_run(rows=60)
    for given, name in (("/a/b/c/", "c"), ("builtin:digits", "builtin:digits"), ("C:\\\\x\\\\y.csv", "y.csv")):
        (folder / "config.toml").write_text(f'data = "{given}"\n')
        assert data_name(read_run(folder)) == name
    (folder / "config.toml").write_text("seed = 1\n")
    assert data_name(read_run(folder)) == "data given as arrays"
