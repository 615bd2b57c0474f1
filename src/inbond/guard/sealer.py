"""Sealing as the gateway does it: with a clock, fresh randomness, and the caller and conversation of each
request."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from typing import Final, final

from inbond.digest import Digest
from inbond.guard.callers import Caller
from inbond.guard.config import ModelPolicy
from inbond.guard.conversation import prefixes
from inbond.guard.envelopes import RANDOM_BYTES, Binding, Opened, Ring, open_sealed, seal
from inbond.guard.handback import HandedBack, handed_back
from inbond.guard.hiding import Hiding
from inbond.guard.reasoning import hiding_for
from inbond.guard.tags import Tags
from inbond.guard.wire import Asked

NOTE: Final = {"inbond-reasoning": "dropped"}
"""Told to whom handed back reasoning that was not opened, whatever was the matter with it."""


@final
@dataclass(frozen=True)
class Sealer:
    """``expires_s`` is how long an envelope can be handed back; ``clock`` gives seconds since 1970."""

    ring: Ring
    expires_s: int
    clock: Callable[[], float]

    def opened(self, caller: Caller, asked: Asked, tags: Tags) -> tuple[Asked, HandedBack]:
        """The request as it goes on, and what it handed back; ``tags`` are the model's."""

        def open_one(envelope: str, prefix: Digest) -> Opened:
            return open_sealed(self.ring, _binding(caller, asked, prefix), envelope, now=self.clock())

        back = handed_back(asked.route, asked.value, open_one, tags)
        return (asked if back.value is asked.value else replace(asked, value=back.value)), back

    def hiding(self, policy: ModelPolicy, caller: Caller, asked: Asked, sent: Asked) -> Hiding | None:
        """How the answer's reasoning is hidden; None where it passes. What is sealed is bound to what the
        caller ``asked``, which he can say again; where the answer begins is told by what was ``sent``."""

        @cache
        def binding() -> Binding:
            return _binding(caller, asked, prefixes(asked.route, asked.value)[-1])

        def seal_one(text: str) -> str:
            expires = int(self.clock()) + self.expires_s
            random = secrets.token_bytes(RANDOM_BYTES)
            return seal(self.ring, binding(), text, expires=expires, random=random)

        return hiding_for(policy, sent, seal_one)


def _binding(caller: Caller, asked: Asked, prefix: Digest) -> Binding:
    return Binding(caller.tenant, caller.account, asked.model, prefix, caller.org)
