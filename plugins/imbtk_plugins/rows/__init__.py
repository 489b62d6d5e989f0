"""Which training rows there are: selected, or made up."""
