"""Who may call: the operator's file, and keys that it does not hold."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inbond.errors import InputError
from inbond.guard.callers import PREFIX, hash_of, new_key, parse_callers

KEY = new_key()
FILE = f"""
tenants:
  acme:
    org: Acme GmbH
    limits: {{spend_usd_per_day: 200}}
    accounts:
      team-a:
        keys: ["{hash_of(KEY)}"]
        limits: {{requests_per_minute: 600}}
        key_limits: {{concurrency: 16}}
        created: 2026-10-01
"""


def test_a_key_is_found_by_its_hash_with_all_its_limits() -> None:
    caller = parse_callers("callers.yaml", FILE.encode()).find(KEY)
    assert caller is not None
    assert (caller.name, caller.org, caller.created) == ("acme/team-a", "Acme GmbH", 1_790_812_800.0)
    assert [name.partition(":")[0] for name, _ in caller.scopes] == ["key", "account", "tenant"]
    assert [limits.concurrency for _, limits in caller.scopes] == [16, None, None]
    assert caller.scopes[1][0] == "account:acme/team-a"


@given(st.text(max_size=60))
def test_no_other_key_is_found(key: str) -> None:
    assert parse_callers("callers.yaml", FILE.encode()).find(key) is None


def test_keys_are_long_and_never_the_same() -> None:
    keys = {new_key() for _ in range(100)}
    assert len(keys) == 100
    assert all(key.startswith(PREFIX) and len(key) == len(PREFIX) + 43 for key in keys)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("tenants: [", "while parsing"), ("tenants: {a: {accounts: {b: {kees: []}}}}", "kees"),
        ('tenants: {a: {accounts: {b: {keys: ["ib-secret"]}}}}', "keys"),
        ("tenants: {a: {accounts: {b: {limits: {concurrency: -1}}}}}", "concurrency"),
        ("tenants: {a: {accounts: {b: {limits: {spend_usd_per_day: .inf}}}}}", "spend_usd_per_day"),
        ('tenants: {"a/b": {accounts: {}}}', "a/b"),
    ],
)  # fmt: skip
def test_a_slip_of_the_pen_is_named(text: str, found: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_callers("callers.yaml", text.encode())
    assert found in caught.value.found
    assert "callers.yaml" in caught.value.expected
    assert "ib-secret" not in str(caught.value)


def test_a_key_belongs_to_one_account() -> None:
    hashed = hash_of(KEY)
    text = f'tenants: {{a: {{accounts: {{b: {{keys: ["{hashed}"]}}, c: {{keys: ["{hashed}"]}}}}}}}}'
    with pytest.raises(InputError, match="one key for a/b and a/c"):
        parse_callers("callers.yaml", text.encode())


@given(st.binary(max_size=100))
def test_whatever_is_in_the_file_is_read_or_refused(data: bytes) -> None:
    try:
        parse_callers("callers.yaml", data)
    except InputError as error:
        assert error.fix
