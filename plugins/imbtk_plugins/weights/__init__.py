"""Weights of classes in the loss."""
