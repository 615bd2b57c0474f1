"""Receipts: what is signed, what is refused, and that what passes is not altered."""

from __future__ import annotations

import base64
import json
import re
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inbond import digest
from inbond.digest import Digest
from inbond.errors import InputError, TamperedError
from inbond.guard.body import Body
from inbond.guard.callers import Caller
from inbond.guard.receipts import Draft, Issuer, Stamp, public_keys
from inbond.ledger import issuer_keys, receipts
from inbond.ledger.attest import KeyStore, PublicKey, Signer
from inbond.ledger.receipts import Claims, Payloads, Salted, Texts
from tests.unit.test_events import values

GOLDEN = Path(__file__).parents[1] / "golden" / "receipts.json"
CALLER = Caller("acme", "a", b"", None, None, None, None, None, None, ())
ASKED = {"model": "m", "messages": [{"role": "user", "content": "Hi"}], "stream": True}
TERMS = digest.of_bytes(b"our terms")
SALT = "A" * 22


def signer_of(seed: int) -> Signer:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    return Signer(Ed25519PrivateKey.from_private_bytes(bytes([seed]) * 32))


SIGNER = signer_of(7)


def claims(**changes: Any) -> Claims:
    request = Salted.make("request", ASKED, SALT)
    answer = Salted.make("answer", {"choices": []}, SALT)
    return Claims(**{
        "issuer": "https://api.example.com", "id": "r1", "tenant": "acme", "model": "m", "at": 1_800_000_000,
        "request": request, "answer": answer, "text": Salted.make("text", ["Hello"], SALT), "terms": TERMS,
        "purpose": "a purpose", "registration": None, **changes,
    })  # fmt: skip


def salts() -> Callable[[], str]:
    numbers: Iterator[int] = iter(range(1000))
    return lambda: f"{next(numbers):022d}"


@pytest.fixture
def issuer(tmp_path: Path) -> Issuer:
    return Issuer("https://api.example.com", TERMS, KeyStore(tmp_path / "receipt-keys"), salts())


def draft(issuer: Issuer) -> Draft:
    return issuer.begin("r1", CALLER, "m", ASKED, 0.0)


def key_of(issuer: Issuer) -> PublicKey:
    return next(iter(issuer_keys.decode(issuer.keys).values()))


# The token ------------------------------------------------------------------------------------------


def test_what_was_signed_is_read_back() -> None:
    found = receipts.read(receipts.issue(claims(), SIGNER))
    assert found.claims == claims()
    assert found.key == SIGNER.public.id
    assert found.signed_by(SIGNER.public)
    assert not found.signed_by(signer_of(8).public)


def test_another_jose_library_verifies_it() -> None:
    """The oracle: joserfc, with the key as the guard serves it."""
    from joserfc import jws
    from joserfc.jwk import KeySet

    keys = json.loads(issuer_keys.encode([signer_of(8).public, SIGNER.public]))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = jws.deserialize_compact(
            receipts.issue(claims(), SIGNER), KeySet.import_key_set(keys), algorithms=["EdDSA"]
        )
    assert json.loads(found.payload) == claims().to_json()
    assert found.headers() == {"alg": "EdDSA", "kid": SIGNER.public.id, "typ": "inbond-receipt+jwt"}


def test_a_receipt_of_another_jose_library_is_read() -> None:
    from joserfc import jws
    from joserfc.jwk import OKPKey

    private = base64.urlsafe_b64encode(SIGNER.private.private_bytes_raw()).rstrip(b"=").decode()
    key = OKPKey.import_key({**issuer_keys.to_jwk(SIGNER.public), "d": private})
    head = {"alg": "EdDSA", "kid": SIGNER.public.id, "typ": "inbond-receipt+jwt"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        token = jws.serialize_compact(head, json.dumps(claims().to_json()), key, algorithms=["EdDSA"])
    assert receipts.read(token).signed_by(SIGNER.public)


def forged(head: Any, body: Any = None, by: Signer = SIGNER) -> str:
    """An honest signature under any header."""
    parts = [part if isinstance(part, bytes) else json.dumps(part).encode()
             for part in (head, body or claims().to_json())]  # fmt: skip
    signed = b".".join(base64.urlsafe_b64encode(part).rstrip(b"=") for part in parts)
    return (signed + b"." + base64.urlsafe_b64encode(by.private.sign(signed)).rstrip(b"=")).decode()


HEAD = {"alg": "EdDSA", "kid": SIGNER.public.id, "typ": receipts.TYPE}


def test_the_forger_of_these_tests_can_make_a_good_one() -> None:
    assert receipts.read(forged(HEAD)).signed_by(SIGNER.public)


@pytest.mark.parametrize(
    ("head", "found"),
    [
        ({**HEAD, "alg": "none"}, "the algorithm 'none', where only EdDSA counts"),
        ({**HEAD, "alg": "None"}, "the algorithm 'None'"),
        ({**HEAD, "alg": "HS256"}, "the algorithm 'HS256'"),
        ({**HEAD, "alg": "ES256"}, "the algorithm 'ES256'"),
        ({**HEAD, "alg": "eddsa"}, "the algorithm 'eddsa'"),
        ({**HEAD, "alg": ["EdDSA"]}, "the algorithm ['EdDSA']"),
        ({"alg": "EdDSA", "typ": receipts.TYPE}, "a header with 'alg', 'typ'"),
        ({**HEAD, "crit": ["exp"]}, "a header with 'alg', 'crit', 'kid', 'typ'"),
        ({**HEAD, "jwk": issuer_keys.to_jwk(signer_of(8).public)}, "'jwk'"),
        ({**HEAD, "jku": "https://evil.example/keys.json"}, "'jku'"),
        ({**HEAD, "x5c": ["MII"]}, "'x5c'"),
        ({**HEAD, "b64": False}, "'b64'"),
        ({**HEAD, "typ": "JWT"}, "a token of type 'JWT'"),
        ({**HEAD, "kid": "../../etc/passwd"}, "kid is no digest"),
        ({**HEAD, "kid": None}, "kid is no digest"),
        (b'{"alg":"none","alg":"EdDSA","kid":"x","typ":"inbond-receipt+jwt"}', "each field once"),
        (b"[]", "a header that is no JSON object"),
        (b"\xff", "a header that is not JSON in UTF-8"),
        (b"[" * 3000, "a header that is not JSON"),
    ],
)
def test_headers_that_other_tokens_have_are_refused(head: Any, found: str) -> None:
    with pytest.raises(TamperedError) as caught:
        receipts.read(forged(head))
    assert found in caught.value.found


@pytest.mark.parametrize(
    "changes",
    [
        {"iss": ""}, {"iss": None}, {"tenant": 1}, {"iat": -1}, {"iat": True}, {"iat": 1.5}, {"iat": "1"},
        {"request": None}, {"request": {"salt": SALT}}, {"request": {"salt": "x", "digest": TERMS}},
        {"answer": {"salt": SALT, "digest": "md5:00"}}, {"terms": "none"}, {"purpose": ""}, {"text": []},
        {"registration": 5},
    ],
)  # fmt: skip
def test_claims_that_are_not_a_receipts_are_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(TamperedError, match="claims that are not a receipt's"):
        receipts.read(forged(HEAD, {**claims().to_json(), **changes}))


@pytest.mark.parametrize("name", list(claims().to_json()))
def test_every_claim_must_be_there(name: str) -> None:
    value = claims().to_json()
    del value[name]
    with pytest.raises(TamperedError):
        receipts.read(forged(HEAD, value))


def test_claims_of_later_versions_are_passed_over() -> None:
    assert receipts.read(forged(HEAD, {**claims().to_json(), "exp": 1})).claims == claims()


@given(place=st.integers(0, 10_000), letter=st.characters(min_codepoint=33, max_codepoint=126))
def test_no_changed_letter_is_believed(place: int, letter: str) -> None:
    token = receipts.issue(claims(), SIGNER)
    place %= len(token)
    changed = token[:place] + letter + token[place + 1 :]
    if changed == token:
        return
    try:
        found = receipts.read(changed)
    except TamperedError:
        return
    assert not found.signed_by(SIGNER.public)


@given(token=st.text(max_size=200) | st.from_regex(r"[\w-]*\.[\w-]*\.[\w-]*", fullmatch=True))
def test_anything_else_is_refused_in_words(token: str) -> None:
    with pytest.raises(TamperedError, match="a receipt: a compact JWS"):
        receipts.read(token)


@pytest.mark.parametrize(
    "change",
    [
        lambda t: t + "=", lambda t: t + ".", lambda t: t + "\n", lambda t: " " + t,
        lambda t: t.replace(".", ".A", 1), lambda t: t + "A" * 9000,
    ],
)  # fmt: skip
def test_a_token_is_written_in_one_way(change: Callable[[str], str]) -> None:
    with pytest.raises(TamperedError):
        receipts.read(change(receipts.issue(claims(), SIGNER)))


def test_the_last_letter_of_a_signature_is_written_in_one_way() -> None:
    """64 bytes leave four bits of the last letter without meaning: only zeros are let through."""
    token = receipts.issue(claims(), SIGNER)
    others = [letter for letter in "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"]
    good = []
    for letter in others:
        try:
            if receipts.read(token[:-1] + letter).signed_by(SIGNER.public):
                good.append(letter)
        except TamperedError:
            continue
    assert good == [token[-1]]


def test_a_receipt_that_no_header_could_carry_is_not_issued() -> None:
    with pytest.raises(InputError, match=r"a receipt of at most 6,144 bytes"):
        receipts.issue(claims(purpose="p" * 9000), SIGNER)


# Digests --------------------------------------------------------------------------------------------


@given(value=values, other=values)
def test_a_salted_digest_fits_its_value_alone(value: Any, other: Any) -> None:
    made = Salted.make("answer", value, SALT)
    assert made.fits("answer", json.loads(json.dumps(value)))
    assert not made.fits("request", value)
    assert made.fits("answer", other) == (digest.canonical(value) == digest.canonical(other))
    assert Salted.make("answer", value, "B" * 22).digest != made.digest


@given(value=values)
def test_a_salted_digest_is_that_of_canonical_json(value: Any) -> None:
    """As docs/receipts.md defines it, in one line."""
    plain = digest.of_value({"of": "request", "salt": SALT, "value": value})
    assert Salted.make("request", value, SALT).digest == plain


@given(payloads=st.lists(st.text(st.characters(codec="utf-8")), min_size=1))
def test_a_streams_digest_is_that_of_the_list_of_its_payloads(payloads: list[str]) -> None:
    running = Payloads(SALT)
    for payload in payloads:
        running.add(payload)
    assert running.salted == Salted.make("answer", payloads, SALT)


def test_numbers_are_doubles_and_halves_of_letters_are_mended() -> None:
    assert Salted.make("request", {"seed": 2**53 + 1}, SALT).fits("request", {"seed": 2.0**53})
    assert Salted.make("text", ["a\ud83d"], SALT).fits("text", ["a\ufffd"])
    with pytest.raises(InputError):
        Salted.make("request", {"x": 1e999}, SALT)
    with pytest.raises(InputError):
        Salted.make("request", {"x": 10**400}, SALT)


def test_texts_of_choices() -> None:
    texts = Texts()
    for value in (
        {"choices": [{"index": 1, "delta": {"content": "b"}}, {"index": 0, "delta": {"role": "assistant"}}]},
        {"choices": [{"index": 0, "delta": {"content": "a\ud83d", "reasoning_content": "no"}}]},
        {"choices": [{"index": 0, "delta": {"content": "\ude00"}, "finish_reason": "stop"}]},
        {"choices": []}, {"usage": {}}, [], None, {"choices": [None, {"index": True, "text": None}]},
    ):  # fmt: skip
        texts.add(value)
    assert texts.found == ["a😀", "b"]
    assert Texts().found is None


# Streams --------------------------------------------------------------------------------------------

CHUNKS = [
    b'data: {"choices":[{"index":0,"delta":{"content":"Hel"}}]}\n\n',
    b": ping\n\n",
    'data: {"choices":[{"index":0,"delta":{"content":"lö"}}]}\r\n\r\n'.encode(),
]
DONE = b"data: [DONE]\n\n"
FINISHED = b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n'
SECOND = FINISHED.replace(b'"index":0', b'"index":1')
COMPLETED = b'data: {"type":"response.completed","response":{}}\n\n'


def run(stamp: Stamp, data: bytes, cuts: list[int]) -> bytes:
    places = sorted(cut % (len(data) + 1) for cut in cuts)
    pieces = [data[a:b] for a, b in zip([0, *places], [*places, len(data)], strict=True)]
    return b"".join(stamp.feed(piece) for piece in pieces) + stamp.end()


def split(out: bytes) -> tuple[bytes, list[str]]:
    """The stream without its receipts, and the receipts."""
    form = rb": inbond-receipt ([\w.-]+)\n\n"
    return re.sub(form, b"", out), [token.decode() for token in re.findall(form, out)]


@given(cuts=st.lists(st.integers(0, 1000), max_size=8), done=st.booleans())
def test_a_stream_gets_one_receipt_at_its_end_and_nothing_else_changes(cuts: list[int], done: bool) -> None:
    made = Draft(SIGNER, "i", "r1", "acme", "m", ASKED, None, None, None, (SALT, SALT, SALT))
    data = b"".join(CHUNKS) + FINISHED + (DONE if done else b"")
    out = run(Stamp(made, lambda: 5.9), data, cuts)
    kept, (token,) = split(out)
    assert kept == data
    assert out.endswith(DONE) == done
    found = receipts.read(token)
    assert found.signed_by(SIGNER.public)
    assert found.claims.at == 5
    assert found.claims.text is not None
    assert found.claims.text.fits("text", ["Hellö"])
    payloads = [line[6:].decode() for line in data.splitlines() if line.startswith(b"data: {")]
    assert found.claims.answer.fits("answer", payloads)


@pytest.mark.parametrize(
    "data",
    [
        b"", b": ping\n\n", DONE,
        CHUNKS[0] + b'data: {"error":{"message":"gone"}}\n\n',
        CHUNKS[0] + b'data: {"error":{"message":"gone"}}\n\n' + DONE,
        CHUNKS[0] + b"data: not json\n\n" + DONE,
        CHUNKS[0] + b"data: \xff\n\n" + DONE,
        CHUNKS[0] + b'data: {"choices":[{"ind',
        b'data: {"type":"response.failed","response":{}}\n\n',
        CHUNKS[0] + b'data: {"type":"response.cancelled","response":{}}\n\n',
        CHUNKS[0] + b'data: {"type":"error","message":"gone"}\n\n' + DONE,
        CHUNKS[0], b"".join(CHUNKS), FINISHED + CHUNKS[0].replace(b'"index":0', b'"index":1'),
        b'data: {"type":"response.output_text.delta","delta":"half an ans"}\n\n',
        CHUNKS[0] + FINISHED + b'data: {"choices":[{"ind',
        b'data: {"choices":[{"index":0,"delta":{"content":"one","content":"two"}}]}\n\n' + FINISHED + DONE,
        b'data: {"choices":[{"index":0,"delta":{"content":"one"},"delta":{}}]}\n\n' + DONE,
    ],
)  # fmt: skip
def test_what_failed_or_broke_off_gets_no_receipt_and_passes(issuer: Issuer, data: bytes) -> None:
    assert run(Stamp(draft(issuer), lambda: 0.0), data, []) == data


@pytest.mark.parametrize(
    ("data", "answers"),
    [
        (CHUNKS[0] + FINISHED, 1), (COMPLETED, 1), (COMPLETED.replace(b"completed", b"incomplete"), 1),
        (CHUNKS[0] + SECOND + FINISHED, 2), (CHUNKS[0] + DONE, 2),
    ],
)  # fmt: skip
def test_a_stream_that_came_to_its_end_gets_one(issuer: Issuer, data: bytes, answers: int) -> None:
    kept, found = split(run(Stamp(draft(issuer), lambda: 0.0, answers), data, []))
    assert (kept, len(found)) == (data, 1)


def test_a_stream_of_which_an_answer_is_missing_gets_none(issuer: Issuer) -> None:
    for data in (CHUNKS[0] + FINISHED, SECOND):
        assert run(Stamp(draft(issuer), lambda: 0.0, 2), data, []) == data


def test_events_after_done_pass_and_are_not_signed(issuer: Issuer) -> None:
    data = CHUNKS[0] + DONE + CHUNKS[2] + DONE
    kept, found = split(run(Stamp(draft(issuer), lambda: 0.0), data, []))
    assert kept == data
    assert len(found) == 1


# Whole answers --------------------------------------------------------------------------------------


def test_a_whole_answer(issuer: Issuer) -> None:
    body = b'{ "choices": [{"index": 0, "message": {"content": "Hello"}}], "usage": {"total_tokens": 1.0} }'
    token = draft(issuer).whole(Body.of(body), 12.7)
    assert token is not None
    found = receipts.read(token)
    assert found.signed_by(key_of(issuer))
    assert (found.claims.issuer, found.claims.tenant, found.claims.model) == (
        "https://api.example.com",
        "acme",
        "m",
    )
    assert (found.claims.id, found.claims.at, found.claims.terms) == ("r1", 12, TERMS)
    assert found.claims.request.fits("request", ASKED)
    assert found.claims.answer.fits("answer", json.loads(body))
    assert found.claims.answer.fits("answer", json.loads(body.replace(b"1.0", b"1").replace(b" ", b"")))
    assert found.claims.text is not None
    assert found.claims.text.fits("text", ["Hello"])
    assert len({found.claims.request.salt, found.claims.answer.salt, found.claims.text.salt}) == 3


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b'{"error": {"message": "no"}}',
        b'{"x": 1e999}',
        b"[" * 100_000,
        b'{"choices": [{"message": {"content": "FIRST", "content": "SECOND"}}]}',
        b'{"x": NaN}',
    ],
)
def test_what_is_no_answer_gets_none(issuer: Issuer, body: bytes) -> None:
    assert draft(issuer).whole(Body.of(body), 0.0) is None


def test_embeddings_have_a_receipt_without_a_text(issuer: Issuer) -> None:
    token = draft(issuer).whole(Body.of(b'{"data": [{"embedding": [0.25, -1e-9, 3]}]}'), 0.0)
    assert token is not None
    assert receipts.read(token).claims.text is None


def test_a_request_that_canonical_json_cannot_hold_gets_none(issuer: Issuer) -> None:
    made = issuer.begin("r1", CALLER, "m", {"x": float("inf")}, 0.0)
    assert made.whole(Body.of(b'{"data": []}'), 0.0) is None
    stamp = Stamp(made, lambda: 0.0)
    events = b'data: {"choices": []}\n\ndata: [DONE]\n\n'
    assert stamp.feed(events) + stamp.end() == events


# Keys -----------------------------------------------------------------------------------------------


def test_keys_are_private_and_served_with_those_before_them(tmp_path: Path) -> None:
    store = KeyStore(tmp_path / "receipt-keys")
    issuer = Issuer("i", None, store)
    old, before = key_of(issuer), draft(issuer)
    assert [path.stat().st_mode & 0o777 for path in (store.folder, store.folder / "signing.pem")] == [
        0o700,
        0o600,
    ]
    new = store.rotate().new
    issuer.look()
    assert list(issuer_keys.decode(issuer.keys)) == [new.id, old.id]
    tokens = [before.whole(Body.of(b"{}"), 0.0), draft(issuer).whole(Body.of(b"{}"), 0.0)]
    assert [receipts.read(token).key for token in tokens if token] == [old.id, new.id]
    assert public_keys(store) == [new, old]


def test_a_key_that_others_can_read_is_not_taken_up(tmp_path: Path) -> None:
    store = KeyStore(tmp_path / "receipt-keys")
    issuer = Issuer("i", None, store)
    old = key_of(issuer)
    store.rotate()
    (store.folder / "signing.pem").chmod(0o644)
    issuer.look()
    token = draft(issuer).whole(Body.of(b"{}"), 0.0)
    assert token is not None
    assert receipts.read(token).signed_by(old)


@pytest.mark.parametrize(
    "data",
    [
        b"", b"[]", b"{}", b'{"keys": {}}', b" " * 70_000,
        json.dumps({"keys": [{**issuer_keys.to_jwk(SIGNER.public), "kid": "sha256:" + "0" * 64}]}).encode(),
        json.dumps({"keys": [{**issuer_keys.to_jwk(SIGNER.public), "x": "AAAA"}]}).encode(),
        json.dumps({"keys": [{**issuer_keys.to_jwk(SIGNER.public), "d": "AAAA"}]}).encode(),
        json.dumps({"keys": [{**issuer_keys.to_jwk(SIGNER.public), "kty": "RSA"}]}).encode(),
    ],
)  # fmt: skip
def test_key_sets_that_lie_are_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match="."):
        issuer_keys.decode(data)


def test_keys_of_other_kinds_are_passed_over() -> None:
    listed = [{"kty": "RSA", "n": "x"}, {"kty": "OKP", "crv": "X25519"}, issuer_keys.to_jwk(SIGNER.public)]
    assert list(issuer_keys.decode(json.dumps({"keys": listed}).encode())) == [SIGNER.public.id]


def test_keys_are_pinned_by_a_key_set_or_by_pem(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(issuer_keys.encode([SIGNER.public]))
    (tmp_path / "b").write_text(SIGNER.public.to_pem())
    for name in "ab":
        assert issuer_keys.read_issuer_keys(tmp_path / name) == {SIGNER.public.id: SIGNER.public}
    (tmp_path / "c").write_text('{"keys": []}')
    for name in "cd":
        with pytest.raises(InputError, match="the public keys of an issuer of receipts"):
            issuer_keys.read_issuer_keys(tmp_path / name)


# Test vectors ---------------------------------------------------------------------------------------


def vectors() -> dict[str, Any]:
    """What docs/receipts.md points other implementers to."""
    payloads = [chunk.split(b": ", 1)[1].strip().decode() for chunk in (CHUNKS[0], CHUNKS[2])]
    answer = Salted.make("answer", payloads, "B" * 22)
    made = claims(answer=answer, text=Salted.make("text", ["Hellö"], "C" * 22))
    whole = {"choices": [{"index": 0, "message": {"content": "1.0"}}], "usage": {"total_tokens": 1e21}}
    return {
        "private_key": SIGNER.private.private_bytes_raw().hex(),
        "keys": json.loads(issuer_keys.encode([SIGNER.public])),
        "salted": [
            {"of": of, "salt": salt, "value": value, **Salted.make(of, value, salt).to_json()}  # type: ignore[arg-type]
            for of, salt, value in [
                ("request", SALT, ASKED),
                ("answer", SALT, whole),
                ("answer", "B" * 22, payloads),
                ("text", "C" * 22, ["Hellö"]),
            ]
        ],
        "stream": (b"".join(CHUNKS) + DONE).decode(),
        "claims": made.to_json(),
        "receipt": receipts.issue(made, SIGNER),
    }


def test_the_published_vectors() -> None:
    assert vectors() == json.loads(GOLDEN.read_text("utf-8"))


def test_the_published_receipt_is_valid_by_what_is_published_alone() -> None:
    told = json.loads(GOLDEN.read_text("utf-8"))
    found = receipts.read(told["receipt"])
    key = issuer_keys.decode(json.dumps(told["keys"]).encode())[Digest(found.key)]
    assert found.signed_by(key)
    for item in told["salted"]:
        plain = {"of": item["of"], "salt": item["salt"], "value": item["value"]}
        assert digest.of_value(plain) == item["digest"]


def test_the_longest_names_that_may_be_given_fit_into_a_receipt() -> None:
    longest = claims(issuer="日" * 300, purpose="本" * 500, tenant="t" * 128, model="m" * 200, id="f" * 32,
                     registration=TERMS)  # fmt: skip
    assert receipts.read(receipts.issue(longest, SIGNER)).claims == longest
