"""One simulated request, in the format that ``guard evaluate`` reads, and the truth about it beside."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Literal, final

Sealed = Literal["ok", "rejected", "foreign"]


@final
@dataclass(frozen=True, slots=True)
class Truth:
    """What no detector is told. ``lawful`` is of the account, ``illicit`` of this very request."""

    profile: str
    lawful: bool
    illicit: bool


@final
@dataclass(frozen=True, slots=True)
class Row:
    """``ts`` and ``created`` are seconds since 1970. ``payment`` is a hash of the card, after one of its
    issuer (the BIN). ``prompt`` is what the user's side said last, ``prompt_tokens`` are of the whole
    conversation. ``sealed``: what became of reasoning that was handed back, None when none was."""

    ts: float
    request_id: str
    tenant: str
    account: str
    org: str | None
    registered: bool
    ip: str
    asn: int
    client: str | None
    payment: str | None
    mail_domain: str
    created: float
    plan: str
    model: str
    conversation: str | None
    system: str | None
    prompt: str
    prompt_tokens: int
    output_tokens: int
    sealed: Sealed | None
    refused: bool
    truth: Truth

    def to_json(self) -> dict[str, Any]:
        """The fields as they are named, in their order."""
        value: dict[str, Any] = {name: getattr(self, name) for name in _FIELDS}
        truth = self.truth
        value["truth"] = {"profile": truth.profile, "lawful": truth.lawful, "illicit": truth.illicit}
        return value

    def line(self) -> str:
        """One line of JSON, without its end."""
        return json.dumps(self.to_json(), ensure_ascii=False, separators=(",", ":"))


_FIELDS = tuple(name for name in Row.__slots__ if name != "truth")
