"""Many plans on the same splits and seeds: the grid, its cells, paired statistics, the table and the page."""
