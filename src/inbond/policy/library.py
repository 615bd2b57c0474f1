"""All that this machine knows: the terms, models and hosts that ship, and what its user added.

A user's files lie in the config folder: ``terms/*.toml`` and ``models.toml``; terms of further hosts are
named in ``hosts.yaml``, which belongs to the teachers. They add to what ships and never change it: a
file that claims what is taken is an error that names both.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from inbond.errors import InputError
from inbond.policy import files, weights
from inbond.policy.hosts import HostRow, Hosts, parse_hosts
from inbond.policy.terms import Catalogue, catalogue_of
from inbond.policy.weights import Registry, registry_of

TERMS, MODELS = "terms", "models.toml"


@dataclass(frozen=True)
class Library:
    """Terms by id, models by name and digest, hosts by name."""

    terms: Catalogue
    models: Registry
    hosts: Hosts

    def host(self, channel: str, named: str | None) -> tuple[str | None, HostRow | None]:
        """The id of the terms of ``channel``, and its row when it ships. ``named`` is what the user's hosts
        file says. Raises InputError when that contradicts the row."""
        row = self.hosts.find(channel)
        if row is None:
            return named, None
        if named not in (None, row.terms):
            raise InputError(
                expected=f"{channel} under {row.terms}, as policy/hosts.toml says",
                found=f"{named} in hosts.yaml",
                fix=f"remove terms of {channel} there; if you have other terms with them, give the "
                "agreement with --agreement",
            )
        return row.terms, row


@lru_cache(maxsize=1)
def shipped() -> Library:
    """What comes with Inbond."""
    return Library(
        catalogue_of(files.shipped(TERMS)),
        weights.shipped(),
        parse_hosts("hosts.toml", files.shipped_file("hosts.toml")),
    )


def load(config: Path) -> Library:
    """What ships and what the ``config`` folder adds. Raises InputError naming file and field."""
    own = files.read_folder(config / TERMS, "a terms file")
    models = files.read_if_there(config / MODELS, "a registry of models")
    base = shipped()
    if not own and models is None:
        return base
    return Library(
        catalogue_of(own, base.terms) if own else base.terms,
        registry_of([(str(config / MODELS), models)], base.models) if models is not None else base.models,
        base.hosts,
    )
