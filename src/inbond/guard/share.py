"""What providers may tell each other of a cluster, as a STIX 2.1 bundle: no prompt, no account, no address.

A template is shared as keyed tokens of the pieces of its sketches (``detect.templates``): whoever holds the
same key finds the same template in its own traffic, and nobody else can test a guess. A bundle of another
provider is a sighting: it is shown beside a cluster that matches it, and is no evidence, since who sent it
saw other traffic under rules of their own. Pure but for ids, which are made of the content.

Objects: Identity (who tells), Campaign, Indicator (the tokens, ``valid_until``, ``confidence``), Sighting,
Relationship, Course of Action, an Extension Definition for the tokens; all under a TLP level. MITRE ATLAS
AML.T0024.002 (extract a model by its inference API) is what it is about.
"""

from __future__ import annotations

import hmac
import json
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, Literal, final

from inbond.errors import InputError, need_extra

if TYPE_CHECKING:
    from types import ModuleType

Tlp = Literal["clear", "green", "amber", "red"]
KEY_BYTES: Final = 32
EXTENSION: Final = "extension-definition--7f6f1f0c-8a3e-5d0b-9a55-0d0f6b1d6a52"
PATTERN: Final = "inbond-template-pieces"
_SPACE: Final = uuid.UUID("b8a1d2c4-5f0e-5c77-9a0b-3c5d7e9f1a2b")
_TECHNIQUE: Final = {"source_name": "mitre-atlas", "external_id": "AML.T0024.002"}
_MOST_BYTES: Final = 8 * 2**20


@final
@dataclass(frozen=True)
class Finding:
    """One cluster as it is told to others. ``families`` are kinds of evidence, ``confidence`` is 0..100,
    ``pieces`` those of the templates that its members share."""

    id: str
    first_seen: datetime
    last_seen: datetime
    accounts: int
    requests: int
    families: tuple[str, ...]
    confidence: int
    pieces: tuple[int, ...]


@final
@dataclass(frozen=True)
class Sighted:
    """What another provider told. ``tokens`` are those of its templates under the shared key."""

    provider: str
    campaign: str
    confidence: int
    valid_until: datetime
    tlp: Tlp
    accounts: int
    families: tuple[str, ...]
    tokens: frozenset[str]

    def likeness(self, pieces: Sequence[int], key: bytes) -> float:
        """The part of a cluster's own pieces that was told, 0..1."""
        mine = tokens(pieces, key)
        return len(mine & self.tokens) / len(mine) if mine else 0.0


def tokens(pieces: Iterable[int], key: bytes) -> frozenset[str]:
    """A token for each piece: its HMAC-SHA-256, cut to 128 bits."""
    return frozenset(
        hmac.digest(key, f"inbond.piece/1|{piece}".encode(), "sha256").hex()[:32] for piece in pieces
    )


def bundle(
    findings: Sequence[Finding], provider: str, key: bytes, at: datetime, *, days: int, tlp: Tlp
) -> bytes:
    """The bundle as JSON, the same for the same findings. ``at`` is UTC; it is valid for ``days``. Raises
    InputError for a key that is too short, MissingExtraError without stix2."""
    _check_key(key)
    stix2 = _stix2()
    marking = _levels(stix2)[tlp]
    common = {"created": at, "modified": at, "object_marking_refs": [marking]}
    who = stix2.Identity(id=_id("identity", provider), name=provider, identity_class="organization", **common)
    common["created_by_ref"] = who.id
    action = stix2.CourseOfAction(
        id=_id("course-of-action", "ask first"),
        name="Look at your own evidence first",
        description="A sighting is no evidence of its own. Compare it with what you see; restrict in steps "
        "that can be taken back, and let a person decide on a suspension.",
        **common,
    )
    objects = [marking, who, _definition(stix2, who, common), action]
    for finding in findings:
        objects += _objects(stix2, finding, who, action, key, at + timedelta(days=days), common)
    whole = stix2.Bundle(
        id=_id("bundle", *(item.id for item in objects), at.isoformat()), objects=objects, allow_custom=False
    )
    return whole.serialize(pretty=True).encode() + b"\n"  # type: ignore[no-any-return]


def _definition(stix2: ModuleType, who: Any, common: dict[str, Any]) -> Any:
    return stix2.ExtensionDefinition(
        id=EXTENSION,
        name="Inbond template pieces",
        description="tokens: HMAC-SHA-256 of the pieces of a template's sketches under a key that members "
        "share; accounts, requests: how many; families: kinds of evidence.",
        schema="docs/guard-share.md of Inbond: tokens is a list of 32 hex digits, accounts and requests are "
        "whole numbers, families is a list of words",
        version="1.0.0",
        extension_types=["property-extension"],
        **{**common, "created_by_ref": who.id},
    )


def _objects(
    stix2: ModuleType,
    finding: Finding,
    who: Any,
    action: Any,
    key: bytes,
    until: datetime,
    common: dict[str, Any],
) -> list[Any]:
    told = sorted(tokens(finding.pieces, key))
    campaign = stix2.Campaign(
        id=_id("campaign", who.name, finding.id),
        name=f"Cluster {finding.id}",
        description="Accounts that act together, found by: " + ", ".join(finding.families) + ".",
        first_seen=finding.first_seen,
        last_seen=finding.last_seen,
        confidence=finding.confidence,
        external_references=[_TECHNIQUE],
        **common,
    )
    indicator = stix2.Indicator(
        id=_id("indicator", who.name, finding.id),
        name=f"Template of cluster {finding.id}",
        pattern=" OR ".join(told) or "none",
        pattern_type=PATTERN,
        valid_from=common["created"],
        valid_until=until,
        confidence=finding.confidence,
        extensions={
            EXTENSION: {
                "extension_type": "property-extension",
                "tokens": told,
                "accounts": finding.accounts,
                "requests": finding.requests,
                "families": list(finding.families),
            }
        },
        **common,
    )
    sighting = stix2.Sighting(
        id=_id("sighting", who.name, finding.id),
        sighting_of_ref=campaign.id,
        where_sighted_refs=[who.id],
        first_seen=finding.first_seen,
        last_seen=finding.last_seen,
        count=finding.requests,
        confidence=finding.confidence,
        **common,
    )
    links = [
        stix2.Relationship(
            id=_id("relationship", source.id, kind, campaign.id),
            relationship_type=kind,
            source_ref=source.id,
            target_ref=campaign.id,
            **common,
        )
        for source, kind in ((indicator, "indicates"), (action, "mitigates"))
    ]
    return [campaign, indicator, sighting, *links]


def _id(kind: str, *parts: str) -> str:
    return f"{kind}--{uuid.uuid5(_SPACE, '|'.join((kind, *parts)))}"


# What others told -------------------------------------------------------------------------------------


def read(place: str, data: bytes, now: datetime) -> tuple[Sighted, ...]:
    """The sightings of a bundle that are still valid. Raises InputError naming ``place`` for what is no
    bundle, or tells something without confidence, an end or a TLP level; MissingExtraError without stix2."""
    stix2 = _stix2()
    if len(data) > _MOST_BYTES:
        raise _not_a_bundle(place, f"{len(data):,} bytes, more than {_MOST_BYTES:,}")
    try:
        found = stix2.parse(data.decode("utf-8"), allow_custom=True)
        objects = list(found.objects) if found.type == "bundle" else None
    except (stix2.exceptions.STIXError, *_UNREADABLE) as error:
        raise _not_a_bundle(place, f"{type(error).__name__}: {error}"[:200]) from error
    if objects is None:
        raise _not_a_bundle(place, f"a {found.type}")
    names = {item.id: item.name for item in objects if item.type == "identity"}
    sighted = (_sighted(place, item, names) for item in objects if _is_ours(item))
    return tuple(item for item in sighted if item.valid_until > now)


def _is_ours(item: Any) -> bool:
    return item.type == "indicator" and EXTENSION in (item.get("extensions") or {})


def _sighted(place: str, item: Any, names: dict[str, str]) -> Sighted:
    told = json.loads(json.dumps(dict(item.extensions[EXTENSION])))
    levels = [level for level in map(_tlp, item.get("object_marking_refs") or []) if level is not None]
    missing = [
        name
        for name, value in (
            ("confidence", item.get("confidence")),
            ("valid_until", item.get("valid_until")),
            ("a TLP level", levels or None),
            ("tokens", told.get("tokens")),
        )
        if value is None
    ]
    if missing:
        raise _not_a_bundle(place, f"{item.id} without {', '.join(missing)}")
    return Sighted(
        names.get(item.get("created_by_ref", ""), "somebody"),
        str(item.get("name", "")).removeprefix("Template of cluster "),
        int(item.confidence),
        item.valid_until,
        max(levels, key=_ORDER.index),
        _whole(told.get("accounts")),
        tuple(str(name) for name in _listed(told.get("families"))),
        frozenset(str(token) for token in _listed(told.get("tokens"))),
    )


_UNREADABLE: Final = (ValueError, TypeError, AttributeError, KeyError, RecursionError)
_ORDER: Final[tuple[Tlp, ...]] = ("clear", "green", "amber", "red")


def _levels(stix2: ModuleType) -> dict[Tlp, Any]:
    found = (stix2.TLP_WHITE, stix2.TLP_GREEN, stix2.TLP_AMBER, stix2.TLP_RED)
    return dict(zip(_ORDER, found, strict=True))


def _tlp(reference: str) -> Tlp | None:
    known = {str(marking.id): level for level, marking in _levels(_stix2()).items()}
    return known.get(str(reference))


def _listed(value: object) -> Iterable[object]:
    return value if isinstance(value, list) else ()


def _whole(value: object) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else 0


def _check_key(key: bytes) -> None:
    if len(key) < KEY_BYTES:
        raise InputError(
            expected=f"a shared key of at least {KEY_BYTES} bytes",
            found=f"{len(key)} bytes",
            fix="head -c 32 /dev/urandom > share.key, and hand it to the other members by a safe way",
        )


def _not_a_bundle(place: str, found: str) -> InputError:
    return InputError(
        expected=f"a STIX 2.1 bundle with templates of Inbond in {place}",
        found=found,
        fix="ask whoever sent it; docs/guard-share.md says what it has to hold",
    )


def _stix2() -> ModuleType:
    try:
        import stix2
    except ImportError as error:
        raise need_extra("guard", "stix2") from error
    return stix2  # type: ignore[no-any-return]
