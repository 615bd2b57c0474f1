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
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from typing import Annotated, Final, final

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from inbond.digest import Digest, of_bytes, to_raw
from inbond.errors import InputError
from inbond.guard import registration
from inbond.guard.operator_files import fault, looks_like_key, values
from inbond.guard.registration import Registration
from inbond.policy.strict import Day

PREFIX = "ib-"
_LONGEST_NAME: Final = 128
_WITHIN: Final = frozenset("._-@+・ ")


def _named(name: str) -> str:
    """A name as logs, pages and shells can show it, and as nobody can write it in two ways."""
    if not 1 <= len(name) <= _LONGEST_NAME:
        raise ValueError(f"a name has 1 to {_LONGEST_NAME} characters")
    if unicodedata.normalize("NFC", name) != name:
        raise ValueError("write the name in Unicode's composed form (NFC)")
    if looks_like_key(name):
        raise ValueError("that is a key, and names are shown")
    fits = all(letter in _WITHIN or unicodedata.category(letter)[0] in "LMN" for letter in name)
    if not fits or unicodedata.category(name[0])[0] not in "LN" or name.endswith(" "):
        raise ValueError(
            "a name begins with a letter or digit; letters, digits, . _ - @ + ・ and spaces follow"
        )
    return name


_Count = Annotated[int, Field(ge=0, le=10**12)]
_Usd = Annotated[float, Field(ge=0, le=1e9, allow_inf_nan=False)]
_Name = Annotated[str, AfterValidator(_named)]
Hash = Annotated[str, Field(pattern=r"^sha256:[0-9a-f]{64}$")]
"""The digest of a key, as files write it."""


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


@final
class Account(_Strict):
    """One account: hashes of its keys, what it and each of its keys may use, and what its provider knows of
    it. ``payment`` is a hash of the means of payment, ``created`` the day of sign-up."""

    keys: tuple[Hash, ...] = ()
    limits: Limits = Limits()
    key_limits: Limits = Limits()
    payment: str | None = None
    mail_domain: str | None = None
    created: Day | None = None
    plan: str | None = None


@final
class Registered(_Strict):
    """Where a registration lies, beside the callers' file, and whose signature it must have."""

    file: str
    key: Hash


@final
class Tenant(_Strict):
    """One customer: accounts that are declared to belong together."""

    org: str | None = None
    registration: Registered | None = None
    limits: Limits = Limits()
    accounts: dict[_Name, Account]


class _File(_Strict):
    tenants: dict[_Name, Tenant]


@final
@dataclass(frozen=True, slots=True)
class Caller:
    """Whose key it is. ``key`` are the 32 bytes of its hash, ``payment`` is a hash of the means of payment,
    ``created`` seconds since 1970, ``registration`` what its tenant signed, in force or not. ``limits`` are
    those of the key, the account and the tenant. There are 100,000 of these in memory: what is alike is kept
    once, and names of counters are made when they are asked for."""

    tenant: str
    account: str
    key: bytes
    org: str | None
    registration: Registration | None
    payment: str | None
    mail_domain: str | None
    created: float | None
    plan: str | None
    limits: tuple[Limits, ...]

    @property
    def name(self) -> str:
        return f"{self.tenant}/{self.account}"

    @property
    def scopes(self) -> tuple[tuple[str, Limits], ...]:
        """All limits that a request counts against, by the name of their counter."""
        names = (f"key:{self.key.hex()[:16]}", f"account:{self.name}", f"tenant:{self.tenant}")
        own = tuple(zip(names, self.limits, strict=True))
        if self.registration is None:
            return own
        agreed = Limits(spend_usd_per_month=self.registration.budget_usd)
        return (*own, (f"registration:{self.tenant}", agreed))

    def registration_for(self, model: str, at: float) -> Registration | None:
        """The registration, where it covers the use of this model at this time (seconds since 1970)."""
        found = self.registration
        return found if found is not None and found.covers(model, at) else None


@final
@dataclass(frozen=True)
class Unknown:
    """Of how many ``accounts`` it is not known who pays for them and when they signed up."""

    accounts: int = 0
    payment: int = 0
    created: int = 0

    @property
    def blind(self) -> tuple[str, ...]:
        """What detection cannot see for want of it, a sentence each; none where all is known."""
        said = []
        if self.payment:
            said.append(
                f"{self.payment:,} of {self.accounts:,} accounts have no payment: who shares a means of "
                "payment is not seen among them"
            )
        if self.created:
            said.append(
                f"{self.created:,} of {self.accounts:,} accounts have no created: templates, and sign-ups "
                "together, are not seen among them"
            )
        return tuple(said)

    @property
    def words(self) -> list[str]:
        """The same without numbers: how many customers there are is nobody's business."""
        names = [name for name, count in (("payment", self.payment), ("created", self.created)) if count]
        return [f"accounts without {name} are seen less of" for name in names]


@final
@dataclass(frozen=True)
class Callers:
    """All keys that let in, by the 32 bytes of their hash."""

    by_hash: Mapping[bytes, Caller]
    files: tuple[str, ...] = ()
    """The files of registrations that were read along with them."""
    unknown: Unknown = Unknown()

    def find(self, key: str) -> Caller | None:
        """Looked up by hash: how long that takes tells nothing of any key."""
        return self.by_hash.get(to_raw(hash_of(key)))


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


def parse_callers(place: str, data: bytes, read: Read = _reads_none, *, within: bool = False) -> Callers:
    """Reads the file, and by ``read`` the registrations that it names. ``within``: tenants are one of the
    fields of guard.yaml. Raises InputError naming ``place`` and the field, never with a value of a key; and
    as ``registration.read``."""
    try:
        value = values(data)
        if within and isinstance(value, dict):
            value = {"tenants": value["tenants"]} if "tenants" in value else {}
        found = _File.model_validate(value)
    except (ValueError, yaml.YAMLError, RecursionError) as error:
        raise InputError(
            expected=f"tenants with their accounts in {place}",
            found=fault(error),
            fix="correct it; docs/guard.md shows every field",
        ) from None
    by_hash: dict[bytes, Caller] = {}
    registered = _registrations(place, found, read)
    for caller in alike(_callers(found, registered)):
        if caller.key in by_hash:
            other = by_hash[caller.key]
            raise InputError(
                expected=f"each key once in {place}",
                found=f"one key for {other.name} and {caller.name}",
                fix="give each account keys of its own",
            )
        by_hash[caller.key] = caller
    named = (tenant.registration.file for tenant in found.tenants.values() if tenant.registration)
    return Callers(by_hash, tuple(dict.fromkeys(named)), _unknown(found))


def _unknown(found: _File) -> Unknown:
    accounts = [each for tenant in found.tenants.values() for each in tenant.accounts.values() if each.keys]
    return Unknown(
        len(accounts),
        sum(each.payment is None for each in accounts),
        sum(each.created is None for each in accounts),
    )


def alike(callers: Iterable[Caller]) -> Iterator[Caller]:
    """The same callers, with what is alike kept once."""
    limits: dict[tuple[Limits, ...], tuple[Limits, ...]] = {}
    texts: dict[str | None, str | None] = {}
    registrations: dict[str, Registration | None] = {}
    for each in callers:
        yield replace(
            each,
            tenant=texts.setdefault(each.tenant, each.tenant) or "",
            org=texts.setdefault(each.org, each.org),
            registration=registrations.setdefault(each.tenant, each.registration),
            mail_domain=texts.setdefault(each.mail_domain, each.mail_domain),
            plan=texts.setdefault(each.plan, each.plan),
            limits=limits.setdefault(each.limits, each.limits),
        )


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
        for account_name, account in tenant.accounts.items():
            for key in account.keys:
                yield Caller(
                    tenant_name,
                    account_name,
                    to_raw(Digest(key)),
                    tenant.org,
                    own,
                    account.payment,
                    account.mail_domain,
                    _seconds(account.created),
                    account.plan,
                    (account.key_limits, account.limits, tenant.limits),
                )


def _seconds(day: date | None) -> float | None:
    return None if day is None else datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()
