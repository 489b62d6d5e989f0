"""Weights averaged over the training."""
