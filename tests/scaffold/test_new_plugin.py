"""A new plugin passes its own tests as written, for every hook, and is found once it is installed."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from imbtk import Strategy
from imbtk.authoring.hookspecs import strategy_hooks
from imbtk.discovery.catalogue import Catalogue
from imbtk.errors import PluginError
from imbtk.scaffold import example, new_plugin, short_name
from imbtk.testing import check_strategy

HOOKS = [hook.name for hook in strategy_hooks(lasting=True)]
WITH = {"imbtk_partner": ["imbtk_mix"]}
"""Hooks whose example would do nothing by itself, and what it answers as well."""
EMPTY = Catalogue(points=[])


def run(*command: str, path: list[Path], cwd: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join([*map(str, path), *sys.path])}
    return subprocess.run(
        [sys.executable, *command], cwd=cwd, env=environment, capture_output=True, text=True, check=False
    )


def loaded(path: Path, name: str) -> type:
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return next(v for v in vars(module).values() if isinstance(v, type) and v.__module__ == name)


def examples() -> Iterator[type[Strategy]]:
    for hook in HOOKS:
        yield loaded(
            Path(sys.modules["imbtk.scaffold"].__file__ or "").parent / "hooks" / f"{hook.removeprefix('imbtk_')}.py",
            f"scaffold_example_{hook}",
        )


@pytest.mark.parametrize("strategy", list(examples()), ids=lambda cls: cls.name)
def test_the_example_of_a_hook_holds_the_conformance_kit(strategy: type[Strategy]) -> None:
    """Every check at once: a failure names each that does not hold."""
    check_strategy(strategy)


@pytest.mark.parametrize("hook", HOOKS)
def test_the_example_of_a_hook_answers_it_and_no_other(hook: str) -> None:
    cls = sys.modules[f"scaffold_example_{hook}"]
    (strategy,) = [v for v in vars(cls).values() if isinstance(v, type) and v.__module__ == cls.__name__]
    assert [h.name for h in strategy.hooks()] == [hook, *WITH.get(hook, [])]
    assert len(example(hook).splitlines()) < 40


def test_options_of_all_examples_can_stand_in_one_class() -> None:
    options = [name for cls in examples() for name in cls.model_fields]
    # A mix stands in two examples, of which one is taken.
    assert len(options) == len(set(options))


@pytest.mark.slow
def test_packages_for_each_hook_and_for_all_of_them_pass_their_own_tests(tmp_path: Path) -> None:
    folders = [new_plugin(f"try-{short_name(hook)}", [hook], tmp_path, EMPTY) for hook in HOOKS]
    folders.append(new_plugin("all-of-it", [short_name(hook) for hook in HOOKS], tmp_path, EMPTY))
    # One interpreter for all, and no page drawn: that is nine tenths of such a run, and the installed package below
    # has its page and makes the kit, as do the examples above.
    (tmp_path / "no_page.py").write_text("import imbtk.pipeline.results as f\nf.make_report = lambda folder: None\n")
    done = run(
        "-m", "pytest", "-q", "-rs", "--import-mode=importlib", "-p", "no:cacheprovider", "-p", "no_page",
        "-k", "takes_part or found",
        *(str(folder / "tests") for folder in folders),
        path=[tmp_path, *(folder / "src" for folder in folders)], cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(folders)} passed, {len(folders)} skipped" in done.stdout
    assert "not installed yet: pip install -e ." in done.stdout


@pytest.mark.slow
def test_a_package_is_found_after_installing_it(tmp_path: Path) -> None:
    folder = new_plugin("margin-loss", ["criterion"], tmp_path, EMPTY)
    site = tmp_path / "site"
    install = ["-m", "pip", "install", "-q", "--no-deps", "--no-build-isolation", "--disable-pip-version-check"]
    done = run(*install, "--target", str(site), str(folder), path=[], cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    listed = run("-m", "imbtk", "plugins", "--json", path=[site], cwd=tmp_path)
    assert '"distribution": "imbtk-margin-loss"' in listed.stdout, listed.stderr
    checked = run("-m", "pytest", "-q", "-p", "no:cacheprovider", path=[site], cwd=folder)
    assert checked.returncode == 0, checked.stdout
    assert "skipped" not in checked.stdout
    with pytest.raises(PluginError, match=r"'.*imbtk-margin-loss' exists already, and nothing is overwritten"):
        new_plugin("margin-loss", ["criterion"], tmp_path, EMPTY)


@pytest.mark.slow
def test_a_package_can_be_installed_editable(tmp_path: Path) -> None:
    """As the package's README says, and with what the extra `test` of imbtk brings: nothing is fetched."""
    folder = new_plugin("margin-loss", ["criterion"], tmp_path, EMPTY)
    build = f"import hatchling.build; print(hatchling.build.build_editable({str(tmp_path)!r}))"
    made = run("-c", build, path=[], cwd=folder)
    assert made.returncode == 0, made.stderr
    site = tmp_path / "site"
    wheel = str(tmp_path / made.stdout.split()[-1])
    install = ["-m", "pip", "install", "-q", "--no-deps", "--no-index", "--disable-pip-version-check"]
    done = run(*install, "--target", str(site), wheel, path=[], cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    look = f"import site; site.addsitedir({str(site)!r}); import imbtk_margin_loss; print(imbtk_margin_loss.__file__)"
    assert str(folder / "src") in run("-c", look, path=[], cwd=tmp_path).stdout


def test_what_packages_are_built_with_comes_with_the_tests() -> None:
    settings = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8"))
    extra = {re.split(r"[^\w-]", line)[0] for line in settings["project"]["optional-dependencies"]["test"]}
    assert {"hatchling", "editables", "pytest"} <= extra


def test_what_is_written(tmp_path: Path) -> None:
    folder = new_plugin("margin-loss", ["criterion", "imbtk_class_weights"], tmp_path, EMPTY)
    assert folder == tmp_path / "imbtk-margin-loss"
    written = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    assert written == [
        ".github/workflows/tests.yml",
        ".gitignore",
        "README.md",
        "pyproject.toml",
        "src/imbtk_margin_loss/__init__.py",
        "src/imbtk_margin_loss/margin_loss.py",
        "src/imbtk_margin_loss/py.typed",
        "tests/test_margin_loss.py",
    ]
    assert 'margin-loss = "imbtk_margin_loss.margin_loss"' in (folder / "pyproject.toml").read_text()
    text = (folder / "src/imbtk_margin_loss/margin_loss.py").read_text()
    assert "class MarginLoss(Strategy):" in text
    assert [text.count(name) for name in ("def imbtk_criterion", "def imbtk_class_weights", "import torch")] == [
        1,
        1,
        1,
    ]
    assert "@" not in "".join((folder / name).read_text() for name in ("README.md", "pyproject.toml"))
    assert list(tmp_path.iterdir()) == [folder]


def test_a_name_that_does_not_follow_from_the_class_is_said(tmp_path: Path) -> None:
    folder = new_plugin("try-a-b", ["criterion"], tmp_path, EMPTY)
    cls = loaded(folder / "src" / "imbtk_try_a_b" / "try_a_b.py", "scaffold_named")
    assert cls.name == "try-a-b"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("2fast", r"'2fast' is no name for a strategy: .* 'fast' would do"),
        ("MarginLoss", r"'margin-loss' would do"),
        ("a b", r"'a-b' would do"),
        ("", r"'' is no name for a strategy"),
        ("class", r"'class' is a word of Python"),
        ("scaffolding", r"a package 'imbtk_scaffolding' is installed already"),
    ],
)
def test_a_name_that_will_not_do(name: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "path" / "imbtk_scaffolding").mkdir(parents=True)
    (tmp_path / "path" / "imbtk_scaffolding" / "__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path / "path")
    with pytest.raises(PluginError, match=message):
        new_plugin(name, [], tmp_path / "new", EMPTY)
    assert not (tmp_path / "new").exists()


def test_a_name_that_is_taken(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(example("imbtk_class_weights"))
    catalogue = Catalogue(files=[tmp_path / "mine.py"], points=[])
    with pytest.raises(PluginError, match=r"the name 'sqrt-weights' is taken: .*mine.py sha256:.* offers a strategy"):
        new_plugin("sqrt-weights", [], tmp_path, catalogue)


def test_hooks_that_there_are_not(tmp_path: Path) -> None:
    with pytest.raises(PluginError, match=r"unknown hook 'critrion'\. Did you mean 'criterion'"):
        new_plugin("mine", ["critrion"], tmp_path, EMPTY)
    with pytest.raises(PluginError, match=r"'models' is answered by a plugin module, not by a strategy"):
        new_plugin("mine", ["models"], tmp_path, EMPTY)
    with pytest.raises(PluginError, match=r"'refit' goes with the next release: take 'finish'"):
        new_plugin("mine", ["refit"], tmp_path, EMPTY)


def test_a_folder_that_cannot_be_written_is_told_and_nothing_is_left(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(PluginError, match=r"cannot be written: Not a directory"):
        new_plugin("mine", [], tmp_path / "file", EMPTY)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
