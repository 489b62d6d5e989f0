"""What is trained on a frozen backbone in the last epochs."""
