"""From logits to probabilities, from probabilities to classes."""
