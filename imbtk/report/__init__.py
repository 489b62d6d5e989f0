"""What people look at: the terminal, the figures, the page."""
