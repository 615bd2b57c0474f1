"""The hash of a new key is written into the operator's file, and nothing else there changes."""

from __future__ import annotations

import pytest

from inbond.errors import InputError
from inbond.guard import key_placing
from inbond.guard.callers import hash_of, parse_callers

OLD, NEW = hash_of("old"), hash_of("new")
FLOW = f"""# ours
tenants:
  東京:
    accounts:
      a:   {{keys: ["{OLD}"], plan: x}}   # the first
      b: {{keys: ["{hash_of("b")}"]}}
"""
BLOCK = f"""unlisted: {{}}
tenants:
  t:
    accounts:
      a:
        keys:
          - "{hash_of("a")}"   # laptop
          - {OLD}
        limits: {{concurrency: 1}}
"""
LAST = f"tenants:\n  t:\n    accounts:\n      a:\n        keys:\n        - {OLD}"


def none(name: str) -> bytes:
    raise AssertionError(name)


def added(text: str, account: str | None, *, within: bool = False) -> str:
    data, whose = key_placing.with_key("c.yaml", text.encode(), account, NEW, none, within=within)
    assert parse_callers("c.yaml", data, within=within).find("new").name == whose
    return data.decode()


@pytest.mark.parametrize(
    ("text", "account", "before", "after"),
    [
        (FLOW, "東京/a", f'["{OLD}"]', f'["{OLD}", "{NEW}"]'),
        (BLOCK, "t/a", f"- {OLD}\n", f'- {OLD}\n          - "{NEW}"\n'),
        (LAST, None, f"- {OLD}", f'- {OLD}\n        - "{NEW}"'),
        ("\ufeff" + LAST, None, f"\ufeff{LAST}", f'{LAST}\n        - "{NEW}"'),
    ],
)
def test_all_else_stays_as_it_was(text: str, account: str | None, before: str, after: str) -> None:
    assert added(text, account, within=text == BLOCK) == text.replace(before, after)


def test_a_file_begun_anew_serves_one_account() -> None:
    for account in (key_placing.FIRST, "東京/支店", "no/yes", "1/2026-01-01"):
        text = key_placing.begun(account, OLD)
        assert parse_callers("guard.yaml", text.encode(), within=True).find("old").name == account
        assert f'["{OLD}", "{NEW}"]' in added(text, None, within=True)


@pytest.mark.parametrize(
    ("text", "account", "expected", "fix"),
    [
        (FLOW, None, "--account, since c.yaml has 2 accounts with keys", "--account 東京/a"),
        (
            "tenants: {}",
            None,
            "--account, since c.yaml has no accounts with keys",
            "--account TENANT/ACCOUNT",
        ),
        (FLOW, "東京/c", "keys of 東京/c in c.yaml", f'below tenants and accounts: keys: ["{NEW}"]'),
        ("tenants: {t: {accounts: {a: {}}}}", "t/a", "keys of t/a in c.yaml", "write it there yourself"),
        (FLOW, "tokyo", "an account as TENANT/ACCOUNT", "--account acme/team-a"),
        ("tenants: [", None, "tenants with their accounts in c.yaml", "docs/guard.md shows every field"),
        (
            f'x: &k ["{OLD}"]\ntenants: {{t: {{accounts: {{a: {{keys: *k}}}}}}}}',
            "t/a",
            "tenants with",
            "correct",
        ),
    ],
)
def test_what_cannot_be_added_to_is_said_with_the_line_to_write(
    text: str, account: str | None, expected: str, fix: str
) -> None:
    with pytest.raises(InputError) as caught:
        key_placing.with_key("c.yaml", text.encode(), account, NEW, none, within=False)
    assert caught.value.expected.startswith(expected)
    assert fix in caught.value.fix
