"""What a caller is told who gets no answer: an OpenAI error object, with a coarse code. Pure.

Codes say what to do and never what was seen: a refusal that explains itself teaches how not to be refused.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import final


@final
@dataclass(frozen=True)
class Refusal(Exception):
    """Ends a request. ``status`` is HTTP's, ``kind`` OpenAI's type of error."""

    status: int
    code: str
    message: str
    kind: str = "invalid_request_error"
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def body(self) -> bytes:
        value = {"error": {"message": self.message, "type": self.kind, "param": None, "code": self.code}}
        return json.dumps(value, ensure_ascii=False).encode()


def no_key() -> Refusal:
    """The key is missing or is none of ours."""
    return Refusal(
        401, "invalid_api_key", "Give a valid key as Authorization: Bearer KEY.", "authentication_error"
    )


def no_route() -> Refusal:
    """The guard serves no such route."""
    return Refusal(404, "not_found", "There is no such route here.")


def no_model(model: str) -> Refusal:
    """The model is not in the configuration."""
    return Refusal(404, "model_not_found", f"The model {model[:100]!r} is not served here.")


def bad_request(code: str, message: str) -> Refusal:
    """The request is not understood."""
    return Refusal(400, code, message)


def unread_prompt() -> Refusal:
    """Nobody here can tell how an answer to it begins."""
    return Refusal(
        400, "invalid_type", "Give prompts as texts: numbers of tokens are not read for this model."
    )


def too_large(most: int) -> Refusal:
    """The body has too many bytes."""
    return Refusal(413, "too_large", f"A body may have {most:,} bytes.")


def encoded() -> Refusal:
    """A compressed body may be a thousand times as long as it looks."""
    return Refusal(415, "unsupported_encoding", "Send the body as it is, without Content-Encoding.")


def too_slow() -> Refusal:
    """The body did not come in time."""
    return Refusal(408, "timeout", "The body did not come in time.")


def crowded() -> Refusal:
    """There is no room for more requests in memory."""
    message = "Too many long requests are under way just now. Try again."
    return Refusal(503, "crowded", message, "server_error", {"retry-after": "1"})


def never_fits(amount: int, most: int, what: str) -> Refusal:
    """Waiting does not help: the request alone is more than the limit."""
    return Refusal(
        400,
        "limit_too_small",
        f"This request may use {amount:,} {what}, and your limit is {most:,}. Ask for less at a time, or set"
        " max_tokens.",
    )


def suspended() -> Refusal:
    """A person suspended the account."""
    message = "This account is suspended. You may appeal: ask the provider, and name your account."
    return Refusal(403, "account_suspended", message, "permission_error")


def draining() -> Refusal:
    """The guard ends, and another takes its place."""
    return Refusal(
        503, "unavailable", "This server is about to end. Try again.", "server_error", {"retry-after": "1"}
    )


def ended() -> Refusal:
    """The guard ends, and its answer was not whole in time."""
    return Refusal(
        503, "server_ended", "This server ended before the answer did. Try again.", "server_error",
        {"retry-after": "1"},
    )  # fmt: skip


def over_budget(what: str, wait_s: float) -> Refusal:
    """The limit that is reached is the caller's own, so it is named."""
    wait = str(max(1, math.ceil(wait_s)))
    return Refusal(
        429, "rate_limit_exceeded", f"A limit of yours is reached: {what}. Try again in {wait} s.",
        "rate_limit_error", {"retry-after": wait},
    )  # fmt: skip


def cannot_meter() -> Refusal:
    """The state is lost, and the configuration says closed."""
    return Refusal(
        503,
        "unavailable",
        "Requests cannot be metered just now. Try again.",
        "server_error",
        {"retry-after": "5"},
    )


def upstream_failed(reason: str) -> Refusal:
    """``reason`` is an UpstreamError's; callers learn no more than whether it was time that ran out."""
    status = 504 if reason == "timeout" else 502
    return Refusal(status, "upstream_error", "The model server did not answer.", "server_error")
