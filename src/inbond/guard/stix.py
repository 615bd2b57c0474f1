"""What providers may tell each other of a cluster, as a STIX 2.1 bundle: no prompt, no account, no address.

A template is shared as keyed tokens of the pieces of its sketches (``detect.templates``): whoever holds the
same key finds the same template in its own traffic, and nobody else can test a guess. A group's own id, which
may be made of a card's hash, has no place in a bundle: a campaign is called by an HMAC of what its tokens are
made of, which tells a holder of the key no more than they do. Pure. ``sighted`` reads what others wrote.

Objects: Identity (who tells), Campaign, Indicator (the tokens, ``valid_until``, ``confidence``), Sighting,
Relationship, Course of Action, an Extension Definition for the tokens; all under a TLP level. MITRE ATLAS
AML.T0024.002 (extract a model by its inference API) is what it is about.
"""

from __future__ import annotations

import hmac
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, Literal, final, get_args

from inbond.errors import InputError, need_extra

if TYPE_CHECKING:
    from types import ModuleType

Tlp = Literal["clear", "green", "amber", "red"]
KEY_BYTES: Final = 32
MOST_DAYS: Final = 90
"""How long a bundle may be valid: campaigns move on, and strangers come to use their texts."""
EXTENSION: Final = "extension-definition--7f6f1f0c-8a3e-5d0b-9a55-0d0f6b1d6a52"
PATTERN: Final = "inbond-template-pieces"
NAMED: Final = "Template of campaign "
_SPACE: Final = uuid.UUID("b8a1d2c4-5f0e-5c77-9a0b-3c5d7e9f1a2b")
_TECHNIQUE: Final = {"source_name": "mitre-atlas", "external_id": "AML.T0024.002"}


@final
@dataclass(frozen=True)
class SharedKey:
    """The secret that members share, at least 32 bytes: with a shorter one a bundle's tokens could be
    guessed, and told apart from nothing. Raises InputError."""

    secret: bytes = field(repr=False)

    def __post_init__(self) -> None:
        if len(self.secret) < KEY_BYTES:
            raise InputError(
                expected=f"a shared key of at least {KEY_BYTES} bytes",
                found=f"{len(self.secret)} bytes",
                fix="head -c 32 /dev/urandom > share.key, and hand it to the other members by a safe way",
            )

    def token(self, *parts: object) -> str:
        """The HMAC-SHA-256 of these parts, cut to 128 bits, as hex."""
        return hmac.digest(self.secret, "|".join(map(str, parts)).encode(), "sha256").hex()[:32]


@final
@dataclass(frozen=True)
class Finding:
    """One cluster as it is told to others; its ``id`` is not. ``kind`` is how it was found, ``families`` are
    kinds of evidence, ``confidence`` is 0..100, ``pieces`` those of the templates that its members share, at
    least one, the one that names them first."""

    id: str
    kind: str
    first_seen: datetime
    last_seen: datetime
    accounts: int
    requests: int
    families: tuple[str, ...]
    confidence: int
    pieces: tuple[int, ...]


def tokens(pieces: Iterable[int], key: SharedKey) -> frozenset[str]:
    """A token for each piece."""
    return frozenset(key.token("inbond.piece/1", piece) for piece in pieces)


def campaign_of(finding: Finding, provider: str, key: SharedKey) -> str:
    """What a cluster is called among members: the same as long as its first piece is."""
    return key.token("inbond.campaign/1", provider, finding.kind, finding.pieces[0])


def bundle(
    findings: Sequence[Finding], provider: str, key: SharedKey, at: datetime, *, days: int, tlp: Tlp
) -> bytes:
    """The bundle as JSON, the same for the same findings. ``at`` is UTC; it is valid for ``days``, 90 at
    most. ``provider`` is what it says of who wrote it, which nothing in it proves. Raises InputError,
    MissingExtraError without stix2."""
    if not 1 <= days <= MOST_DAYS:
        raise InputError(
            expected=f"a bundle that is valid for 1 to {MOST_DAYS} days",
            found=f"{days}",
            fix="share it anew when it has ended",
        )
    stix2 = need_stix2()
    marking = levels(stix2)[tlp]
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
    key: SharedKey,
    until: datetime,
    common: dict[str, Any],
) -> list[Any]:
    told = sorted(tokens(finding.pieces, key))
    name = campaign_of(finding, who.name, key)
    campaign = stix2.Campaign(
        id=_id("campaign", name),
        name=f"Campaign {name}",
        description="Accounts that act together, found by: " + ", ".join(finding.families) + ".",
        first_seen=finding.first_seen,
        last_seen=finding.last_seen,
        confidence=finding.confidence,
        external_references=[_TECHNIQUE],
        **common,
    )
    indicator = stix2.Indicator(
        id=_id("indicator", name),
        name=f"{NAMED}{name}",
        pattern=" OR ".join(told),
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
        id=_id("sighting", name),
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


def levels(stix2: ModuleType) -> dict[Tlp, Any]:
    """The markings of STIX by level, the most open first."""
    found = (stix2.TLP_WHITE, stix2.TLP_GREEN, stix2.TLP_AMBER, stix2.TLP_RED)
    return dict(zip(get_args(Tlp), found, strict=True))


def need_stix2() -> ModuleType:
    """Raises MissingExtraError without it."""
    try:
        import stix2
    except ImportError as error:
        raise need_extra("guard", "stix2") from error
    return stix2  # type: ignore[no-any-return]
