"""Who may call: tenants, their accounts and keys, as the operator's file has them. Pure.

Keys are 256 random bits and stored as SHA-256: with nothing to guess, a slow hash would only cost every
request its time. The file holds no key, so that whoever reads it can call nothing::

    tenants:
      acme:
        org: Acme GmbH                    # a verified organisation; leave out where nobody checked
        limits: {spend_usd_per_day: 200}
        registration: {file: acme.registration, key: "sha256:..."}    # docs/receipts.md
        accounts:
          team-a:
            keys: ["sha256:..."]
            limits: {requests_per_minute: 600, concurrency: 16}
            created: 2026-10-01
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Annotated, final

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from inbond.digest import Digest, of_bytes
from inbond.errors import InputError
from inbond.guard import registration
from inbond.guard.registration import Registration
from inbond.policy.strict import first_fault

PREFIX = "ib-"
_Count = Annotated[int, Field(ge=0, le=10**12)]
_Usd = Annotated[float, Field(ge=0, le=1e9, allow_inf_nan=False)]
_Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$")]
_Hash = Annotated[str, Field(pattern=r"^sha256:[0-9a-f]{64}$")]


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


@final
class Limits(_Strict):
    """What one key, account or tenant may use; None for no limit. Minutes, days and months are UTC's."""

    concurrency: _Count | None = None
    requests_per_minute: _Count | None = None
    requests_per_day: _Count | None = None
    tokens_per_minute: _Count | None = None
    tokens_per_day: _Count | None = None
    spend_usd_per_day: _Usd | None = None
    spend_usd_per_month: _Usd | None = None


class _Account(_Strict):
    keys: tuple[_Hash, ...] = ()
    limits: Limits = Limits()
    key_limits: Limits = Limits()
    payment: str | None = None
    mail_domain: str | None = None
    created: date | None = None
    plan: str | None = None


class _Registered(_Strict):
    """Where a registration lies, beside the callers' file, and whose signature it must have."""

    file: str
    key: _Hash


class _Tenant(_Strict):
    org: str | None = None
    registration: _Registered | None = None
    limits: Limits = Limits()
    accounts: dict[_Name, _Account]


class _File(_Strict):
    tenants: dict[_Name, _Tenant]


@final
@dataclass(frozen=True)
class Caller:
    """Whose key it is. ``payment`` is a hash of the means of payment, ``created`` seconds since 1970,
    ``registration`` what its tenant signed, in force or not. ``scopes`` are all limits that a request counts
    against, by the name of their counter."""

    tenant: str
    account: str
    key: str
    org: str | None
    registration: Registration | None
    payment: str | None
    mail_domain: str | None
    created: float | None
    plan: str | None
    scopes: tuple[tuple[str, Limits], ...]

    @property
    def name(self) -> str:
        return f"{self.tenant}/{self.account}"

    def registration_for(self, model: str, at: float) -> Registration | None:
        """The registration, where it covers the use of this model at this time (seconds since 1970)."""
        found = self.registration
        return found if found is not None and found.covers(model, at) else None


@final
@dataclass(frozen=True)
class Callers:
    """All keys that let in, by their hash."""

    by_hash: Mapping[str, Caller]
    files: tuple[str, ...] = ()
    """The files of registrations that were read along with them."""

    def find(self, key: str) -> Caller | None:
        """Looked up by hash: how long that takes tells nothing of any key."""
        return self.by_hash.get(hash_of(key))


def new_key() -> str:
    """256 random bits, with a beginning that secret scanners can know."""
    return PREFIX + secrets.token_urlsafe(32)


def hash_of(key: str) -> Digest:
    """What the callers' file holds of a key."""
    return of_bytes(key.encode("utf-8", "surrogatepass"))


Read = Callable[[str], bytes]
"""Reads a file by its name in the callers' file. Raises InputError."""


def _reads_none(name: str) -> bytes:
    raise InputError(
        expected="callers without registrations, where no file can be read",
        found=f"the registration {name}",
        fix="leave it out",
    )


def parse_callers(place: str, data: bytes, read: Read = _reads_none) -> Callers:
    """Reads the file, and by ``read`` the registrations that it names. Raises InputError naming ``place`` and
    the field, never with a value of a key; and as ``registration.read``."""
    try:
        found = _File.model_validate(yaml.safe_load(data.decode("utf-8")))
    except (ValueError, yaml.YAMLError, RecursionError) as error:
        raise InputError(
            expected=f"tenants with their accounts in {place}",
            found=first_fault(error),
            fix="correct it; docs/guard.md shows every field",
        ) from None
    by_hash: dict[str, Caller] = {}
    registered = _registrations(place, found, read)
    for caller in _callers(found, registered):
        if caller.key in by_hash:
            other = by_hash[caller.key]
            raise InputError(
                expected=f"each key once in {place}",
                found=f"one key for {other.name} and {caller.name}",
                fix="give each account keys of its own",
            )
        by_hash[caller.key] = caller
    named = (tenant.registration.file for tenant in found.tenants.values() if tenant.registration)
    return Callers(by_hash, tuple(dict.fromkeys(named)))


def _registrations(place: str, found: _File, read: Read) -> dict[str, Registration]:
    """By tenant. Raises as ``parse_callers``."""
    registered = {}
    for name, tenant in found.tenants.items():
        if tenant.registration is not None:
            file = tenant.registration.file
            one = registration.read(file, read(file), Digest(tenant.registration.key))
            if one.tenant != name:
                raise InputError(
                    expected=f"the registration of {name} in {file}, as {place} says",
                    found=f"that of {one.tenant}",
                    fix="correct the name of the file, or ask the customer to register under this name",
                )
            registered[name] = one
    return registered


def _callers(found: _File, registered: Mapping[str, Registration]) -> Iterator[Caller]:
    for tenant_name, tenant in found.tenants.items():
        own = registered.get(tenant_name)
        agreed = ((f"registration:{tenant_name}", Limits(spend_usd_per_month=own.budget_usd)),) if own else ()
        for account_name, account in tenant.accounts.items():
            for key in account.keys:
                yield Caller(
                    tenant_name,
                    account_name,
                    key,
                    tenant.org,
                    own,
                    account.payment,
                    account.mail_domain,
                    _seconds(account.created),
                    account.plan,
                    (
                        (f"key:{key[7:23]}", account.key_limits),
                        (f"account:{tenant_name}/{account_name}", account.limits),
                        (f"tenant:{tenant_name}", tenant.limits),
                        *agreed,
                    ),
                )


def _seconds(day: date | None) -> float | None:
    return None if day is None else datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()
