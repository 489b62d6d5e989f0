"""Classifier heads: other forms, and closed forms at the end."""
