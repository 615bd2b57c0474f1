"""What a run was made with: versions, platform, processor."""

from __future__ import annotations

import os
import platform
from importlib import metadata

from inbond import __version__

_PACKAGES = ("torch", "transformers", "accelerate", "xllamacpp", "numpy", "pyarrow")


def environment() -> dict[str, str]:
    """Name to value, for the report."""
    found = {"inbond": __version__, "python": platform.python_version(), "platform": platform.platform()}
    for package in _PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found | {"processor": platform.machine(), "cores": str(os.cpu_count())}
