"""``imbtk plugins`` and ``imbtk plugins check``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from imbtk.cli.program import program
from imbtk.scaffold import example

BROKEN = '''
import torch
from imbtk import Strategy, hookimpl, option

class Lopsided(Strategy):
    """The first class counts double."""

    power: float = option(1.0, "Exponent.", ge=0)
    unchecked = {"pickles": "for a test"}

    @hookimpl
    def imbtk_class_weights(self, context):
        return torch.tensor([2.0] + [1.0] * (context.num_classes - 1))
'''


@pytest.fixture(autouse=True)
def nothing_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IMBTK_PLUGINS", "none")


@pytest.fixture
def files(tmp_path: Path) -> dict[str, str]:
    texts = {"good": example("imbtk_class_weights"), "broken": BROKEN, "models": (
        "from imbtk import hookimpl\nimbtk_api = 1\n\n@hookimpl\ndef imbtk_models():\n    return {}\n"
    )}  # fmt: skip
    for name, text in texts.items():
        (tmp_path / f"{name}.py").write_text(text)
    return {name: str(tmp_path / f"{name}.py") for name in texts}


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(program, ["plugins", *arguments], standalone_mode=False)


def test_plugins_are_listed(files: dict[str, str]) -> None:
    text = invoke("--plugin", files["good"], "--plugin", files["models"]).output
    assert "good  " in text
    assert "sha256:" in text
    assert "strategy sqrt-weights: imbtk_class_weights" in text
    assert "answers imbtk_models" in text
    assert "API 1" in text
    assert "No plugin is installed, or all are switched off (IMBTK_PLUGINS)." in invoke().output


def test_plugins_as_json(files: dict[str, str]) -> None:
    (entry,) = json.loads(invoke("--json", "--plugin", files["good"]).output)
    assert entry["name"] == "good"
    assert entry["file"] == files["good"]
    assert entry["version"].startswith("sha256:")
    assert (entry["strategies"], entry["hooks"]) == ({"sqrt-weights": ["imbtk_class_weights"]}, [])
    assert (entry["api"], entry["error"], entry["also_offered_by"]) == (1, None, {})


def test_a_name_that_two_offer(files: dict[str, str], tmp_path: Path) -> None:
    again = tmp_path / "again.py"
    again.write_text(Path(files["good"]).read_text() + "\n")
    text = invoke("--plugin", files["good"], "--plugin", str(again)).output
    assert "also offered by" in text
    assert "leave one out with --without" in text


def test_a_failed_plugin_is_listed_with_its_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    site = tmp_path / "site"
    info = site / "acme_imb-1.2.dist-info"
    info.mkdir(parents=True)
    (site / "acme_imb.py").write_text("import nothing_of_that_name")
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-imb\nVersion: 1.2\n")
    (info / "entry_points.txt").write_text("[imbtk]\nacme = acme_imb\n")
    monkeypatch.syspath_prepend(site)
    monkeypatch.setenv("IMBTK_PLUGINS", "acme")
    result = invoke()
    assert result.exit_code == 0
    assert "acme  acme-imb 1.2" in result.output
    assert "cannot be used: plugin 'acme' (acme-imb 1.2) cannot be imported" in " ".join(result.output.split())
    (entry,) = json.loads(invoke("--json").output)
    assert "ModuleNotFoundError" in entry["error"]
    assert entry["api"] is None


def test_a_sound_strategy_is_checked(files: dict[str, str]) -> None:
    result = invoke("check", "sqrt-weights:power=1.0", "--plugin", files["good"])
    assert result.return_value is None or result.return_value == 0
    assert result.output.startswith("sqrt-weights:power=1.0\n  held      exceptions-declared\n")
    assert "held      weights-result" in result.output
    assert ", 0 failed" in result.output


def test_a_broken_strategy_ends_with_exit_code_1(files: dict[str, str]) -> None:
    result = CliRunner().invoke(program, ["plugins", "check", "lopsided", "--plugin", files["broken"]])
    assert result.exit_code == 1
    assert "failed    classes-permute" in result.output
    assert "failed    options-read" in result.output
    assert "strategy 'lopsided' fails the check 'classes-permute': imbtk_class_weights gives another" in result.output
    assert "excepted  pickles\n            for a test" in result.output
    assert "2 failed, 1 excepted" in result.output
    listed = json.loads(
        CliRunner().invoke(program, ["plugins", "check", "lopsided", "--json", "--plugin", files["broken"]]).output
    )
    assert {"check": "pickles", "outcome": "excepted", "reason": "for a test"} in listed["lopsided"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("check", "sqrt-weight", "--plugin", "good"), "Did you mean 'sqrt-weights'"),
        (("check", "models", "--plugin", "models"), "offers no strategy to check"),
        (
            ("--plugin", "good", "check", "sqrt-weights"),
            "options go behind it: imbtk plugins check NAME --plugin FILE.py",
        ),
        (("check", "sqrt-weights:power=-1", "--plugin", "good"), "option 'power' of strategy 'sqrt-weights'"),
    ],
)
def test_what_cannot_be_checked(arguments: tuple[str, ...], message: str, files: dict[str, str]) -> None:
    result = CliRunner().invoke(program, ["plugins", *(files.get(a, a) if a != "models" else a for a in arguments)])
    if arguments[1] == "models":
        result = CliRunner().invoke(program, ["plugins", "check", "models", "--plugin", files["models"]])
    assert result.exit_code == 2
    assert message in result.output


def test_all_strategies_of_a_plugin_are_checked(files: dict[str, str], tmp_path: Path) -> None:
    both = tmp_path / "both.py"
    text = Path(files["good"]).read_text()
    both.write_text(text + text[text.index("\nclass ") :].replace("SqrtWeights", "OtherWeights"))
    result = invoke("check", "both", "--plugin", str(both))
    assert "sqrt-weights\n" in result.output
    assert "other-weights\n" in result.output
