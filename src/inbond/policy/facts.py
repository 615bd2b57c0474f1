"""What the gate is told. A verdict depends on nothing else but the terms themselves.

Every fact that is not known says so (``None``, ``"unknown"``, evidence ``"none"``); the gate then
asks for it instead of guessing. Licence strings are SPDX expressions as ``licences.normalise`` gives
them.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any, Literal, get_args

from inbond.digest import Digest, of_value

Use = Literal["research", "internal", "commercial"]
Release = Literal["none", "service", "weights"]
Competes = Literal["yes", "no", "unknown"]
StudentKind = Literal["general", "classifier", "embedding"]
Modality = Literal["text", "image", "multimodal"]
LicenceEvidence = Literal["digest", "declared", "none"]

USES: tuple[Use, ...] = get_args(Use)
RELEASES: tuple[Release, ...] = get_args(Release)
COMPETES: tuple[Competes, ...] = get_args(Competes)

SELF_HOSTED = "self-hosted"


@dataclass(frozen=True)
class LicenceFinding:
    """The licence of one artifact, how it is known and where that was read.

    ``digest``: the file's bytes are those of a model in our registry. ``declared``: a card, a file's
    metadata or an exact name in our registry says so. ``none``: nothing says so, or what says so
    disagrees; then ``licence`` is None. ``bases`` are the weights that these descend from as far as
    they are declared: their licences reach this artifact too.
    """

    subject: str
    licence: str | None
    evidence: LicenceEvidence
    source: str
    bases: tuple[LicenceFinding, ...] = ()

    def to_json(self) -> dict[str, Any]:
        return {
            "subject": self.subject,
            "licence": self.licence,
            "evidence": self.evidence,
            "source": self.source,
            "bases": [base.to_json() for base in self.bases],
        }


@dataclass(frozen=True)
class DataLicence:
    """The licence of data that the student is trained on; None when nobody has said."""

    uri: str
    licence: str | None


@dataclass(frozen=True)
class Facts:
    """One planned distillation.

    ``host_terms`` is the id of the terms that ``channel`` puts on top of the weights' licence: None
    for a self-hosted teacher, and for a host whose terms we do not know. The student's weights start
    from the teacher (``base_is_teacher``: pruned from it, or initialised with it), from another model
    (``base``), or from scratch (neither). Defaults are the most demanding plan: commercial use,
    weights released, the teacher's outputs trained on. ``date`` (ISO 8601) is None for "now".
    """

    teacher: str
    weights: LicenceFinding
    base_is_teacher: bool
    base: LicenceFinding | None = None
    channel: str = SELF_HOSTED
    host_terms: str | None = None
    outputs_used: bool = True
    data: tuple[DataLicence, ...] = ()
    use: Use = "commercial"
    release: Release = "weights"
    name: str | None = None
    domains: tuple[str, ...] = ()
    competes: Competes = "unknown"
    date: str | None = None

    def __post_init__(self) -> None:
        assert not (self.base_is_teacher and self.base), "a student has one base: the teacher or another"

    def to_json(self) -> dict[str, Any]:
        """Every field; what the digest is made over."""
        values = asdict(self)
        values["weights"] = self.weights.to_json()
        values["base"] = self.base.to_json() if self.base else None
        values["data"] = [asdict(item) for item in self.data]
        values["domains"] = list(self.domains)
        return values

    @cached_property
    def digest(self) -> Digest:
        return of_value(self.to_json())
