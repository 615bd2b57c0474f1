"""Registrations: what a customer says, signed, of the use it makes of an API. Pure.

A registration is a DSSE envelope around ``inbond.registration/1``, signed with the customer's own key. The
provider puts it into force by naming its file and the id of that key in callers.yaml, and signs it over again
with every receipt, which repeats its purpose and digest. While it is in force the guard does not hold against
the customer what distilling lawfully looks like; its models and its budget are then limits too.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, Final, final

from inbond import digest
from inbond.digest import Digest
from inbond.errors import InputError, NewerFormatError, TamperedError
from inbond.ledger import envelope
from inbond.ledger.attest import PublicKey, Signer
from inbond.ledger.envelope import Envelope
from inbond.ledger.formats import refuse_newer

FORMAT: Final = "inbond.registration/1"
PAYLOAD_TYPE: Final = "application/vnd.inbond.registration+json"
MOST_BYTES: Final = 65_536
MOST_PURPOSE: Final = 500
_FIELDS = {"format", "tenant", "purpose", "models", "budget_usd_per_month", "since", "until", "public_key"}
_FIX: Final = "ask the customer to make it anew: inbond guard register"


@final
@dataclass(frozen=True)
class Registration:
    """``tenant`` says what it uses ``models`` for, at most ``budget_usd`` US dollars a calendar month (UTC),
    from the day ``since`` to the end of the day ``until``; None: until it is taken back."""

    tenant: str
    purpose: str
    models: tuple[str, ...]
    budget_usd: float
    since: date
    until: date | None
    digest: Digest
    """Of the signed payload."""
    key: Digest
    """The id of the customer's key."""

    def covers(self, model: str, at: float) -> bool:
        """Whether it speaks of this model at this time, in seconds since 1970."""
        day = datetime.fromtimestamp(at, UTC).date()
        return model in self.models and self.since <= day and (self.until is None or day <= self.until)


@final
@dataclass(frozen=True)
class Wish:
    """What a customer registers, before it is signed. Raises InputError when it could not be read back."""

    tenant: str
    purpose: str
    models: tuple[str, ...]
    budget_usd: float
    since: date
    until: date | None = None

    def __post_init__(self) -> None:
        _check(self.tenant != "" and len(self.tenant) <= 128, "a tenant's name", repr(self.tenant)[:200])
        short = len(self.purpose.strip()) > 0 and len(self.purpose) <= MOST_PURPOSE
        _check(short, f"a purpose of 1 to {MOST_PURPOSE} characters", f"{len(self.purpose)} characters")
        _check(len(self.models) > 0 and all(self.models), "at least one model", "none, or an empty name")
        _check(0 <= self.budget_usd <= 1e9, "a budget in US dollars a month", f"{self.budget_usd}")
        ordered = self.until is None or self.until >= self.since
        _check(ordered, f"an end on {self.since} or later", f"{self.until}")

    def to_json(self, key: PublicKey) -> dict[str, Any]:
        return {
            "format": FORMAT,
            "tenant": self.tenant,
            "purpose": self.purpose,
            "models": list(self.models),
            "budget_usd_per_month": self.budget_usd,
            "since": self.since.isoformat(),
            "until": None if self.until is None else self.until.isoformat(),
            "public_key": base64.b64encode(key.raw).decode(),
        }


def _check(fits: bool, expected: str, found: str) -> None:
    if not fits:
        raise InputError(expected=expected, found=found, fix="correct the registration")


def seal(wish: Wish, signer: Signer) -> bytes:
    """The file of a registration: one envelope."""
    payload = digest.canonical(wish.to_json(signer.public))
    signature = signer.sign_envelope(PAYLOAD_TYPE, payload)
    return envelope.encode([Envelope(PAYLOAD_TYPE, payload, signer.public.id, signature)])


def read(place: str, data: bytes, key: Digest) -> Registration:
    """Reads a registration, signed with the key of this id: that one is pinned, whatever the file says.

    Raises InputError naming ``place`` for what is no registration, TamperedError when it was changed or
    somebody else's key signed it.
    """
    sealed, value = _open(place, data)
    public = PublicKey(base64.b64decode(value["public_key"], validate=True))
    if public.id != key or sealed.key != key:
        raise TamperedError(
            expected=f"the registration in {place} to be signed with the key {key}, which is pinned",
            found=f"the key {public.id}",
            fix="if the customer changed its key, get the new id from it some other way and pin that",
        )
    if not sealed.signed_by(public):
        raise TamperedError(
            expected=f"the registration in {place} as it was signed",
            found="a signature that does not fit what it says",
            fix="get the file from the customer again",
        )
    wish = _wish(value)
    return Registration(
        wish.tenant, wish.purpose, wish.models, wish.budget_usd, wish.since, wish.until,
        digest.of_bytes(sealed.payload), key,
    )  # fmt: skip


def _open(place: str, data: bytes) -> tuple[Envelope, Mapping[str, Any]]:
    try:
        if len(data) > MOST_BYTES:
            raise ValueError(f"more than {MOST_BYTES:,} bytes")
        (sealed,) = envelope.decode(data)
        if sealed.payload_type != PAYLOAD_TYPE:
            raise ValueError(f"an envelope of type {sealed.payload_type!r:.80}")
        value = digest.parse(sealed.payload)
        if isinstance(value, dict):
            refuse_newer(value.get("format"), FORMAT, "a registration")
        if not isinstance(value, dict) or set(value) != _FIELDS or value["format"] != FORMAT:
            raise ValueError("other fields than a registration's")
        if digest.canonical(value) != sealed.payload:
            raise ValueError("a payload that is no canonical JSON")
        _wish(value)
        if len(base64.b64decode(value["public_key"], validate=True)) != 32:
            raise ValueError("a public key that has not 32 bytes")
    except NewerFormatError:
        raise
    except (TamperedError, InputError) as error:
        raise _no_registration(place, error.found) from None
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise _no_registration(place, str(error)) from None
    return sealed, value


def _no_registration(place: str, found: str) -> InputError:
    return InputError(expected=f"a registration of format {FORMAT} in {place}", found=found[:300], fix=_FIX)


def _wish(value: Mapping[str, Any]) -> Wish:
    """Raises ValueError, TypeError."""
    texts = [value["tenant"], value["purpose"], value["since"], *value["models"]]
    if not isinstance(value["models"], list) or not all(isinstance(text, str) for text in texts):
        raise TypeError("a field that is no text")
    budget, until = value["budget_usd_per_month"], value["until"]
    if isinstance(budget, bool) or not isinstance(budget, (int, float)):
        raise TypeError("a budget that is no number")
    return Wish(
        value["tenant"],
        value["purpose"],
        tuple(value["models"]),
        float(budget),
        date.fromisoformat(value["since"]),
        None if until is None else date.fromisoformat(until),
    )
