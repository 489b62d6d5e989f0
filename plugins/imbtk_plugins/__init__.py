"""The first-party strategies, one file each, found by entry points like anybody's."""
