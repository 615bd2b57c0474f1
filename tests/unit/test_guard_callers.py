"""Who may call: the operator's file, and keys that it does not hold."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inbond.errors import InputError
from inbond.guard.callers import PREFIX, Unknown, hash_of, new_key, parse_callers

KEY = f"{PREFIX}Mxa_tt5CtAmv5wyHkK0zjMCnAIPcivX9aoIkicMrFFo"
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
        ("tenants:\n  [", "line 3: did not find expected node content"),
        ("tenants: {a: {accounts: {b: {kees: []}}}}", "tenants.a.accounts.b.kees: there is no such field"),
        ('tenants: {a: {accounts: {b: {keys: ["ib-secret"]}}}}', "keys"),
        (f'tenants: {{a: {{accounts: {{b: {{keys: ["{KEY}"]}}}}}}}}',
         "keys.0: a key itself; write its hash, which inbond guard key prints beside it"),
        (f'tenants: {{a: {{accounts: {{"{KEY}": {{}}}}}}}}', "accounts.(a key): a key itself"),
        ("tenants: {a: {accounts: {b: {keys: sha256}}}}", "keys: write a list, in square brackets"),
        ("tenants: [a]", "tenants: write names with values, as docs/guard.md shows"),
        ("", "the file: write names with values"), ("{}", "tenants: it has to be there"),
        ("tenants:\n  a: {accounts: {}}\n  a: {accounts: {}}", "line 2: 'a' stands twice"),
        ('{"tenants": {"a": {"accounts": {}}, "a": {"accounts": {}}}}', "'a' stands twice"),
        ("tenants: " + "[" * 20_000 + "]" * 20_000, "nested more than 32 deep"),
        ("tenants: {a: {accounts: {b: {created: 2026-13-01}}}}", "month must be in 1..12"),
        ("tenants: {a: {accounts: {b: {created: 5}}}}", "created: give a day as YYYY-MM-DD"),
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


@pytest.mark.parametrize("name", ["東京支店", "Müller GmbH", "a.b_c-1", "営業・東", "ذكي", "a@b+c", "1"])
def test_names_of_any_script(name: str) -> None:
    text = json.dumps({"tenants": {name: {"accounts": {name: {"keys": [hash_of(KEY)]}}}}})
    caller = parse_callers("callers.yaml", text.encode()).find(KEY)
    assert caller is not None
    assert caller.name == f"{name}/{name}"


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("a/b", "begins with a letter"), ("a\u202eb", "begins with a letter"), ("", "1 to 128"),
        ("-a", "begins"),
        ("a\nb", "begins"), ("a ", "begins"), ("a\u0000", "begins"), ("か\u3099", "NFC"),
        ("a" * 129, "1 to 128"),
        ("a\u200db", "begins"), ("a|b", "begins"), ("<b>", "begins"),
    ],
)  # fmt: skip
def test_names_that_steer_a_page_or_can_be_written_in_two_ways(name: str, found: str) -> None:
    for text in (
        {"tenants": {name: {"accounts": {}}}},
        {"tenants": {"t": {"accounts": {name: {}}}}},
    ):
        with pytest.raises(InputError) as caught:
            parse_callers("callers.yaml", json.dumps(text).encode())
        assert found in caught.value.found


def test_tenants_may_be_one_field_of_many() -> None:
    text = FILE.replace("tenants:", "upstream: {url: x}\ntenants:", 1)
    assert parse_callers("guard.yaml", text.encode(), within=True).find(KEY) is not None
    with pytest.raises(InputError, match="upstream: there is no such field"):
        parse_callers("callers.yaml", text.encode())


def test_what_is_not_known_of_accounts_is_counted() -> None:
    known = f'tenants: {{a: {{accounts: {{b: {{keys: ["{hash_of(KEY)}"], payment: x}}, no-key: {{}}}}}}}}'
    assert parse_callers("callers.yaml", known.encode()).unknown == Unknown(1, 0, 1)


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
