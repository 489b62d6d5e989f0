"""What watches a run: strategies and objects that answer its start, the end of each epoch, and its end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pluggy

from imbtk.catalogue import HookManager
from imbtk.errors import ImbtkError, PluginError
from imbtk.preparation import PreparedRun

__all__ = ["Observers"]


class Observers:
    """The strategies of the plan, and the observers that their plugins and plugin files offer.

    Parameters
    ----------
    prepared : PreparedRun

    Raises
    ------
    PluginError
        If an observer's hook is misspelt, or raises something.
    """

    def __init__(self, prepared: PreparedRun) -> None:
        self._manager = HookManager()
        for item in prepared.plan.items:
            self._register(item.strategy, item.label)
        in_use = {type(item.strategy).__module__ for item in prepared.plan.items}
        for answer, plugin in prepared.catalogue.offered("imbtk_observers"):
            if plugin.file is not None or plugin.module_name in in_use:
                for number, observer in enumerate(answer):
                    self._register(observer, f"{plugin.name}, observer {number}")

    def _register(self, observer: object, name: str) -> None:
        try:
            self._manager.register(observer, name=name)
            self._manager.check_pending()
        except pluggy.PluginValidationError as error:
            raise PluginError(f"{name}: {' '.join(str(error).split())}") from None

    def run_start(self, run: Mapping[str, Any]) -> None:
        """Tell that training begins."""
        self._tell("imbtk_run_start", run=run)

    def epoch_end(self, epoch: int, record: Mapping[str, float]) -> None:
        """Tell how an epoch went."""
        self._tell("imbtk_epoch_end", epoch=epoch, record=record)

    def run_end(self, run: Mapping[str, Any], metrics: Mapping[str, Any]) -> None:
        """Tell how the run ended."""
        self._tell("imbtk_run_end", run=run, metrics=metrics)

    def report(self, run: Mapping[str, Any], metrics: Mapping[str, Any]) -> list[tuple[str, Any]]:
        """Return the sections that are added to the page.

        Raises
        ------
        PluginError
            If an answer is no list of a title and a content each.
        """
        sections: list[tuple[str, Any]] = []
        for name, answer in self._tell("imbtk_report", run=run, metrics=metrics):
            for section in answer if isinstance(answer, Sequence) and not isinstance(answer, str) else [answer]:
                if not isinstance(section, tuple) or len(section) != 2 or not isinstance(section[0], str):
                    raise PluginError(
                        f"'{name}' returned {type(section).__name__} from imbtk_report, which returns a list of "
                        "(title, content). Report it to its author, or run without it."
                    )
                sections.append(section)
        return sections

    def _tell(self, hook: str, **arguments: Any) -> list[tuple[str, Any]]:
        """Call a hook everywhere; return who answered, and what."""
        answers = []
        # Pluggy lists what was registered last first; people expect the order of the command line.
        for impl in reversed(getattr(self._manager.hook, hook).get_hookimpls()):
            try:
                answer = impl.function(*(arguments[name] for name in impl.argnames))
            except ImbtkError:
                raise
            except Exception as error:  # a stranger's code may raise anything: it is named, and its cause kept
                raise PluginError(
                    f"'{impl.plugin_name}' failed in {hook}: {type(error).__name__}: {error}. Report it to its author, "
                    "or run without it."
                ) from error
            if answer is not None:
                answers.append((impl.plugin_name, answer))
        return answers
