"""Samples blended with others of the epoch: mixup, and its kin for rare classes."""
