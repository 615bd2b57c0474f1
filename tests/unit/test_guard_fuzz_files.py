"""Odd files of operators and customers, and clocks that say anything."""

from __future__ import annotations

import json
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from inbond.errors import InbondError
from inbond.guard import config, registration
from inbond.guard.budget import Usage, bounds, claims
from inbond.guard.callers import Limits, parse_callers
from inbond.guard.config import ModelPolicy
from inbond.ledger import issuer_keys
from inbond.ledger.attest import Signer
from tests.guard_odd_input import FUZZ, JSON, dumped

SIGNER = Signer(Ed25519PrivateKey.from_private_bytes(b"k" * 32))
YAML = (
    st.text(max_size=60)
    | JSON.map(json.dumps)
    | st.sampled_from(
        [
            "a: &a [*a]",
            "? {}",
            "!!python/object:os.system x",
            "- " * 3_000,
            "{" * 3_000,
            "a: " + "9" * 5_000,
            "\t",
            "---\n---",
            "tenants: {t: {accounts: {a: {keys: [x], created: 9999-99-99}}}}",
            "tenants: {t: {accounts: {a: {created: 0001-01-01}}}}",
            "<<: [1]",
            "tenants: {t: {accounts: {a: {limits: {concurrency: .inf}}}}}",
            "upstream: {url: 'http://[::1'}",
            "upstream: {url: 'http://h:99999'}",
            "upstream: {url: http://h}\nmodels: {m: {think_tags: [['', x]]}}",
        ]
    )
)


@FUZZ
@given(YAML.map(lambda text: text.encode("utf-8", "surrogatepass")) | st.binary(max_size=60))
def test_files_of_operators(data: bytes) -> None:
    for read in (config.parse_config, parse_callers):
        try:
            read("a.yaml", data)
        except InbondError as error:
            assert "a.yaml" in str(error)
            assert len(str(error)) < 2_000


@FUZZ
@given(JSON.map(dumped) | st.binary(max_size=60))
def test_registrations_and_key_sets(data: bytes) -> None:
    for read in (
        lambda: registration.read("acme.registration", data, SIGNER.public.id),
        lambda: issuer_keys.decode(data),
    ):
        try:
            read()
        except (InbondError, ValueError) as error:
            assert len(str(error)) < 2_000


@FUZZ
@given(st.floats(0, 2.5e11), st.sampled_from(["minute", "day", "month"]))
def test_whatever_the_clock_says_it_is_in_its_window(at: float, window: Any) -> None:
    begins, ends = bounds(window, at)
    assert begins <= at < ends
    assert bounds(window, ends)[0] == ends
    limits = Limits(tokens_per_day=5, spend_usd_per_month=1.0)
    assert len(claims((("a", limits),), Usage(1, 1), ModelPolicy().price, at)) == 2
