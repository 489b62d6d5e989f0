"""The loss of a sample, from its logits and target."""
