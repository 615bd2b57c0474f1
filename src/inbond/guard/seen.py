"""One request as it went: what logs, metrics and detection are told of it. No text of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, final

from inbond.guard.actions import Tier
from inbond.guard.budget import Usage
from inbond.guard.callers import Caller
from inbond.guard.envelopes import Outcome


@final
@dataclass
class Seen:
    """One request as it went, for logs and metrics: no text of it. Times are in seconds. ``status`` is the
    one that was sent, 0 when none was; ``code`` says why a request did not come to its end."""

    id: str
    route: str
    caller: Caller | None = None
    model: str = ""
    status: int = 0
    code: str = ""
    usage: Usage | None = None
    sealed: Outcome | None = None
    """The gravest outcome of the sealed reasoning that was handed back; None where none was."""
    foreign: tuple[int, ...] = ()
    """The numbers of envelopes that were sealed for strangers, each once (``envelopes.Opened``)."""
    error_bytes: int = 0
    """How long an upstream's error was that nobody was shown: it may hold reasoning, and prompts."""
    tier: Tier = 0
    began: float = 0.0
    first_byte: float | None = None
    ended: float = 0.0

    def to_json(self) -> dict[str, Any]:
        """A log line."""
        return {
            "request": self.id,
            "route": self.route[:200],
            "tenant": self.caller.tenant if self.caller else None,
            "account": self.caller.account if self.caller else None,
            "model": self.model[:200],
            "status": self.status,
            "code": self.code,
            "prompt_tokens": self.usage.prompt_tokens if self.usage else None,
            "completion_tokens": self.usage.completion_tokens if self.usage else None,
            "sealed": self.sealed,
            "error_bytes": self.error_bytes,
            "tier": self.tier,
            "first_byte_ms": round((self.first_byte - self.began) * 1e3, 2) if self.first_byte else None,
            "ms": round((self.ended - self.began) * 1e3, 2),
        }
