"""One run, start to finish."""
