"""Registrations: what a customer signs, what the guard believes of it, and what follows for its callers."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from inbond import digest
from inbond.digest import Digest
from inbond.errors import InputError, NewerFormatError, TamperedError
from inbond.guard import budget as budgets
from inbond.guard import registration
from inbond.guard.body import Body
from inbond.guard.budget import Price, Usage
from inbond.guard.callers import Callers, hash_of, parse_callers
from inbond.guard.callers_file import CallersFile
from inbond.guard.receipts import Issuer
from inbond.guard.registration import Registration, Wish
from inbond.ledger import envelope, receipts
from inbond.ledger.attest import KeyStore, Signer
from inbond.ledger.envelope import Envelope

DIGEST = Digest("sha256:" + "0" * 64)
WISH = Wish("acme", "a small model for our shop's help desk", ("big", "bigger"), 250.5, date(2026, 10, 1),
            date(2026, 12, 31))  # fmt: skip


@pytest.fixture
def signer(tmp_path: Path) -> Signer:
    return KeyStore(tmp_path / "customer").signer()


def at(*when: int) -> float:
    return datetime(*when, tzinfo=UTC).timestamp()  # type: ignore[arg-type, misc]


def resealed(data: bytes, signer: Signer, **changes: Any) -> bytes:
    """The same with other fields, honestly signed."""
    value = {**json.loads(envelope.decode(data)[0].payload), **changes}
    payload = digest.canonical(value)
    kind = registration.PAYLOAD_TYPE
    made = Envelope(kind, payload, signer.public.id, signer.sign_envelope(kind, payload))
    return envelope.encode([made])


def test_what_was_signed_is_read_back(signer: Signer) -> None:
    data = registration.seal(WISH, signer)
    found = registration.read("a.json", data, signer.public.id)
    assert (found.tenant, found.purpose, found.models) == (WISH.tenant, WISH.purpose, WISH.models)
    assert (found.budget_usd, found.since, found.until) == (250.5, WISH.since, WISH.until)
    assert found.key == signer.public.id
    assert found.digest == digest.of_bytes(envelope.decode(data)[0].payload)


def test_it_covers_its_models_on_its_days(signer: Signer) -> None:
    found = registration.read("a.json", registration.seal(WISH, signer), signer.public.id)
    assert found.covers("big", at(2026, 10, 1))
    assert found.covers("bigger", at(2026, 12, 31, 23, 59))
    assert not found.covers("big", at(2026, 9, 30, 23, 59))
    assert not found.covers("big", at(2027, 1, 1))
    assert not found.covers("other", at(2026, 11, 1))


@given(place=st.integers(0, 10_000), bit=st.integers(0, 7))
def test_no_changed_bit_is_believed(place: int, bit: int) -> None:
    signer = _ONE
    data = bytearray(registration.seal(WISH, signer))
    data[place % len(data)] ^= 1 << bit
    with pytest.raises((InputError, TamperedError)):
        registration.read("a.json", bytes(data), signer.public.id)


@given(data=st.binary(max_size=300))
def test_anything_else_is_an_input_error(data: bytes) -> None:
    with pytest.raises(InputError, match=r"a registration of format inbond\.registration/1 in a\.json"):
        registration.read("a.json", data, _ONE.public.id)


def _made_once() -> Signer:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    return Signer(Ed25519PrivateKey.generate())


_ONE = _made_once()


def test_another_key_than_the_pinned_one_is_refused(signer: Signer) -> None:
    data = registration.seal(WISH, signer)
    with pytest.raises(TamperedError, match="which is pinned; found the key " + signer.public.id):
        registration.read("a.json", data, _ONE.public.id)
    swapped = resealed(data, _ONE)  # says the pinned key, signed with another
    with pytest.raises(TamperedError):
        registration.read("a.json", swapped, signer.public.id)


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({"purpose": " "}, "1 characters"),
        ({"models": []}, "none, or an empty name"),
        ({"models": "big"}, "a field that is no text"),
        ({"budget_usd_per_month": True}, "a budget that is no number"),
        ({"budget_usd_per_month": -1}, "-1.0"),
        ({"until": "2026-09-01"}, "2026-09-01"),
        ({"until": "soon"}, "soon"),
        ({"public_key": "AAAA"}, "a public key that has not 32 bytes"),
        ({"more": 1}, "other fields than a registration's"),
    ],
)
def test_signed_nonsense_is_named(signer: Signer, changes: dict[str, Any], found: str) -> None:
    data = resealed(registration.seal(WISH, signer), signer, **changes)
    with pytest.raises(InputError) as caught:
        registration.read("a.json", data, signer.public.id)
    assert found in caught.value.found


def test_a_newer_format_is_told_from_a_broken_one(signer: Signer) -> None:
    data = resealed(registration.seal(WISH, signer), signer, format="inbond.registration/2")
    with pytest.raises(NewerFormatError, match="of a newer Inbond"):
        registration.read("a.json", data, signer.public.id)


# In the callers' file -------------------------------------------------------------------------------


def tenants(key: str, **registered: Any) -> bytes:
    acme: dict[str, Any] = {"accounts": {"a": {"keys": [hash_of(key)], "limits": {"concurrency": 3}}}}
    return yaml.safe_dump({"tenants": {"acme": {**acme, **registered}}}).encode()


def test_a_registration_reaches_every_caller_of_the_tenant_and_its_budget_is_a_limit(signer: Signer) -> None:
    data = tenants("k", registration={"file": "a.json", "key": signer.public.id})
    callers = parse_callers("callers.yaml", data, {"a.json": registration.seal(WISH, signer)}.__getitem__)
    caller = callers.find("k")
    assert caller is not None
    assert caller.registration_for("big", at(2026, 11, 1)) is caller.registration
    assert caller.registration is not None
    assert caller.registration.purpose == WISH.purpose
    assert caller.registration_for("big", at(2027, 1, 1)) is None
    assert dict(caller.scopes)["registration:acme"].spend_usd_per_month == 250.5
    assert callers.files == ("a.json",)


def test_a_request_beyond_the_registered_budget_has_no_room(signer: Signer) -> None:
    data = tenants("k", registration={"file": "a.json", "key": signer.public.id})
    sealed = registration.seal(replace(WISH, budget_usd=0.5), signer)
    caller = parse_callers("callers.yaml", data, {"a.json": sealed}.__getitem__).find("k")
    assert caller is not None
    (claim,) = budgets.claims(caller.scopes, Usage(1_000, 1_000), Price(100.0, 500.0), at(2026, 11, 9))
    assert (claim.kind, claim.window, claim.cap, claim.amount) == ("spend", "month", 500_000, 600_000)
    assert (claim.begins, claim.ends) == (at(2026, 11, 1), at(2026, 12, 1))


def test_receipts_repeat_what_is_registered_for_that_model_and_that_day(
    signer: Signer, tmp_path: Path
) -> None:
    data = tenants("k", registration={"file": "a.json", "key": signer.public.id})
    caller = parse_callers("c.yaml", data, {"a.json": registration.seal(WISH, signer)}.__getitem__).find("k")
    assert caller is not None
    issuer = Issuer("i", None, KeyStore(tmp_path / "receipt-keys"))

    def told(model: str, when: float) -> tuple[str | None, Digest | None]:
        draft = issuer.begin("r", caller, model, {}, when)  # type: ignore[arg-type]
        token = draft.whole(Body.of(b"{}"), when)
        assert token is not None
        found = receipts.read(token).claims
        return found.purpose, found.registration

    assert caller.registration is not None
    assert told("big", at(2026, 11, 1)) == (WISH.purpose, caller.registration.digest)
    assert told("small", at(2026, 11, 1)) == (None, None)
    assert told("big", at(2027, 1, 1)) == (None, None)


@given(
    st.dates(), st.one_of(st.none(), st.dates()), st.datetimes(datetime(1900, 1, 1), timezones=st.just(UTC))
)
def test_it_holds_from_its_first_day_to_the_end_of_its_last(
    since: date, until: date | None, now: datetime
) -> None:
    until = until and max(since, until)
    found = Registration("t", "p", ("m",), 1.0, since, until, DIGEST, DIGEST)
    inside = since <= now.date() <= (until or date.max)
    assert found.covers("m", now.timestamp()) is inside
    assert not found.covers("n", now.timestamp())


def test_the_last_day_that_there_is_is_a_day_like_others(signer: Signer) -> None:
    wish = replace(WISH, until=date.max)
    found = registration.read("a.json", registration.seal(wish, signer), signer.public.id)
    assert found.covers("big", at(2026, 11, 1))


def test_without_one_nothing_is_registered() -> None:
    caller = parse_callers("callers.yaml", tenants("k")).find("k")
    assert caller is not None
    assert caller.registration_for("big", 0.0) is None
    assert [name for name, _ in caller.scopes if name.startswith("registration")] == []


def test_the_registration_of_another_tenant_is_refused(signer: Signer) -> None:
    other = registration.seal(Wish("other", "x", ("big",), 1.0, date(2026, 1, 1)), signer)
    data = tenants("k", registration={"file": "a.json", "key": signer.public.id})
    with pytest.raises(InputError, match="the registration of acme in a.json.*found that of other"):
        parse_callers("callers.yaml", data, {"a.json": other}.__getitem__)


def test_a_key_must_be_pinned_by_its_id() -> None:
    data = tenants("k", registration={"file": "a.json", "key": "sha256:12"})
    with pytest.raises(InputError, match=r"tenants\.acme\.registration\.key"):
        parse_callers("callers.yaml", data)


def test_a_changed_registration_is_read_anew_and_a_broken_one_is_said(tmp_path: Path, signer: Signer) -> None:
    path, file, said = tmp_path / "callers.yaml", tmp_path / "a.json", list[str]()
    path.write_bytes(tenants("k", registration={"file": "a.json", "key": signer.public.id}))
    file.write_bytes(registration.seal(WISH, signer))
    callers = CallersFile(path, said.append)
    assert budget(callers()) == 250.5
    file.write_bytes(resealed(registration.seal(WISH, signer), signer, budget_usd_per_month=9))
    callers.look()
    assert budget(callers()) == 9.0
    file.write_bytes(registration.seal(WISH, _ONE))
    callers.look()
    callers.look()
    assert budget(callers()) == 9.0
    assert len([line for line in said if "callers are as before" in line and "which is pinned" in line]) == 1


def budget(callers: Callers) -> float | None:
    caller = callers.find("k")
    assert caller is not None
    return dict(caller.scopes)["registration:acme"].spend_usd_per_month


def test_a_payload_is_what_the_documentation_says(signer: Signer) -> None:
    value = json.loads(envelope.decode(registration.seal(WISH, signer))[0].payload)
    assert value == {
        "format": "inbond.registration/1",
        "tenant": "acme",
        "purpose": WISH.purpose,
        "models": ["big", "bigger"],
        "budget_usd_per_month": 250.5,
        "since": "2026-10-01",
        "until": "2026-12-31",
        "public_key": base64.b64encode(signer.public.raw).decode(),
    }
    assert Digest(signer.public.id) == digest.of_bytes(signer.public.raw)
