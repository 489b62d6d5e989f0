"""What watches a run: strategies and objects that answer its start, the end of each epoch, and its end."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import pluggy

from imbtk.authoring.implementations import check_implementations
from imbtk.discovery.catalogue import HookManager
from imbtk.discovery.random_state import RandomStates
from imbtk.errors import ImbtkError, PluginError, RandomStateError, StrangersCode, as_sentence
from imbtk.planning.dispatch import who
from imbtk.planning.prepared import PreparedRun
from imbtk.report.extra_sections import ExtraSection

__all__ = ["Observers"]


class Observers:
    """The strategies of the plan, and the observers that their plugins and plugin files offer.

    Until training has ended a failure ends the run. Afterwards it is kept in `failures` and the others go on: what
    watches a run cannot take away what was trained.

    Parameters
    ----------
    prepared : PreparedRun

    Attributes
    ----------
    objects : list of object
        Strategies and observers.
    failures : list of str
        What failed after training, in sentences that name plugin and hook.

    Raises
    ------
    PluginError
        If an observer's hook is misspelt, or asks for what there is not.
    """

    def __init__(self, prepared: PreparedRun) -> None:
        self.objects: list[object] = []
        self.failures: list[str] = []
        self._manager = HookManager()
        self._who: dict[str, str] = {}
        for item in prepared.plan.strategies.items:
            self._register(item.strategy, who(item))
        in_use = {type(item.strategy).__module__ for item in prepared.plan.strategies.items}
        for answer, plugin in prepared.catalogue.offered("imbtk_observers"):
            if plugin.file is not None or plugin.module_name in in_use:
                for observer in answer:
                    name = f"observer {type(observer).__name__} of plugin '{plugin.name}' ({plugin.provider})"
                    check_implementations(observer, name)
                    self._register(observer, name)

    def _register(self, watching: object, name: str) -> None:
        key = str(len(self._who))
        self._who[key] = name
        self.objects.append(watching)
        self._manager.register(watching, name=key)

    def run_start(self, run: Mapping[str, Any]) -> None:
        """Tell that training begins."""
        self._tell("imbtk_run_start", run=run)

    def epoch_end(self, epoch: int, record: Mapping[str, float]) -> None:
        """Tell how an epoch went."""
        self._tell("imbtk_epoch_end", epoch=epoch, record=record)

    def run_end(self, run: Mapping[str, Any], metrics: Mapping[str, Any]) -> None:
        """Tell how the run ended."""
        self._tell("imbtk_run_end", self._keep, run=run, metrics=metrics, error=None)

    @contextlib.contextmanager
    def telling_of_failure(self, run: Mapping[str, Any]) -> Iterator[None]:
        """Tell that the run ended if what is done meanwhile fails, or is interrupted; that goes on as it was."""
        try:
            yield
        except BaseException as error:
            first, said = error, str(error) or type(error).__name__
            # What an observer fails to do with the news stands beside it, never in its place.
            self._tell("imbtk_run_end", lambda also: first.add_note(str(also)), run=run, metrics={}, error=said)
            raise

    def report(self, run: Mapping[str, Any], metrics: Mapping[str, Any]) -> list[ExtraSection]:
        """Return the sections that are added to the page."""
        sections: list[ExtraSection] = []
        for by, answer in self._tell("imbtk_report", self._keep, run=run, metrics=metrics):
            try:
                sections += _sections(by, answer)
            except PluginError as error:
                self._keep(error)
        return sections

    def _tell(
        self, hook: str, keep: Callable[[ImbtkError], None] | None = None, **arguments: Any
    ) -> list[tuple[str, Any]]:
        """Call a hook everywhere; return who answered, and what. A failure is raised, or given to `keep`."""
        answers = []
        # Pluggy lists what was registered last first; people expect the order of the command line.
        for impl in reversed(getattr(self._manager.hook, hook).get_hookimpls()):
            by = self._who[impl.plugin_name]
            try:
                answer = _call(impl, hook, by, arguments)
            except ImbtkError as error:
                if keep is None:
                    raise
                keep(error if hook in str(error) else PluginError(f"{by} failed in {hook}: {error}"))
                continue
            if answer is not None:
                answers.append((by, answer))
        return answers

    def _keep(self, error: ImbtkError) -> None:
        self.failures.append(f"{as_sentence(str(error))} The run itself is complete.")


def _call(impl: pluggy.HookImpl, hook: str, by: str, arguments: dict[str, Any]) -> Any:
    states = RandomStates.now()
    try:
        with StrangersCode(by, hook, "Report it to its author, or run without it."):
            answer = impl.function(*(arguments[name] for name in impl.argnames))
    finally:
        library = states.disturbed()
    # A plotting library may draw numbers, and when the page is made they matter to nobody.
    if library and hook != "imbtk_report":
        raise RandomStateError(
            f"{by} draws from or seeds the global random state of {library} in {hook}. A generator of its own does "
            "not. Report it to its author, or run without it.",
            library,
        )
    return answer


def _sections(by: str, answer: Any) -> list[ExtraSection]:
    """Return an answer as sections.

    Raises
    ------
    PluginError
        If it is no list of a title and a content each.
    """
    single = isinstance(answer, str) or (isinstance(answer, tuple) and answer[:1] and isinstance(answer[0], str))
    listed = answer if isinstance(answer, Sequence) and not single else [answer]
    for section in listed:
        if not isinstance(section, tuple) or len(section) != 2 or not isinstance(section[0], str):
            raise PluginError(
                f"{by} returned {type(section).__name__} from imbtk_report, which returns a list of (title, content); "
                "docs/hooks/report.md shows one. Report it to its author, or run without it."
            )
    return [ExtraSection(title, content, by) for title, content in listed]
