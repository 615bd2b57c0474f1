"""Envelopes: as DSSE says, read by the reference library, and no byte of them can change."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from securesystemslib.dsse import Envelope as Reference
from securesystemslib.exceptions import VerificationError
from securesystemslib.signer import SSlibKey

from inbond import digest
from inbond.errors import InputError, TamperedError
from inbond.ledger import envelope
from inbond.ledger.attest import KeyStore, PublicKey, Signer, envelope_message
from tests.unit.test_events import values

FILES = {"重み.safetensors": digest.of_bytes(b"w"), "README.md": digest.of_bytes(b"r")}
STATEMENT = envelope.statement(FILES, "urn:x", {"名前": "川", "n": 1.5})


@pytest.fixture(scope="module")
def signer(tmp_path_factory: pytest.TempPathFactory) -> Signer:
    return KeyStore(tmp_path_factory.mktemp("keys")).signer()


def known_to_reference(key: PublicKey) -> SSlibKey:
    return SSlibKey(key.id, "ed25519", "ed25519", {"public": key.raw.hex()})


def test_the_message_is_that_of_the_published_vector() -> None:
    message = envelope_message("http://example.com/HelloWorld", b"hello world")
    assert message == b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"


@given(kind=st.text(max_size=20), payload=st.binary(max_size=40))
def test_the_message_is_that_of_the_reference_library(kind: str, payload: bytes) -> None:
    assert envelope_message(kind, payload) == Reference(payload, kind, {}).pae()


def test_the_reference_library_verifies_ours(signer: Signer, tmp_path: Path) -> None:
    (line,) = envelope.encode([envelope.seal(STATEMENT, signer)]).splitlines()
    read = Reference.from_dict(json.loads(line))
    assert set(read.verify([known_to_reference(signer.public)], 1)) == {signer.public.id}
    assert json.loads(read.payload) == STATEMENT
    assert read.payload_type == "application/vnd.in-toto+json"
    other = KeyStore(tmp_path).signer().public
    with pytest.raises(VerificationError):
        read.verify([known_to_reference(other)], 1)
    read.payload += b" "
    with pytest.raises(VerificationError):
        read.verify([known_to_reference(signer.public)], 1)


def test_a_statement_has_the_four_fields_of_in_toto() -> None:
    assert set(STATEMENT) == {"_type", "subject", "predicateType", "predicate"}
    assert STATEMENT["_type"] == "https://in-toto.io/Statement/v1"
    assert [each["name"] for each in STATEMENT["subject"]] == ["README.md", "重み.safetensors"]
    assert all(len(each["digest"]["sha256"]) == 64 for each in STATEMENT["subject"])
    assert envelope.subjects_of(STATEMENT) == FILES


def test_an_envelope_round_trips(signer: Signer) -> None:
    sealed = [envelope.seal(STATEMENT, signer), envelope.seal({**STATEMENT, "predicate": {}}, signer)]
    assert envelope.decode(envelope.encode(sealed)) == sealed
    assert all(each.signed_by(signer.public) for each in sealed)
    assert envelope.open_statement(sealed[0]) == STATEMENT


def test_no_credential_is_signed_and_handed_out(signer: Signer) -> None:
    with pytest.raises(InputError) as caught:
        envelope.seal(envelope.statement(FILES, "urn:x", {"recipe": {"api_key": "abc"}}), signer)
    assert caught.value.found == "what looks like one in predicate.recipe.api_key"


def test_what_is_signed_as_an_envelope_is_no_event_and_the_other_way_round(signer: Signer) -> None:
    signed = digest.of_bytes(b"1")
    message = b"inbond.event/1\x00" + digest.to_raw(signed)
    signature = signer.sign_envelope("inbond.event/1", digest.to_raw(signed))
    assert not signer.public.verifies("inbond.event/1", signed, signature)
    assert not signer.public.verifies_envelope("", message, signer.sign("inbond.event/1", signed))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_byte_of_a_file_of_envelopes_can_change(signer: Signer, data: st.DataObject) -> None:
    kept = envelope.encode([envelope.seal(STATEMENT, signer)] * 2)
    where = data.draw(st.integers(0, len(kept) - 1))
    byte = data.draw(st.integers(0, 255).filter(lambda byte: byte != kept[where]))
    try:
        found = envelope.decode(kept[:where] + bytes([byte]) + kept[where + 1 :])
    except TamperedError:
        return
    assert not all(each.key == signer.public.id and each.signed_by(signer.public) for each in found)


@given(junk=st.one_of(st.binary(max_size=60), values.map(lambda value: digest.canonical(value) + b"\n")))
def test_junk_is_no_file_of_envelopes(junk: bytes) -> None:
    with pytest.raises(TamperedError):
        envelope.decode(junk)


@given(payload=st.one_of(st.binary(max_size=60), values.map(digest.canonical)))
def test_junk_in_an_envelope_is_no_statement(payload: bytes) -> None:
    sealed = envelope.Envelope(envelope.PAYLOAD_TYPE, payload, digest.of_bytes(b""), b"")
    with pytest.raises(TamperedError):
        envelope.open_statement(sealed)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'{"_type"', b'{"subject":[],"_type"'),  # which of two a reader takes is up to the reader
        (b'"n":1.5', b'"n":NaN'),
        (b'"n":1.5', b'"n": 1.5'),
        (b'"n":1.5', b'"n":1.50'),
    ],
)
def test_a_payload_that_can_be_read_in_two_ways_is_none(signer: Signer, old: bytes, new: bytes) -> None:
    payload = digest.canonical(STATEMENT)
    assert payload.count(old) == 1
    changed = payload.replace(old, new)
    signature = signer.sign_envelope(envelope.PAYLOAD_TYPE, changed)
    sealed = envelope.Envelope(envelope.PAYLOAD_TYPE, changed, signer.public.id, signature)
    with pytest.raises(TamperedError) as caught:
        envelope.open_statement(sealed)
    assert caught.value.found.startswith("a payload that is not canonical JSON")


@given(subject=values)
def test_junk_for_subjects_is_refused(subject: object) -> None:
    try:
        found = envelope.subjects_of({**STATEMENT, "subject": subject})
    except TamperedError:
        return
    assert found == {}
