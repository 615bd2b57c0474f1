"""Where the hash of a new key goes: into the text of the operator's file, which else stays as it was written.
Pure."""

from __future__ import annotations

from typing import Any, Final

import yaml

from inbond.digest import Digest, to_raw
from inbond.errors import InputError
from inbond.guard.callers import Read, parse_callers

FIRST: Final = "own/first"
"""The account of a file that is begun anew."""


def begun(account: str, hashed: Digest) -> str:
    """A whole guard.yaml with one account: what is needed to serve. Raises InputError for a bad name."""
    tenant, name = split(account)
    return f"""# The guard of a model API. docs/guard.md has every field.
unlisted: {{reasoning: strip}}       # any model of the server; name yours under models, with their prices
tenants:
  {_quoted(tenant)}:
    accounts:
      {_quoted(name)}:
        keys: ["{hashed}"]
        limits: {{concurrency: 16, requests_per_minute: 600}}
"""


def split(account: str) -> tuple[str, str]:
    """Tenant and account. Raises InputError."""
    tenant, slash, name = account.partition("/")
    if not (tenant and slash and name) or "/" in name:
        raise InputError(
            expected="an account as TENANT/ACCOUNT", found=f"{account!r:.200}", fix="--account acme/team-a"
        )
    return tenant, name


def with_key(
    place: str, data: bytes, account: str | None, hashed: Digest, read: Read, *, within: bool
) -> tuple[bytes, str]:
    """The file with one key more of an account that has some, and which account that is: the only one, where
    none is named. Raises InputError, also where the text is written in a way that cannot be added to; and as
    ``parse_callers``."""
    before = parse_callers(place, data, read, within=within)
    whose = account or _only(place, sorted({caller.name for caller in before.by_hash.values()}))
    tenant, name = split(whose)
    text = data.decode("utf-8-sig")
    keys = _under(yaml.compose(text, yaml.CSafeLoader), "tenants", tenant, "accounts", name, "keys")
    if not isinstance(keys, yaml.SequenceNode) or not keys.value:
        raise _by_hand(place, whose, hashed)
    added = _added(text, keys, hashed).encode()
    try:
        after = parse_callers(place, added, read, within=within)
    except InputError:
        raise _by_hand(place, whose, hashed) from None
    found = after.by_hash.get(to_raw(hashed))
    if found is None or found.name != whose or len(after.by_hash) != len(before.by_hash) + 1:
        raise _by_hand(place, whose, hashed)
    return added, whose


def _only(place: str, accounts: list[str]) -> str:
    if len(accounts) == 1:
        return accounts[0]
    raise InputError(
        expected=f"--account, since {place} has {len(accounts) or 'no'} accounts with keys",
        found="none",
        fix=f"--account {accounts[0] if accounts else 'TENANT/ACCOUNT'}",
    )


def _under(node: Any, *names: str) -> Any:
    for name in names:
        pairs = node.value if isinstance(node, yaml.MappingNode) else []
        node = next((value for key, value in pairs if key.value == name), None)
    return node


def _added(text: str, keys: yaml.SequenceNode, hashed: Digest) -> str:
    last = keys.value[-1]
    at = last.end_mark.index
    if keys.flow_style:
        return f'{text[:at]}, "{hashed}"{text[at:]}'
    begins = text.rfind("\n", 0, last.start_mark.index) + 1
    dash = text[begins : last.start_mark.index]
    ends = text.find("\n", at)
    ends = len(text) if ends < 0 else ends
    return f'{text[:ends]}\n{dash}"{hashed}"{text[ends:]}'


def _by_hand(place: str, account: str, hashed: Digest) -> InputError:
    return InputError(
        expected=f"keys of {account} in {place}, to write the new one's hash beside",
        found="none, or written in a way that cannot be added to",
        fix=f'write it there yourself, below tenants and accounts: keys: ["{hashed}"]',
    )


def _quoted(name: str) -> str:
    """A name as YAML reads it back."""
    return yaml.safe_dump(name, allow_unicode=True, width=1_000).split("\n")[0]
