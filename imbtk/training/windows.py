"""Windows of strategies that change the network: what is done when one begins, and when one ends."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial

import torch

from imbtk.authoring.draw import Draw
from imbtk.authoring.records import TrainingRows
from imbtk.errors import PlanError
from imbtk.models.forward import forward
from imbtk.models.network import Network
from imbtk.models.trial import HeadOrigin
from imbtk.planning.dispatch import Dispatcher, remedy, who
from imbtk.planning.phases import BuiltPhase, rows_shown
from imbtk.planning.plan import PlanItem
from imbtk.training.batches import Batches, PhaseBatches
from imbtk.training.heads import start_at_prior

__all__ = ["Windows", "finishing"]

_ROWS_AT_ONCE = 256


def finishing(items: Sequence[PlanItem]) -> tuple[PlanItem, ...]:
    """Return the strategies that change the network when their window ends."""
    return Dispatcher(items).answering("imbtk_finish")


class Windows:
    """Calls the hooks that change a network, in a run's order.

    A resumed run calls :meth:`begin`, :meth:`finish` and :meth:`end` again for what had been, before its state is
    loaded: then the network has the parts that the state is of.

    Parameters
    ----------
    network : Network
        On its device; changed in place.
    batches : Batches
    validation : tuple of Tensor
        Rows (n,) of the data set and their labels (n,); n may be 0.
    rows_of : callable
        ``phase -> (m,) int64``, positions of the training rows that hooks are told of: all of them.

    Attributes
    ----------
    checking : bool
        Refuse a finish whose change another one undoes: in a dry run.
    """

    def __init__(
        self,
        network: Network,
        batches: Batches,
        validation: tuple[torch.Tensor, torch.Tensor],
        rows_of: Callable[[BuiltPhase], torch.Tensor] = lambda phase: torch.arange(len(phase.indices)),
    ) -> None:
        self.network, self._positions = network, rows_of
        self._batches, self._validation = batches, validation
        self._froze: dict[str, set[str]] = {}
        self._unfinished: list[str] = []
        self.checking = False

    def begin(self, phase: BuiltPhase, phase_batches: PhaseBatches) -> set[torch.nn.Parameter]:
        """Call ``imbtk_network`` of the windows that begin with a phase.

        Returns
        -------
        set of Parameter
            Those whose values were changed in place: what an optimiser remembers of them holds no more.
        """
        network, context = self.network, phase.context
        begun = [i for i in phase.planned.items if i.during(context.epochs).start == phase.planned.phase.start]
        self._unfinished += [item.label for item in finishing(begun)]
        begun = list(Dispatcher(begun).answering("imbtk_network"))
        if not begun:
            return set()
        before = {parameter: parameter.detach().clone() for parameter in network.parameters()}
        for item in begun:
            frozen, version = set(network.frozen), network.head_version
            self._change(item, "imbtk_network", phase, phase_batches)
            self._froze[item.label] = set(network.frozen) - frozen
            # Only a head that was made anew: one that a strategy puts there is as the strategy wants it.
            if network.head_version != version:
                start_at_prior(network.head, phase)
            network.to(context.device)
        return {p for p, value in before.items() if p.shape != value.shape or not torch.equal(p.detach(), value)}

    def finish(self, phase: BuiltPhase, phase_batches: PhaseBatches) -> bool:
        """Call ``imbtk_finish`` of the phase's windows that have not been finished; return whether there was one."""
        items = [item for item in phase.planned.items if item.label in self._unfinished]
        for place, item in enumerate(items):
            undoing = [later for later in items[place + 1 :] if self.checking and later.strategy.replaces_weights]
            before = copy.deepcopy(self.network.state_dict()) if undoing else {}
            self._change(item, "imbtk_finish", phase, phase_batches)
            self._unfinished.remove(item.label)
            if undoing and state_differs(before, self.network.state_dict()):
                raise PlanError(
                    f"'{item}' changes the network when training ends, and '{undoing[0]}', which comes after it, puts "
                    f"other weights in its place: write '{undoing[0]}' before '{item}'."
                )
        self.network.to(phase.context.device)
        return bool(items)

    def _change(self, item: PlanItem, hook: str, phase: BuiltPhase, phase_batches: PhaseBatches) -> None:
        """Call a hook that changes the network in place; a head that it puts there is known by its name."""
        network, head, version = self.network, self.network.head, self.network.head_version
        network.changed_by = f"'{item}'"
        Dispatcher((item,)).in_turn(hook, network=network, training=self._rows_of(phase_batches), context=phase.context)
        if network.head is not head and network.head_version == version:
            network.head_origin = HeadOrigin(who(item), hook, remedy(item))

    def finish_ending(self, phase: BuiltPhase, phase_batches: PhaseBatches) -> bool:
        """Call ``imbtk_finish`` of the windows that end with a phase; return whether there was one."""
        stop, epochs = phase.planned.phase.stop, phase.context.epochs
        later = [i.label for i in phase.planned.items if i.label in self._unfinished and i.during(epochs).stop > stop]
        self._unfinished = [label for label in self._unfinished if label not in later]
        done = self.finish(phase, phase_batches)
        self._unfinished += later
        return done

    def as_finished(self, phase: BuiltPhase, phase_batches: PhaseBatches) -> Network:
        """Return the network as it would be if training ended here: a copy, if a window would change it then."""
        items = [item for item in phase.planned.items if item.label in self._unfinished]
        if not items:
            return self.network
        states = [copy.deepcopy(item.strategy.state_dict()) for item in items]
        judged = Windows(copy.deepcopy(self.network), self._batches, self._validation, self._positions)
        judged._unfinished = list(self._unfinished)
        judged.finish(phase, phase_batches)
        for item, state in zip(items, states, strict=True):
            item.strategy.load_state_dict(state)
        return judged.network

    def end(self, phase: BuiltPhase) -> None:
        """Thaw what was frozen by the windows that end with a phase."""
        for item in phase.planned.items:
            if item.during(phase.context.epochs).stop == phase.planned.phase.stop:
                for part in self._froze.pop(item.label, ()):
                    self.network.thaw(part)  # type: ignore[arg-type]

    def _rows_of(self, phase_batches: PhaseBatches) -> TrainingRows:
        """Return what hooks are told of the training rows: nothing is made before they ask."""
        phase = phase_batches.phase
        rows, labels = self._validation
        validation = None
        if len(rows):
            inputs = partial(self._batches.in_parts, rows, _ROWS_AT_ONCE)
            validation = TrainingRows(rows, labels, None, None, inputs, partial(self._predicted, inputs))
        everything = self._positions(phase)
        # Whoever makes statistics of batches anew wants each to be like the whole, and data are often sorted.
        shuffle = Draw(phase_batches.seed, "training rows").generator()
        mixed = everything[torch.randperm(len(everything), generator=shuffle)]
        size = phase.context.batch_size
        shuffled = partial(phase_batches.plain, mixed[: rows_shown(len(mixed), size)], size)
        in_order = partial(phase_batches.plain, everything, _ROWS_AT_ONCE)
        return TrainingRows(
            phase.indices[everything],
            phase.labels[everything],
            phase.weights,
            validation,
            shuffled,
            partial(self._predicted, in_order),
        )

    def _predicted(self, inputs: partial[Iterator[torch.Tensor]], features: bool) -> torch.Tensor:
        training = self.network.training
        made = forward(self.network, inputs(), features=features).to(self._batches.device)
        self.network.train(training)
        return made


def state_differs(before: Mapping[str, torch.Tensor], after: Mapping[str, torch.Tensor]) -> bool:
    """Return whether two states have other parts or other values."""
    if before.keys() != after.keys():
        return True
    return any(old.shape != after[name].shape or not torch.equal(old, after[name]) for name, old in before.items())
