"""The simulator's own data files, as text."""

from __future__ import annotations

from importlib import resources


def read_data(name: str) -> str:
    """The text of a file of data/."""
    return resources.files("inbond.guard.simulate").joinpath("data", name).read_text("utf-8")
