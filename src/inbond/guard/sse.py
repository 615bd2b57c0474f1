"""Server-sent events, as bytes arrive: what was sent stays as it was sent. Pure (HTML standard, 9.2.6)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import final

_END = re.compile(rb"\r\n\r\n|\n\n|\r\r|\r\n\n|\n\r\n")
_PLAIN = re.compile(rb"data: ([^\r\n]*+)\n\n")
"""How nearly all events are written."""
DONE = b"[DONE]"
BOM = b"\xef\xbb\xbf"
"""Clients pass over it where it stands before a stream."""
MOST_BYTES = 16 * 2**20
"""A single event is not longer: no model says that much at once."""


class TooLongError(ValueError):
    """An event that does not end."""


@final
@dataclass(frozen=True)
class Event:
    """``raw`` are its bytes with the empty line that ends it; ``data`` its data lines, None for a comment."""

    raw: bytes
    data: bytes | None


@final
class Events:
    """Cuts a stream into events. Bytes in equal bytes out: joined, ``raw`` and ``rest`` are what was fed."""

    def __init__(self) -> None:
        self._held = bytearray()

    @property
    def rest(self) -> bytes:
        """What came after the last whole event."""
        return bytes(self._held)

    def feed(self, chunk: bytes) -> Iterator[Event]:
        """Raises TooLongError."""
        begin = 0
        while not self._held and (plain := _PLAIN.match(chunk, begin)) is not None:
            begin = plain.end()
            yield Event(plain[0], plain[1])
        if begin == len(chunk):
            return
        chunk = chunk[begin:]
        search = max(0, len(self._held) - 3)
        self._held += chunk
        while (end := _END.search(self._held, search)) is not None:
            whole, search = end.end(), 0
            del end  # what is being searched cannot be cut
            raw = bytes(self._held[:whole])
            del self._held[:whole]
            yield _event(raw)
        if len(self._held) > MOST_BYTES:
            raise TooLongError(f"an event of more than {MOST_BYTES:,} bytes")


def _event(raw: bytes) -> Event:
    lines = [line for line in raw.removeprefix(BOM).splitlines() if line.startswith(b"data:")]
    if not lines:
        return Event(raw, None)
    return Event(raw, b"\n".join(line[5:].removeprefix(b" ") for line in lines))


def event(data: bytes) -> bytes:
    """An event with one line of data."""
    assert b"\n" not in data, "JSON is written on one line"
    return b"data: " + data + b"\n\n"


def comment(text: str) -> bytes:
    """A comment, which clients pass over."""
    assert "\n" not in text
    return b": " + text.encode("ascii") + b"\n\n"
