"""What people look at: figures and pages, from a run folder alone."""
