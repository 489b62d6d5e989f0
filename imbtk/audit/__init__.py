"""``imbtk check``: what would spoil results on these data, found before anything is trained."""
