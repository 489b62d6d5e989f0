"""What is minimised where it takes more than logits: pairs, several views, branches, experts, teachers."""
