"""A second stage of training, on what the first has learnt."""
