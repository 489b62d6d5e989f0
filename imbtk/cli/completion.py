"""Completion in the shell."""

from __future__ import annotations

import click
from click.shell_completion import CompletionItem

__all__ = ["StrategyName"]


class StrategyName(click.types.StringParamType):
    """The name of a strategy, with or without options; completed from what is installed, without importing a plugin."""

    name = "strategy"

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """Return the names of entry points that begin like `incomplete`."""
        from imbtk.discovery.catalogue import Catalogue

        return [CompletionItem(name) for name in Catalogue().names() if name.startswith(incomplete)]
