"""imbtk in other people's houses: a training loop of one's own, scikit-learn."""
