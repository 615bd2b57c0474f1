"""The registry of hosts: whose terms a channel puts on top of the weights' licence. Pure.

A host is known by its whole name; ``*`` stands for one label of it (a region). A name that only looks
alike, and a known host on another port, match nothing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from inbond.errors import InputError
from inbond.policy.strict import Strict, first_fault, toml_values

_Name = Annotated[str, StringConstraints(pattern=r"^([a-z0-9-]+|\*)(\.([a-z0-9-]+|\*))+$")]


class HostRow(Strict):
    """Hosts under one text. ``models``: the host serves its provider's ``own`` models alone, so its
    terms are the whole story; or ``any``, so each model's own licence counts beside them."""

    hosts: Annotated[tuple[_Name, ...], Field(min_length=1)]
    terms: str
    models: Literal["own", "any"]


class _File(Strict):
    host: tuple[HostRow, ...]


@dataclass(frozen=True)
class Hosts:
    """All rows, by whole name and by pattern."""

    exact: Mapping[str, HostRow]
    patterns: tuple[tuple[re.Pattern[str], HostRow], ...]

    def find(self, channel: str) -> HostRow | None:
        """The row of a channel (``host`` or ``host:port``; 443 is the port that all have anyway)."""
        name = channel.lower().removesuffix(":443")
        known = self.exact.get(name)
        return known or next((row for form, row in self.patterns if form.fullmatch(name)), None)


def parse_hosts(file: str, data: bytes) -> Hosts:
    """Reads a registry of hosts. Raises InputError naming ``file`` and the field."""
    try:
        rows = _File.model_validate(toml_values(data)).host
    except ValueError as error:
        raise InputError(
            expected=f"a registry of hosts in {file}", found=first_fault(error), fix="correct it"
        ) from error
    exact: dict[str, HostRow] = {}
    patterns: dict[str, HostRow] = {}
    for row in rows:
        for name in row.hosts:
            if name in exact or name in patterns:
                raise InputError(expected=f"each host once in {file}", found=name, fix="remove one of them")
            (patterns if "*" in name else exact)[name] = row
    forms = ((re.compile(_form(name), re.ASCII), row) for name, row in patterns.items())
    return Hosts(exact, tuple(forms))


def _form(name: str) -> str:
    return re.escape(name).replace(r"\*", "[a-z0-9-]+")
