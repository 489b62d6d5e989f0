"""From logits to probabilities, and from these to classes."""
