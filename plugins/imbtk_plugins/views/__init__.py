"""Several looks at one row when predicting."""
