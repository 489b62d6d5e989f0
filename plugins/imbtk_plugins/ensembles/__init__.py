"""Several models that predict as one."""
