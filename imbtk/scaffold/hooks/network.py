"""A second classifier on the features of the first."""

from imbtk import Network, RunContext, Strategy, TrainingRows, hookimpl, option


class FreshHead(Strategy):
    """Make the classifier anew, and train it on features that stay as they are."""

    freeze: bool = option(True, "Keep the features as they are.")

    @hookimpl
    def imbtk_network(self, network: Network, training: TrainingRows, context: RunContext) -> None:
        """Change the network as its window begins."""
        network.renew_head()
        if self.freeze:
            network.freeze("backbone")
