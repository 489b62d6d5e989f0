"""Which rows an epoch shows, and how often."""
