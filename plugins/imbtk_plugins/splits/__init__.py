"""How rows come to train, validation and test."""
