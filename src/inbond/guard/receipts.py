"""Receipts for callers: signs, with a key of the guard's own, what was asked and what was answered.

What is signed is the request as the caller sent it and the answer as the caller gets it, after all that the
guard did to either. An answer that failed or broke off, or that can be read in two ways, gets none: nobody
could say what it was.
"""

from __future__ import annotations

import base64
import contextlib
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, final

from inbond.digest import Digest, of_bytes
from inbond.errors import InputError
from inbond.guard import sse
from inbond.guard.body import Body, decoded
from inbond.guard.callers import Caller
from inbond.guard.config import GuardConfig
from inbond.guard.operator_files import read_file
from inbond.ledger import issuer_keys, receipts
from inbond.ledger.attest import KeyStore, PublicKey, Signer
from inbond.ledger.receipts import HEADER, Claims, Payloads, Salted, Texts

FOLDER: Final = "receipt-keys"
"""In the workspace's folder for the guard."""

_ENDS: Final = frozenset({"response.completed", "response.incomplete"})
_FAILED: Final = frozenset({"response.failed", "response.cancelled", "error"})


def new_salt() -> str:
    """128 random bits, in base64url."""
    return base64.urlsafe_b64encode(secrets.token_bytes(16)).rstrip(b"=").decode()


@final
class Issuer:
    """Who signs receipts: ``name`` is the issuer they name, ``terms`` the digest of the terms that they are
    given under. Its keys lie in a folder of their own, and none of them signs anything else."""

    def __init__(self, name: str, terms: Digest | None, store: KeyStore, salt: Callable[[], str] = new_salt):
        """Makes a key where there is none. Raises UnwritableError, and InputError as KeyStore."""
        self.name = name
        self.terms = terms
        self._store = store
        self._salt = salt
        self._signer = store.signer()
        self._keys = self._read_keys()

    def look(self) -> None:
        """Takes up a key that was rotated; where it cannot be read, the one before goes on signing."""
        with contextlib.suppress(InputError, OSError):  # OSError: no file can be opened just now
            signer = self._store.signer()
            if signer.public != self._signer.public:
                self._keys = self._read_keys()
                self._signer = signer

    def _read_keys(self) -> bytes:
        return issuer_keys.encode(public_keys(self._store))

    @property
    def keys(self) -> bytes:
        """What is served at ``issuer_keys.WELL_KNOWN``: the key in use, and those whose receipts are out."""
        return self._keys

    def begin(self, id_: str, caller: Caller, model: str, asked: Mapping[str, Any], at: float) -> Draft:
        """A receipt for a request, ``asked`` being what its body was decoded to."""
        registration = caller.registration_for(model, at)
        return Draft(
            self._signer,
            self.name,
            id_,
            caller.tenant,
            model,
            asked,
            self.terms,
            registration.purpose if registration else None,
            registration.digest if registration else None,
            (self._salt(), self._salt(), self._salt()),
        )


def open_issuer(config: GuardConfig, beside: Path, folder: Path) -> Issuer | None:
    """None where the configuration wants no receipts. ``beside`` is where its files lie, ``folder`` the
    workspace's for the guard. Raises InputError, UnwritableError."""
    if not config.receipts:
        return None
    terms = None if config.terms is None else of_bytes(read_file(beside / config.terms))
    return Issuer(config.issuer, terms, KeyStore(folder / FOLDER))


def public_keys(store: KeyStore) -> list[PublicKey]:
    """The key in use, then those before it, the latest first."""
    return [*store.public_keys(), *(signer.public for signer in store.retired())]


@final
@dataclass(frozen=True)
class Draft:
    """A receipt that lacks its answer. ``salts`` are those of the request, the answer and its text."""

    signer: Signer
    issuer: str
    id: str
    tenant: str
    model: str
    request: Mapping[str, Any]
    terms: Digest | None
    purpose: str | None
    registration: Digest | None
    salts: tuple[str, str, str]

    def whole(self, body: Body, at: float) -> str | None:
        """The token for a whole answer; None where it is no JSON, can be read in two ways, or says an
        error."""
        if not body.once or _is_error(body.value):
            return None
        try:
            answer = Salted.make("answer", body.value, self.salts[1])
        except (ValueError, RecursionError):
            return None
        texts = Texts()
        texts.add(body.value)
        return self.sign(answer, texts.found, at)

    def sign(self, answer: Salted, texts: list[str] | None, at: float) -> str | None:
        """None where the request holds numbers that no canonical JSON can, and when what the issuer and the
        registration say is too long for a header."""
        text = None if texts is None else Salted.make("text", texts, self.salts[2])
        try:
            request = Salted.make("request", self.request, self.salts[0])
            claims = Claims(
                self.issuer, self.id, self.tenant, self.model, int(at), request, answer, text,
                self.terms, self.purpose, self.registration,
            )  # fmt: skip
            return receipts.issue(claims, self.signer)
        except InputError:
            return None


@final
class Stamp:
    """Puts a receipt into a stream of events: bytes as the caller gets them in, the same out, with a comment
    before ``[DONE]``; where there is none, at the end, if every answer came to its own end: the last event of
    a response, a reason for each of ``answers`` why it finished. Comments are passed over by every client."""

    def __init__(self, draft: Draft, clock: Callable[[], float], answers: int = 1) -> None:
        self._draft = draft
        self._clock = clock
        self._events = sse.Events()
        self._payloads = Payloads(draft.salts[1])
        self._texts = Texts()
        self._answers = answers
        self._begun: set[str] = set()
        self._finished: set[str] = set()
        self._any = self._over = self._ended = False
        self._unread = b""

    def feed(self, data: bytes) -> bytes:
        """``data`` are whole events, or parts of them: an event is held until it is whole."""
        self.look()
        if self._over:
            return data
        if data.endswith(b"\n\n") and b"\r" not in data and sse.DONE not in data and not self._events.rest:
            self._unread = data  # whole events, of which none is the end: they need not wait
            return data
        return self._read(data)

    def look(self) -> None:
        """Reads what was let through unread. To be called when it is sent; what comes next calls it too."""
        if self._unread:
            data, self._unread = self._unread, b""
            self._read(data)

    def _read(self, data: bytes) -> bytes:
        out = b"".join(self._event(event) for event in self._events.feed(data))
        if self._over:  # nothing is held any more: what comes now must not pass it
            out, self._events = out + self._events.rest, sse.Events()
        return out

    def end(self) -> bytes:
        """What is still to be sent when nothing more comes."""
        self.look()
        finished = len(self._finished) >= self._answers and self._begun <= self._finished
        return self._events.rest or (self._stamp() if self._ended or finished else b"")

    def _event(self, event: sse.Event) -> bytes:
        if event.data is None:
            return event.raw
        if event.data == sse.DONE:
            return self._stamp() + event.raw
        try:
            payload = event.data.decode()
            value, once = decoded(payload)
        except (ValueError, RecursionError):
            self._over = True
            return event.raw
        self._over = self._over or not once or _is_error(value)
        self._note_end(value)
        self._any = True
        self._payloads.add(payload)
        self._texts.add(value)
        return event.raw

    def _note_end(self, value: Any) -> None:
        if not isinstance(value, dict):
            return
        choices = value.get("choices")
        for choice in choices if isinstance(choices, list) else ():
            if isinstance(choice, dict):
                place = str(choice.get("index", 0))
                self._begun.add(place)
                if choice.get("finish_reason"):
                    self._finished.add(place)
        if str(value.get("type")) in _ENDS:
            self._ended = True

    def _stamp(self) -> bytes:
        if self._over or not self._any:
            return b""
        self._over = True
        token = self._draft.sign(self._payloads.salted, self._texts.found, self._clock())
        return sse.comment(f"{HEADER} {token}") if token else b""


def _is_error(value: Any) -> bool:
    return isinstance(value, dict) and (bool(value.get("error")) or str(value.get("type")) in _FAILED)
