"""A classifier of its own on a backbone that has learnt before, and is frozen."""
