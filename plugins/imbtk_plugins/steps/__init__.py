"""The optimiser's step, taken in another way."""
