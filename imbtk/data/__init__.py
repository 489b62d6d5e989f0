"""From whatever a user has to a :class:`imbtk.data.dataset.Dataset`: sources, the store, groups, the leak check."""
