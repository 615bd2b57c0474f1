"""What the gate is told. A verdict depends on nothing else but the terms themselves.

Every fact that is not known says so (``None``, ``"unknown"``, evidence ``"none"``); the gate then
asks for it instead of guessing. Licence strings are SPDX expressions as ``licences.normalise`` gives
them.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any, Final, Literal, get_args

from inbond.digest import Digest, of_value

Use = Literal["research", "internal", "commercial"]
Release = Literal["none", "service", "weights"]
Competes = Literal["yes", "no", "unknown"]
StudentKind = Literal["general", "classifier", "embedding"]
Modality = Literal["text", "multimodal"]
Topic = Literal["outputs", "derived_weights", "training_data"]
LicenceEvidence = Literal["digest", "declared", "none"]
Reach = Literal["direct", "indirect"]

USES: tuple[Use, ...] = get_args(Use)
RELEASES: tuple[Release, ...] = get_args(Release)
COMPETES: tuple[Competes, ...] = get_args(Competes)
KINDS: tuple[StudentKind, ...] = get_args(StudentKind)

SELF_HOSTED = "self-hosted"
_LARGEST = 2**53
"""From here on integers and floats differ, and canonical JSON holds none."""


@dataclass(frozen=True)
class LicenceFinding:
    """The licence of one artifact, how it is known and where that was read.

    ``digest``: the file's bytes are those of a model in our registry. ``declared``: a card, a file's
    metadata or an exact name in our registry says so. ``none``: nothing says so, or what says so
    disagrees; then ``licence`` is None. ``bases`` are the weights that these descend from as far as
    they are declared: their licences reach this artifact too. ``modality`` is None when not known.
    """

    subject: str
    licence: str | None
    evidence: LicenceEvidence
    source: str
    bases: tuple[LicenceFinding, ...] = ()
    modality: Modality | None = None


@dataclass(frozen=True)
class DataLicence:
    """The licence of data that the student is trained on; None when nobody has said."""

    uri: str
    licence: str | None


@dataclass(frozen=True)
class Descent:
    """Something that a source of the plan descends from, as a lineage tells it.

    ``topic`` is what its terms are asked about; ``services`` are the ids of the terms of hosts through
    which whoever plans this called it. ``indirect``: another model that learnt from it lies between, and the
    plan learns from what that one says. ``through`` is the source of the plan that descends from it.
    """

    found: LicenceFinding
    topic: Topic
    reach: Reach
    through: str
    services: tuple[str, ...] = ()


@dataclass(frozen=True)
class Beside:
    """A further teacher, whose outputs are trained on beside those of the first. Fields as in ``Facts``."""

    teacher: str
    weights: LicenceFinding
    channel: str = SELF_HOSTED
    host_terms: str | None = None
    host_models: Literal["own", "any"] = "any"


@dataclass(frozen=True)
class Agreement:
    """A written agreement with whoever grants the terms of ``teacher``: what it allows, and when.

    ``terms`` are the ids of the texts that it stands in for; empty: the channel's terms for a teacher
    behind a host, else the one licence of the weights. ``document`` is the digest of what was signed.
    Dates are ISO 8601; ``ends`` is None for no end. ``in_force`` says whether the day on which the plan
    is judged lies between them. A text's conditions stay unless they are granted: ``domains`` are fields
    of use, ``territories`` places (countries, or EU), ``thresholds`` metrics with the most that each may be.
    """

    parties: tuple[str, ...]
    teacher: str
    uses: tuple[Use, ...]
    releases: tuple[Release, ...]
    topics: tuple[Topic, ...]
    terms: tuple[str, ...]
    starts: str
    ends: str | None
    document: Digest
    in_force: bool
    domains: tuple[str, ...] = ()
    territories: tuple[str, ...] = ()
    thresholds: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True)
class Facts:
    """One planned distillation.

    ``host_terms`` is the id of the terms that ``channel`` puts on top of the weights' licence: None
    for a self-hosted teacher, and for a host whose terms we do not know; ``host_models`` says whether
    that host serves its provider's own models alone, so that its terms are the whole story of an
    ``api:`` name. The student's weights start from the teacher (``base_is_teacher``: pruned from it, or
    initialised with it), from another model (``base``), or from scratch (neither). Defaults are the
    most demanding plan: commercial use, weights released, the teacher's outputs trained on, a model for
    general use. ``mau`` are monthly active users today, ``revenue_usd`` US dollars a year, ``territory`` the
    ISO 3166-1 code of two letters of the country where whoever plans this is based. ``date`` (ISO 8601) is
    None for "now"; ``not_yet`` are then the ids of all texts on file that are not in force yet, as
    ``Catalogue.not_yet`` tells of today (so that the facts stay the same from day to day), None where nobody
    looked. ``descent`` is what all of its sources descend from beyond what their own files and our registry
    say. ``beside`` are further teachers. ``reasoning``: what the
    teachers say before they answer is trained on as well.
    """

    teacher: str
    weights: LicenceFinding
    base_is_teacher: bool
    base: LicenceFinding | None = None
    channel: str = SELF_HOSTED
    host_terms: str | None = None
    host_models: Literal["own", "any"] = "any"
    outputs_used: bool = True
    data: tuple[DataLicence, ...] = ()
    descent: tuple[Descent, ...] = ()
    use: Use = "commercial"
    release: Release = "weights"
    kind: StudentKind = "general"
    name: str | None = None
    domains: tuple[str, ...] = ()
    competes: Competes = "unknown"
    mau: int | None = None
    revenue_usd: float | None = None
    territory: str | None = None
    date: str | None = None
    not_yet: tuple[str, ...] | None = None
    agreements: tuple[Agreement, ...] = ()
    beside: tuple[Beside, ...] = ()
    reasoning: bool = False

    def __post_init__(self) -> None:
        assert not (self.base_is_teacher and self.base), "a student has one base: the teacher or another"

    @property
    def start(self) -> LicenceFinding | None:
        """The weights that the student starts from; None for a student from scratch."""
        return self.weights if self.base_is_teacher else self.base

    def to_json(self) -> dict[str, Any]:
        """Every field; what the digest is made over. What JSON cannot hold (a number that is none, a
        surrogate) is written out, so that facts of any content have a digest. Further teachers and
        reasoning are there only where there are some, so that digests from before there were any hold."""
        values: dict[str, Any] = _plain(asdict(self))
        if not self.beside:
            del values["beside"]
        if not self.reasoning:
            del values["reasoning"]
        return values

    @cached_property
    def digest(self) -> Digest:
        return of_value(self.to_json())


def _plain(value: Any) -> Any:
    """Tuples as the lists that JSON has: what is read back is then equal to what was written."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode("utf-8")
    if isinstance(value, (int, float)) and not abs(value) < _LARGEST:  # not: it may be no number
        return repr(value)
    return value


_RELEASED: Final = {
    "none": "nothing released",
    "service": "offered as a service",
    "weights": "weights handed out",
}


def plan_words(use: str, release: str) -> str:
    """What a student is planned for, as people read it."""
    return f"{use} use, {_RELEASED.get(release, release)}"
