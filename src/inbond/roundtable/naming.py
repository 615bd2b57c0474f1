"""What a model is called, without where it lies: no host, no folder of somebody's disk, no revision. Pure."""

from __future__ import annotations

import re
from typing import Final

from inbond.errors import InputError
from inbond.types import parse_model_name

_ON_DISK: Final = re.compile(r"(?:[/~.]|[A-Za-z]:[\\/]).*", re.DOTALL)
"""Hosts of local models call them by the file that they read."""


def bare(name: str) -> str:
    """What names the model in a URI, or in what a host calls it."""
    try:
        parsed = parse_model_name(name)
    except InputError:
        return _last(name) if _ON_DISK.fullmatch(name) else name
    if parsed.scheme in ("gguf", "path") or _ON_DISK.fullmatch(parsed.name):
        return _last(parsed.name)
    return parsed.file or parsed.name


def _last(path: str) -> str:
    return re.split(r"[\\/]", path.rstrip("\\/"))[-1] or path
