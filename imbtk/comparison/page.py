"""The page of a comparison."""
from pathlib import Path
from typing import Any
def make_page(folder: Path, document: dict[str, Any]) -> Path:
    return folder
