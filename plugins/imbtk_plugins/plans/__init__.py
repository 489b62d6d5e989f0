"""Plans that are offered by name."""
