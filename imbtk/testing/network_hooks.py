"""Hooks about a network and how it is trained, called on a small made-up one."""

from __future__ import annotations

import copy
import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from imbtk.authoring.records import Batch, Objective, Outputs, TrainingRows
from imbtk.data.normalise import Normalisation
from imbtk.models.builtin import MLP, SmallCNN
from imbtk.models.forward import forward
from imbtk.models.network import Network, build_network
from imbtk.models.spec import ModelSpec
from imbtk.planning.phases import cross_entropy
from imbtk.testing.asking import Asking
from imbtk.testing.situations import BATCH, FEATURES
from imbtk.training.batches import Batches
from imbtk.training.heads import head_maker

__all__ = ["NetworkHooks", "plain_objective", "plain_step"]

WIDTH = 4
ROWS_AT_ONCE = 256
MOST_VALIDATION_ROWS = 100


def plain_objective(outputs: Outputs, batch: Batch) -> torch.Tensor:
    """Return the cross-entropy of each sample, (B,)."""
    return cross_entropy(outputs.logits, batch.target)


def plain_step(optimizer: torch.optim.Optimizer, closure: Callable[[], torch.Tensor]) -> torch.Tensor:
    """Take the optimiser's own step."""
    loss: torch.Tensor = optimizer.step(closure)  # type: ignore[arg-type,assignment]
    return loss


class NetworkHooks(Asking):
    """What a strategy does with rows beside rows, a network, its outputs, and a step.

    In the order of a run: the network is changed before there is an objective, and that before there is a step. The
    network is in eval mode, so that nothing but a strategy draws.
    """

    @functools.cached_property
    def batches(self) -> Batches:
        """The situation's data set, ready to be gathered."""
        return Batches(self.dataset, Normalisation.fit(self.dataset, self.rows.indices), torch.device("cpu"))

    def plain_network(self) -> Network:
        """Return a network that nobody has changed, with the head that the strategy chooses."""
        make = functools.partial(SmallCNN if self.situation.kind == "images" else MLP, width=WIDTH)
        make_head = head_maker((self.item,), self.context)
        network = build_network(ModelSpec("small", make, "any"), self.context.sample_shape, make_head, seed=0)
        network.make_head, network.head_origin = make_head, make_head.origin
        return network.eval()

    def training_rows(self, network: Network) -> TrainingRows:
        """Return what hooks are told of the training rows, and of some that are for validation."""
        outside = torch.arange(1, len(self.dataset), 2)[:MOST_VALIDATION_ROWS]
        validation = self._told(network, outside, self.dataset.labels[outside], None)
        return self._told(network, self.rows.indices, self.rows.labels, validation)

    def _told(
        self, network: Network, rows: torch.Tensor, labels: torch.Tensor, validation: TrainingRows | None
    ) -> TrainingRows:
        def predicted(features: bool) -> torch.Tensor:
            return forward(network, self.batches.in_parts(rows, ROWS_AT_ONCE), features=features)

        inputs = functools.partial(self.batches.in_parts, rows, BATCH)
        return TrainingRows(rows, labels, None, validation, inputs, predicted)

    def _changed(self, hook: str, network: Network) -> tuple[Network, Any] | None:
        def call() -> tuple[Network, Any]:
            training = self.training_rows(network)
            found = self.dispatcher.collect(hook, network=network, training=training, context=self.context)
            return network.eval(), found[0][0] if found else None

        return self._ask(hook, call)  # type: ignore[no-any-return]

    def network(self) -> tuple[Network, Any] | None:
        """Return the network as it is when the window begins, and what the hook returned."""
        return self._begun if self.dispatcher.answering("imbtk_network") else None

    @functools.cached_property
    def _begun(self) -> tuple[Network, Any] | None:
        made = self._ask("imbtk_network", self.plain_network)
        if made is None or not self.dispatcher.answering("imbtk_network"):
            return None if made is None else (made, None)
        return self._changed("imbtk_network", made)

    @property
    def begun(self) -> Network | None:
        """The network as it is when the window begins; None where the strategy refuses."""
        return None if self._begun is None else self._begun[0]

    def finish(self) -> tuple[Network, Any] | None:
        """Return a copy of the network as it is when the window ends, and what the hook returned."""
        if not self.dispatcher.answering("imbtk_finish") or self._begun is None:
            return None
        return self._changed("imbtk_finish", copy.deepcopy(self._begun[0]))

    def partner(self) -> Callable[[int, torch.Tensor], Any] | None:
        """Return ``(epoch, order) -> positions``."""
        if not self.dispatcher.answering("imbtk_partner"):
            return None
        found = self._ask("imbtk_partner", lambda: self.dispatcher.collect("imbtk_partner", context=self.context))
        if not found:
            return None
        bound, draw = self._bound(found[0][0], "imbtk_partner"), self.draw.named(f"{self.item.label} partner")
        return lambda epoch, order: bound(epoch, order, draw.at(epoch))

    def schedule(self) -> Callable[[int, int], Any] | None:
        """Return ``(step, steps) -> factor``."""
        made = self._choose("imbtk_schedule", context=self.context)
        return None if made is None else self._bound(made, "imbtk_schedule")

    def objective(self, handed: Objective = plain_objective) -> Callable[[Outputs, Batch], Any] | None:
        """Return ``(outputs, batch) -> (B,)``, made from the objective `handed`."""
        if not self.dispatcher.answering("imbtk_objective") or self._begun is None:
            return None
        network, state = self._begun[0], self.state

        def noting(outputs: Outputs, batch: Batch) -> torch.Tensor:
            state.outputs, state.batch = outputs, batch
            return handed(outputs, batch)

        width = network.branch_width * network.branches
        made = self._fold("imbtk_objective", "objective", noting, in_features=width, context=self.context)
        if made is None:
            return None
        bound = self._bound(made, "imbtk_objective")

        def judged(outputs: Outputs, batch: Batch) -> Any:
            state.network, state.outputs, state.batch = network, outputs, batch
            return bound(outputs, batch)

        return judged

    def step(self, handed: Any = plain_step) -> Callable[[torch.optim.Optimizer, Callable[[], Any]], Any] | None:
        """Return ``(optimizer, closure) -> loss``, made from the step `handed`."""
        if not self.dispatcher.answering("imbtk_step") or self._begun is None:
            return None
        self.objective()  # it may keep what the step looks at
        self.state.network = self._begun[0]
        made = self._fold("imbtk_step", "step", handed, context=self.context)
        return None if made is None else self._bound(made, "imbtk_step")

    def batch(self, size: int = BATCH, soft: bool = False, number: int = 0) -> Batch:
        """Return a batch, with partners where the strategy chooses some."""
        situation, epoch = self.situation, max(1, self.context.phase.start)
        samples, target = situation.samples(size) + number, situation.target(size, soft)
        draw = self.context.draw.at(epoch, size * number + np.arange(size))
        partners = self._partners(size, epoch)
        rows, labels = torch.arange(size), target.argmax(1)
        return Batch(samples, target, rows, labels, epoch, number, partners=partners, draw=draw)

    def _partners(self, size: int, epoch: int) -> dict[str, Batch]:
        """Return the second rows that the strategy chooses, each class with one picture, beside the first ones."""
        choose = self.partner()
        if choose is None:
            return {}
        places = choose(epoch, torch.arange(size) % len(self.context.labels))
        classes = self.context.labels[places]
        pictures, target = self.situation.samples(self.situation.num_classes), torch.eye(self.situation.num_classes)
        return {self.item.label: Batch(pictures[classes], target[classes], places, classes, epoch)}

    def outputs(self, batch: Batch) -> Outputs:
        """Return what the network says of a batch."""
        network = self.begun or self.plain_network()
        return network.forward(batch.inputs, outputs=True)

    def _fill_state(self, size: int) -> None:
        """Put there what callables may ask for."""
        features, experts = torch.randn(size, FEATURES, generator=torch.Generator().manual_seed(14)), None
        batch = self.batch(size)
        if self.dispatcher.answering("imbtk_network") and self._begun is not None:
            self.state.network, experts = self._begun[0], self.outputs(batch).experts
        self.state.outputs, self.state.batch = Outputs(torch.empty(0), features, experts), batch
