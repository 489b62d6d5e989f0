"""Losses on cosines, which bring the head that gives them."""
