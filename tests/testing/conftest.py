"""Lets tests here import the strategies that are broken on purpose: a module of its own, so that they pickle."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
