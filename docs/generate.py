"""Write the reference pages from the code, and the table of strategies in the README.

``python docs/generate.py`` writes; ``--check`` writes nothing, names what has drifted and ends with exit code 1.
"""

from __future__ import annotations

import argparse
import inspect
import re
import sys
import tomllib
from collections.abc import Sequence
from importlib.metadata import EntryPoint
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# This checkout is documented, not another copy that may be installed.
sys.path[:0] = [str(ROOT), str(ROOT / "plugins")]

import click  # noqa: E402

from imbtk.authoring import hookspecs  # noqa: E402
from imbtk.cli.flags import ARGUMENTS, OTHER, SECTIONS, flag_name  # noqa: E402
from imbtk.cli.program import COMMANDS, program  # noqa: E402
from imbtk.discovery.catalogue import Catalogue  # noqa: E402
from imbtk.discovery.describe import OptionDescription, StrategyDescription, describe, describe_options  # noqa: E402
from imbtk.discovery.docstrings import Entry, parse_blocks, parse_docstring, parse_entries  # noqa: E402
from imbtk.planning.config import RunConfig  # noqa: E402

MARKERS = ("<!-- strategies -->", "<!-- /strategies -->")
NOTE = "<!-- Written by docs/generate.py: change the docstrings and options in the code, not this page. -->\n"
README = "# imbtk\n\n" + "\n".join(MARKERS) + "\n"


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the pages, or check them; return the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--check", action="store_true", help="write nothing; exit code 1 if a page has drifted")
    check = parser.parse_args(arguments).check
    drifted = []
    for path, text in pages(ROOT).items():
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            drifted.append(path.relative_to(ROOT).as_posix())
            if not check:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text, encoding="utf-8")
    if drifted:
        print(("drifted, run 'python docs/generate.py': " if check else "written: ") + ", ".join(drifted))
    return 1 if check and drifted else 0


def pages(root: Path) -> dict[Path, str]:
    """Return what each generated file is to hold."""
    strategies = first_party(root / "pyproject.toml")
    reference = root / "docs" / "reference"
    readme = root / "README.md"
    before = (readme.read_text(encoding="utf-8") if readme.is_file() else "") or README
    return {
        reference / "strategies.md": strategies_page(strategies),
        reference / "hooks.md": hooks_page(),
        reference / "cli.md": cli_page(),
        reference / "config.md": config_page(),
        readme: with_table(before, families_table(strategies, "docs/reference/strategies.md")),
    }


def first_party(pyproject: Path) -> list[StrategyDescription]:
    """Return the strategies of this project's entry points, by name, whether it is installed or not.

    Raises
    ------
    ImbtkError
        If one of them cannot be imported.
    """
    declared = tomllib.loads(pyproject.read_text(encoding="utf-8"))["project"]["entry-points"]["imbtk"]
    catalogue = Catalogue(points=[EntryPoint(name, value, "imbtk") for name, value in declared.items()])
    for plugin in catalogue.plugins():
        if plugin.error:
            raise plugin.error
    return [describe(cls) for cls, _ in catalogue.strategies().values()]


# Pages -----------------------------------------------------------------------------------------------------------


def strategies_page(strategies: list[StrategyDescription]) -> str:
    """Return the page of all first-party strategies."""
    intro = (
        "# Strategies\n\n"
        f"{NOTE}\n"
        "Each is switched on by `-s NAME[:option=value,…][@from-to]`; `imbtk strategies NAME` shows the same on a "
        "terminal. Plans of several under one name: `imbtk plans`.\n\n"
    )
    parts = [intro + families_table(strategies, "")]
    for family, members in by_family(strategies).items():
        rows = [[f"[`{s.name}`](#{s.name})", s.summary] for s in members]
        parts.append(f"# {family}\n\n" + table(["strategy", "what it does"], rows))
        parts += map(strategy_section, members)
    return "\n".join(parts)


def by_family(strategies: list[StrategyDescription]) -> dict[str, list[StrategyDescription]]:
    """Return the strategies of each family that has any, in the order of a run."""
    found = {family: [s for s in strategies if s.family == family] for family in hookspecs.FAMILIES}
    return {family: members for family, members in found.items() if members}


def families_table(strategies: list[StrategyDescription], page: str) -> str:
    """Return a table of the families, each with its strategies, linked to their sections of a page."""
    rows = [
        [family, " · ".join(f"[`{s.name}`]({page}#{s.name})" for s in members)]
        for family, members in by_family(strategies).items()
    ]
    return table(["family", "strategies"], rows)


def strategy_section(strategy: StrategyDescription) -> str:
    """Return the section of one strategy."""
    window = "takes a window of epochs" if strategy.takes_window else "acts once in a run, takes no window"
    parts = [f"## {strategy.name}", inline(strategy.summary), markdown(strategy.doc.extended)]
    parts.append(f"*{', '.join(strategy.stages)}*; {window}. `{strategy.module}.{strategy.class_name}`")
    if strategy.options:
        rows = [[f"`{o.name}`", *facts(o), o.description] for o in strategy.options]
        parts.append(table(["option", "type", "default", "values", "meaning"], rows))
    for title, text in strategy.facts().items():
        parts += [f"**{title}**", markdown(text)]
    parts.append("```\n" + "\n".join(f"imbtk run DATA -s {example}" for example in strategy.examples) + "\n```")
    return "\n\n".join(part.strip() for part in parts if part.strip()) + "\n"


def hooks_page() -> str:
    """Return the page of all hooks, in the order of a run."""
    intro = markdown((hookspecs.__doc__ or "").partition("\n")[2])
    rows = [[f"[`{h.name}`](#{h.name})", h.kind, answered_by(h)] for h in hookspecs.HOOKS.values()]
    parts = ["# Hooks", NOTE, intro, table(["hook", "kind", "answered"], rows), *map(hook_section, hookspecs.HOOKS)]
    return "\n\n".join(part.strip() for part in parts) + "\n"


def answered_by(hook: hookspecs.Hook) -> str:
    """Return who answers a hook, and how often."""
    if hook.scope == "module":
        return "by a plugin module"
    if hook.kind == "collect" and hook.scope == "once":
        return "by a strategy or an observer"
    often = {"once": "once in a run", "window": "once in its window", "phase": "in each phase"}[hook.scope]
    return f"by a strategy, {often}"


def hook_section(name: str) -> str:
    """Return the section of one hook."""
    hook, function = hookspecs.HOOKS[name], getattr(hookspecs, name)
    doc = parse_docstring(function.__doc__)
    signature = str(inspect.signature(function)).replace("'", "")
    parts = [f"## {name}", f"```python no-run\n{name}{signature}\n```"]
    parts += [inline(doc.summary), f"*{hook.kind}*, answered {answered_by(hook)}."]
    parts.append(markdown(doc.extended))
    for title, label in (("Parameters", "Arguments"), ("Returns", "Returns")):
        if title in doc.sections:
            items = map(entry_line, parse_entries(doc.sections[title]))
            parts.append(f"**{label}**\n\n" + "\n".join(items))
    return "\n\n".join(part for part in parts if part)


def entry_line(entry: Entry) -> str:
    """Return one argument or result as an item of a list."""
    kind = f" ({inline(entry.type)})" if entry.type else ""
    return f"- `{entry.name}`{kind}" + (f": {inline(entry.description)}" if entry.description else "")


def cli_page() -> str:
    """Return every ``--help``."""
    parts = ["# Command line", NOTE.strip()]
    parts.append(help_block(None, "imbtk", program))
    root = click.Context(program, info_name="imbtk")
    for name in COMMANDS:
        command = program.get_command(root, name)
        if command is not None:
            parts.append(f"## imbtk {name}\n\n{help_block(root, name, command)}")
    return "\n\n".join(parts) + "\n"


def help_block(parent: click.Context | None, name: str, command: click.Command) -> str:
    """Return the ``--help`` of a command, as a terminal of 80 columns shows it."""
    context = click.Context(command, parent, name, terminal_width=78, **command.context_settings)
    return f"```\n$ {context.command_path} --help\n{command.get_help(context)}\n```"


def config_page() -> str:
    """Return the page of all options of a run."""
    intro = (
        "What a run can be told: as a flag of `imbtk run`, in a file for `imbtk run -c study.toml` (the same names, "
        "underscores or dashes), and as an argument of `imbtk.run`. A run writes all of it to its `config.toml`. "
        "What is not set follows from the data and is printed before training."
    )
    described = {option.name: option for option in describe_options(RunConfig)}
    placed = {name for names in SECTIONS.values() for name in names} | set(ARGUMENTS)
    sections = {**SECTIONS, "Data": (*ARGUMENTS, *SECTIONS["Data"])}
    sections[OTHER] = tuple(name for name in described if name not in placed)
    parts = ["# Configuration", NOTE.strip(), intro]
    for title, names in sections.items():
        rows = [
            [f"`{o.name}`", "`DATA`" if o.name in ARGUMENTS else f"`{flag_name(o.name)}`", *facts(o), o.description]
            for o in (described[name] for name in names if name in described)
        ]
        if rows:
            parts += [f"## {title}", table(["option", "flag", "type", "default", "values", "meaning"], rows).strip()]
    return "\n\n".join(parts) + "\n"


# Markdown --------------------------------------------------------------------------------------------------------


def facts(option: OptionDescription) -> list[str]:
    """Return type, default and allowed values of an option."""
    values = ", ".join(f"`{choice}`" for choice in option.choices or ()) or option.bounds
    default = option.default_text
    return [option.type, default if default in ("not set", "required") else f"`{default}`", values]


def table(header: list[str], rows: list[list[str]]) -> str:
    """Return a Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "".join("| " + " | ".join(inline(cell).replace("|", "\\|") for cell in line) + " |\n" for line in lines)


def inline(text: str) -> str:
    """Return text of a docstring with its marks in Markdown."""
    text = re.sub(r":[a-z]+:`~?([^`]+)`", r"`\1`", text)
    text = re.sub(r"``([^`]+)``", r"`\1`", text)
    # Outside code, an asterisk by itself or an angle bracket is no mark.
    parts = re.split(r"(`[^`]*`)", text)
    return "".join(p if p.startswith("`") else re.sub(r"(?<=\s)\*+(?=\s)|<", r"\\\g<0>", p) for p in parts)


def markdown(text: str) -> str:
    """Return prose of a docstring, with its lists, formulas and tables, as Markdown."""
    written = ""
    before = ""
    for block in parse_blocks(text):
        written += "\n" if before == block.kind == "item" else "\n\n"
        before = block.kind
        if block.kind == "table":
            written += table(list(block.rows[0]), [list(row) for row in block.rows[1:]]).strip()
        elif block.kind == "formula":
            written += f"```\n{block.text}\n```"
        else:
            written += ("- " if block.kind == "item" else "") + inline(block.text)
    return written.strip()


def with_table(readme: str, new: str) -> str:
    """Return the README with the table between its markers replaced.

    Raises
    ------
    SystemExit
        If the markers are not there.
    """
    start, stop = readme.find(MARKERS[0]), readme.find(MARKERS[1])
    if start < 0 or stop < start:
        raise SystemExit(f"README.md lacks the lines {MARKERS[0]} and {MARKERS[1]}, between which the table stands.")
    return readme[: start + len(MARKERS[0])] + "\n" + new + readme[stop:]


if __name__ == "__main__":
    sys.exit(main())
