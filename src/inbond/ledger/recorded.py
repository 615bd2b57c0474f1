"""What a workspace holds of lineage: artifacts by their manifests, runs, and what was drawn from them.

The nouns that reading (``drawing``), counting (``sets``) and asking (``asking``) share.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, final

from inbond.digest import Digest
from inbond.errors import TamperedError
from inbond.ledger import pins, records
from inbond.ledger.inventory import ArtifactClaim
from inbond.ledger.lineage import Edge, Node, Unknown
from inbond.ledger.manifest import Manifest
from inbond.types import Origin, Role


@final
@dataclass(frozen=True)
class Kept:
    """One artifact as it lies in the workspace, by its manifest."""

    claim: ArtifactClaim
    folder: Path
    manifest: Manifest

    @property
    def stage(self) -> str:
        return self.manifest.identity.stage

    @property
    def config(self) -> Mapping[str, Any]:
        return self.manifest.identity.config

    @cached_property
    def origins(self) -> tuple[Origin, ...]:
        """Of a record set: where its records are from, by row number. Raises TamperedError."""
        try:
            return tuple(records.read_origins(self.folder))
        except (OSError, ValueError, TypeError, AttributeError, RecursionError) as error:
            raise TamperedError(
                expected=f"the origins of {self.claim.folder}",
                found=f"{records.ORIGINS} cannot be read ({error})",
                fix="inbond verify names what was changed; put back a copy",
            ) from error


@final
@dataclass(frozen=True)
class Run:
    """A run with its artifacts, what its gate was told and what it decided."""

    name: str
    kept: Mapping[str, Kept]
    """Artifacts by stage."""
    plan: Mapping[str, Any]
    verdict: Mapping[str, Any]

    @property
    def model(self) -> str:
        return f"run:{self.name}"

    @property
    def trained(self) -> bool:
        """Whether there are weights, and the data that they learnt from."""
        return {"train", LEARNT} <= self.kept.keys()

    @property
    def data(self) -> str:
        """The id of the data that it learnt from."""
        return data_id(self.learnt)

    @cached_property
    def learnt(self) -> Kept:
        """The records that its training was given: pairs of preferences where it learnt from these."""
        given = set(self.kept["train"].manifest.identity.inputs.values())
        pairs = self.kept.get(PAIRS)
        return pairs if pairs is not None and pairs.manifest.id in given else self.kept[LEARNT]

    @cached_property
    def student(self) -> Kept:
        """The artifact with the student's weights."""
        return self.kept.get("export") or self.kept["train"]

    @cached_property
    def digests(self) -> frozenset[Digest]:
        return pins.names(self.student.manifest.files)


LEARNT = "filter-train"
"""The stage whose records a run learns from."""
PAIRS = "pairs"
"""The stage whose records it learns from instead, when it learns preferences."""


def data_id(kept: Kept) -> str:
    """How the graph names a record set: by its folder in the workspace."""
    return f"data:{kept.claim.folder}"


@final
@dataclass
class Workbook:
    """All that a workspace recorded which has a part in lineage."""

    artifacts: dict[Digest, Kept] = field(default_factory=dict)
    """Complete artifacts by id; of two alike the later."""
    runs: dict[str, Run] = field(default_factory=dict)
    makers: dict[Digest, tuple[str, ...]] = field(default_factory=dict)
    """For each record set, by artifact, the nodes of its origins in their order."""
    nodes: list[Node] = field(default_factory=list)
    edges: list[Edge] = field(default_factory=list)
    unknowns: list[Unknown] = field(default_factory=list)

    def hands(self, id_: Digest) -> list[tuple[str, Role]]:
        """Who had which hand in a record set: one for each of its origins."""
        roles = (origin.role for origin in self.artifacts[id_].origins)
        return list(zip(self.makers[id_], roles, strict=True))


def parents_of(kept: Kept, artifacts: Mapping[Digest, Kept]) -> list[Kept | Unknown]:
    """The record sets that a set's parents are rows of, in the order of their row numbers.

    A stage with several says their order in its facts, ``parents``: a list of artifact ids.
    """
    named = kept.manifest.facts.get("parents")
    inputs = kept.manifest.identity.inputs
    if named is None:
        named = list(inputs.values()) if kept.stage != "generate" else []
    found: list[Kept | Unknown] = []
    for id_ in named:
        parent = artifacts.get(id_)
        missing = Unknown(
            data_id(kept), f"the records it was made from (artifact {id_}) are not there any more"
        )
        found.append(parent if parent is not None else missing)
    return found


def run_of(kept: Kept) -> str:
    """The name of the run that made an artifact."""
    return kept.claim.folder.split("/")[1]
