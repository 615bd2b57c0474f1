"""Receipts of odd answers, and what only looks like one."""

from __future__ import annotations

from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from inbond.errors import InbondError
from inbond.guard import sse
from inbond.guard.body import Body
from inbond.guard.receipts import Draft, Stamp
from inbond.ledger import receipts
from inbond.ledger.attest import Signer
from tests.guard_odd_input import FUZZ, JSON, OBJECTS, STREAMS, TEXTS, cut, dumped

SALT = "A" * 22
SIGNER = Signer(Ed25519PrivateKey.from_private_bytes(b"k" * 32))


def draft(asked: Any) -> Draft:
    return Draft(SIGNER, "http://g", "r", "t", "m", asked, None, None, None, (SALT, SALT, SALT))


@FUZZ
@given(OBJECTS, STREAMS | JSON.map(dumped), st.integers(1, 60))
def test_receipts_of_whatever_was_asked_and_answered(asked: Any, data: bytes, size: int) -> None:
    """Nothing of the answer changes, and what is signed can be read."""
    made = draft(asked)
    token = made.whole(Body.of(data), 1e9)
    if token is not None:
        assert receipts.read(token).claims.tenant == "t"
    stamp = Stamp(made, lambda: 1e9)
    out = b"".join(stamp.feed(piece) for piece in cut(data, size))
    events = sse.Events()
    passed = b"".join(each.raw for each in events.feed(data))
    stamped = out + stamp.end()
    head, _, rest = stamped.partition(b": inbond-receipt ")
    kept = head + rest.partition(b"\n\n")[2] if rest else head
    assert kept in (passed + events.rest, passed) or b"inbond-receipt" in data


@FUZZ
@given(
    st.text(max_size=60)
    | st.text("ey.AZaz09-_=", max_size=90)
    | st.lists(TEXTS, min_size=3, max_size=3).map(".".join)
)
def test_receipts_that_are_none(token: str) -> None:
    try:
        receipts.read(token)
    except InbondError as error:
        assert len(str(error)) < 2_000
    else:
        raise AssertionError(token)
