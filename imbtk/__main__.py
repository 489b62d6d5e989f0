"""``python -m imbtk`` is the same program as ``imbtk``."""

from imbtk.cli import main

if __name__ == "__main__":
    main()
