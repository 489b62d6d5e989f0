"""What the predictions are worth: metrics, intervals, decisions."""
