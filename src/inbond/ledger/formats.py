"""Names of formats end in a number: what a newer Inbond wrote is told from what is no such thing at all."""

from __future__ import annotations

import re

from inbond.errors import NewerFormatError


def refuse_newer(said: object, known: str, what: str) -> None:
    """Raises NewerFormatError when ``said`` names a later number of the format ``known``, such as
    ``inbond.event/1``; anything else is for whoever reads it. ``what`` is that with its article."""
    name, number = re.fullmatch(r"(.*[/:])([0-9]+)", known).groups()  # type: ignore[union-attr]
    told = re.fullmatch(rf"{re.escape(name)}([1-9][0-9]{{0,3}})", said) if isinstance(said, str) else None
    if told is not None and int(told[1]) > int(number):
        raise NewerFormatError(
            expected=f"{what} of format {known}",
            found=f"format {said}, of a newer Inbond, so that it can be neither verified nor called changed",
            fix="pip install --upgrade inbond",
        )
