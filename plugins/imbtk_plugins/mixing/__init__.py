"""Samples blended or pasted, with their targets."""
