"""Boxes of one image in another: CutMix, and its kin for rare classes."""
