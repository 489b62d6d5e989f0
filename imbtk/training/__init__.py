"""Phases, batches, the loop, checkpoints."""
