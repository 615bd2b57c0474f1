"""One line for what is wrong with a file that a person wrote: the first field, and why."""

from __future__ import annotations

from pydantic import ValidationError

from inbond.errors import InputError


def first_fault(error: Exception) -> str:
    """The first thing wrong, for the ``found`` of an InputError."""
    if isinstance(error, ValidationError):
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"]) or "the whole"
        return f"{field}: {first['msg']}"
    if isinstance(error, InputError):
        return f"{error.found} instead of {error.expected}"
    return str(error)
