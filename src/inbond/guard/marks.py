"""A request becomes numbers and its text is forgotten: the only thing that detection ever sees. Pure.

A mark holds sketches of the system and the user text (``sketch``), whether the text asks for hidden reasoning
(``elicitation``), what came of sealed reasoning handed back, and hashes of what is known of the account. Its
bytes begin with a version, and are what ``State.put_marks`` keeps until their window is folded.
"""

from __future__ import annotations

import struct
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any, Final, Literal, final

import numpy as np

from inbond.digest import Digest, of_bytes
from inbond.guard import elicitation
from inbond.guard.sketch import EMPTY, SYSTEM_BINS, USER_BINS, Sketch, sketch, tokens

FORMAT: Final = b"inbond.mark/2\0"
UNKNOWN: Final = 0
Sealed = Literal["ok", "rejected", "foreign"]
_SEALED: Final[tuple[Sealed | None, ...]] = (None, "ok", "rejected", "foreign")
MOST_ENVELOPES: Final = 4
"""Numbers of foreign envelopes that a mark holds: of a long history the same few each time."""
_NUMBERS: Final = struct.Struct(f"<q10Q{MOST_ENVELOPES}QiII4B{SYSTEM_BINS}I{USER_BINS}I")
_SIZE: Final = struct.Struct("<H")
NUMBERS: Final = np.dtype(
    [
        ("ts_ms", "<i8"),
        *((name, "<u8") for name in ("party", "tenant", "payment", "client", "mail_domain")),
        *((name, "<u8") for name in ("ip", "asn", "plan", "model", "conversation")),
        ("envelopes", "<u8", (MOST_ENVELOPES,)),
        *(("created", "<i4"), ("prompt_tokens", "<u4"), ("output_tokens", "<u4")),
        *((name, "u1") for name in ("registered", "refused", "sealed", "elicitation")),
        *(("system", "<u4", (SYSTEM_BINS,)), ("user", "<u4", (USER_BINS,))),
    ]
)
"""The numbers of a mark as they stand in its bytes."""
FOREIGN: Final = _SEALED.index("foreign")
_NOTHING: Final[Sketch] = (EMPTY,) * SYSTEM_BINS
_MOST_NAME: Final = 512
_DAY_S: Final = 86_400


@final
@dataclass(frozen=True)
class About:
    """What is known of a request besides its text; None for what is not. Times are seconds since 1970,
    ``org`` is a verified organisation, ``registered`` whether a signed registration is in force for what was
    asked; ``foreign`` are the numbers of envelopes that were sealed for strangers, where they are known."""

    ts: float
    request: str
    account: str
    tenant: str | None = None
    org: str | None = None
    registered: bool = False
    ip: str | None = None
    asn: str | None = None
    client: str | None = None
    payment: str | None = None
    mail_domain: str | None = None
    created: float | None = None
    plan: str | None = None
    model: str | None = None
    conversation: str | None = None
    prompt_tokens: int = 0
    output_tokens: int = 0
    sealed: Sealed | None = None
    refused: bool = False
    foreign: tuple[int, ...] = ()


@final
@dataclass(frozen=True, order=True)
class Mark:
    """One request in numbers. ``ts_ms`` milliseconds and ``created`` days since 1970; 64-bit hashes, 0 for
    unknown; ``party`` is the organisation, else the tenant: members of one party are linked in the open, and
    an unknown one is nobody's. ``envelopes`` are the smallest numbers of foreign ones, then zeros.
    ``elicitation`` is a code of ``elicitation.KINDS``."""

    ts_ms: int
    request: str
    account: str
    party: int
    tenant: int
    payment: int
    client: int
    mail_domain: int
    ip: int
    asn: int
    plan: int
    model: int
    conversation: int
    envelopes: tuple[int, ...]
    created: int
    prompt_tokens: int
    output_tokens: int
    registered: bool
    refused: bool
    sealed: int
    elicitation: int
    system: Sketch
    user: Sketch

    @property
    def elicits(self) -> bool:
        """By deceit or circumvention; an open question for reasons does not count."""
        return self.elicitation > elicitation.PLAIN

    @property
    def foreign(self) -> bool:
        """It handed back reasoning that was sealed for somebody else."""
        return self.sealed == FOREIGN

    def to_bytes(self) -> bytes:
        """At most about 1.3 KB; ``from_bytes`` reads it."""
        numbers = _NUMBERS.pack(
            self.ts_ms, self.party, self.tenant, self.payment, self.client, self.mail_domain, self.ip,
            self.asn, self.plan, self.model, self.conversation, *self.envelopes, self.created,
            self.prompt_tokens, self.output_tokens, self.registered, self.refused, self.sealed,
            self.elicitation, *self.system, *self.user,
        )  # fmt: skip
        names = (name.encode("utf-8", "surrogatepass") for name in (self.request, self.account))
        return FORMAT + numbers + b"".join(_SIZE.pack(len(name)) + name for name in names)


@final
class Systems:
    """What was found of system prompts, by their digests: an application says the same one each time. The
    ``most`` that were seen last are kept, and no text."""

    def __init__(self, most: int = 1_024) -> None:
        self._most = most
        self._found: OrderedDict[Digest, tuple[int, Sketch]] = OrderedDict()

    def of(self, text: str) -> tuple[int, Sketch]:
        """Its code of ``elicitation.KINDS``, and its sketch."""
        if not text:
            return elicitation.NONE, _NOTHING
        name = of_bytes(text.encode("utf-8", "surrogatepass"))
        found = self._found.get(name)
        if found is None:
            seen = elicitation.folded(text)
            found = elicitation.kind_of(text, seen), sketch(tokens(seen), SYSTEM_BINS)
            self._found[name] = found
            if len(self._found) > self._most:
                self._found.popitem(last=False)
        else:
            self._found.move_to_end(name)
        return found


def read(about: About, system: str, user: str, systems: Systems | None = None) -> Mark:
    """Makes the mark of a request. Texts of any length; what lies far from both ends is not looked at.
    ``systems`` remembers what was found of system prompts, for one thread."""
    system_kind, system_sketch = (systems or Systems()).of(system)
    user_seen = elicitation.folded(user)
    return Mark(
        round(about.ts * 1_000),
        _name(about.request),
        _name(about.account),
        hashed(about.org or about.tenant),
        hashed(about.tenant),
        hashed(about.payment),
        hashed(about.client),
        hashed(about.mail_domain),
        hashed(about.ip),
        hashed(about.asn),
        hashed(about.plan),
        hashed(about.model),
        hashed(about.conversation),
        _smallest(about.foreign),
        UNKNOWN if about.created is None else max(1, min(2**31 - 1, int(about.created // _DAY_S))),
        _count(about.prompt_tokens),
        _count(about.output_tokens),
        about.registered,
        about.refused,
        _SEALED.index(about.sealed),
        max(system_kind, elicitation.kind_of(user, user_seen)),
        system_sketch,
        sketch(tokens(user_seen), USER_BINS),
    )


def from_bytes(data: bytes) -> Mark:
    """Reads what ``Mark.to_bytes`` wrote. Raises ValueError for anything else."""
    written, request, account = parts(data)
    ts, *numbers = _NUMBERS.unpack(written)
    hashes, envelopes = numbers[:10], tuple(numbers[10 : 10 + MOST_ENVELOPES])
    rest, sketches = numbers[10 + MOST_ENVELOPES :][:7], numbers[17 + MOST_ENVELOPES :]
    created, prompt_tokens, output_tokens, registered, refused, sealed, kind = rest
    known = sealed < len(_SEALED) and kind < len(elicitation.KINDS) and registered < 2 and refused < 2
    if not known:
        raise ValueError("a mark does not hold together")
    flags = (bool(registered), bool(refused), sealed, kind)
    texts = (tuple(sketches[:SYSTEM_BINS]), tuple(sketches[SYSTEM_BINS:]))
    values: tuple[Any, ...] = (
        ts, request, account, *hashes, envelopes, created, prompt_tokens, output_tokens, *flags, *texts
    )  # fmt: skip
    return Mark(*values)


def parts(data: bytes) -> tuple[bytes, str, str]:
    """Of a mark's bytes: those of its NUMBERS, its request and its account. Raises ValueError."""
    if not data.startswith(FORMAT):
        raise ValueError("not a mark of this version")
    start, end = len(FORMAT), len(FORMAT) + _NUMBERS.size
    try:
        request, at = _string(data, end)
        account, at = _string(data, at)
    except struct.error as error:
        raise ValueError("a mark is cut off") from error
    if at != len(data):
        raise ValueError("a mark does not hold together")
    return data[start:end], request, account


def ts_of(numbers: bytes) -> int:
    """The milliseconds since 1970 in a mark's NUMBERS."""
    return int.from_bytes(numbers[:8], "little", signed=True)


def hashed(text: str | None) -> int:
    """64 bits of the digest, never 0; 0 for nothing."""
    if not text:
        return UNKNOWN
    return int(of_bytes(text.encode("utf-8", "surrogatepass"))[7:23], 16) or 1


def _name(text: str) -> str:
    """A name as it is; one that is too long ends in its digest, so that it stays its own."""
    if len(text.encode("utf-8", "surrogatepass")) <= _MOST_NAME:
        return text
    return f"{text[:64]}~{hashed(text):016x}"


def _smallest(numbers: tuple[int, ...]) -> tuple[int, ...]:
    kept = sorted({number & (2**63 - 1) for number in numbers} - {UNKNOWN})[:MOST_ENVELOPES]
    return (*kept, *(UNKNOWN for _ in range(MOST_ENVELOPES - len(kept))))


def _count(number: int) -> int:
    return max(0, min(2**32 - 1, number))


def _string(data: bytes, at: int) -> tuple[str, int]:
    (size,) = _SIZE.unpack_from(data, at)
    at += _SIZE.size
    if at + size > len(data):
        raise ValueError("a mark is cut off")
    return data[at : at + size].decode("utf-8", "surrogatepass"), at + size
