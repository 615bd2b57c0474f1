"""The transcript on disk: append-only JSON lines that survive kill -9, and that show what was changed.

What is appended is whole or not there: a last line that was cut by a crash is dropped when it is read. One
process at a time may write to it.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, final

from inbond.errors import InputError, TamperedError
from inbond.roundtable.events import Event, decode, encode, make
from inbond.workspace import PRIVATE_DIR, PRIVATE_FILE, sync_folder, writing

NAME: Final = "transcript.jsonl"


def read(path: Path) -> tuple[Event, ...]:
    """All events. Raises TamperedError, naming the line, and InputError where there is no transcript."""
    return _verified(_bytes(path))[0]


@final
class Transcript:
    """A transcript that is open for writing; ``events`` is all that it holds."""

    def __init__(self, path: Path, handle: int, events: Sequence[Event]) -> None:
        self._path = path
        self._handle = handle
        self._synced = True
        self.events: list[Event] = list(events)

    def append(self, entries: Sequence[tuple[str, Mapping[str, Any]]], at: float) -> Sequence[Event]:
        """Keeps events of (kind, body), in one write. When this returns they survive kill -9, after ``sync``
        a power cut as well. Raises UnwritableError; then none of them is kept."""
        made: list[Event] = []
        for kind, body in entries:
            last = made[-1] if made else self.events[-1] if self.events else None
            made.append(make(last.n + 1 if last else 0, at, kind, body, last.digest if last else None))
        data = b"".join(map(encode, made))
        with writing(self._path):
            whole = os.fstat(self._handle).st_size
            try:
                while data:
                    data = data[os.write(self._handle, data) :]
            except OSError:
                os.ftruncate(self._handle, whole)
                raise
        self._synced = False
        self.events += made
        return made

    def sync(self) -> None:
        """Brings to the disk all that was appended. Raises UnwritableError."""
        if not self._synced:
            with writing(self._path):
                os.fsync(self._handle)
            self._synced = True


def is_begun(path: Path) -> bool:
    """Whether a transcript with a whole first line is there; less than that says nothing, and may be left by
    a crash."""
    return path.exists() and b"\n" in _bytes(path)


@contextlib.contextmanager
def create(path: Path) -> Iterator[Transcript]:
    """A new transcript, in a folder that is made for it. Raises InputError where one is begun already, or
    another process is just about to."""
    with writing(path.parent):
        path.parent.mkdir(mode=PRIVATE_DIR, parents=True, exist_ok=True)
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, PRIVATE_FILE)
    with _held(path, handle):
        if is_begun(path):
            raise InputError(
                expected=f"a session that is new at {path.parent}",
                found="the transcript of an earlier one",
                fix="give this session another name, or go on with that one",
            )
        with writing(path):
            os.ftruncate(handle, 0)
            sync_folder(path.parent)
        yield Transcript(path, handle, ())


@contextlib.contextmanager
def reopen(path: Path) -> Iterator[Transcript]:
    """A transcript to go on with; a last line that was cut is taken off. Raises as ``read`` does, and
    InputError when another process writes to it."""
    _bytes(path)
    with writing(path):
        handle = os.open(path, os.O_RDWR | os.O_APPEND)
    with _held(path, handle):
        events, whole = _verified(_bytes(path))
        with writing(path):
            os.ftruncate(handle, whole)
            if os.pread(handle, 1, whole - 1) != b"\n":
                os.write(handle, b"\n")
        yield Transcript(path, handle, events)


@contextlib.contextmanager
def alone(path: Path) -> Iterator[None]:
    """Holds a transcript without reading it, so that it may be erased. Raises InputError when another process
    writes to it."""
    with writing(path):
        handle = os.open(path, os.O_RDONLY)
    with _held(path, handle):
        yield


@contextlib.contextmanager
def _held(path: Path, handle: int) -> Iterator[None]:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError as error:
        raise InputError(
            expected=f"nobody else at work on the session {path.parent.name}",
            found="another process that is",
            fix="wait for it, or begin another session",
        ) from error
    finally:
        os.close(handle)


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(
            expected=f"the transcript of a session at {path}",
            found=error.strerror or str(error),
            fix="name a session that there is, by its folder or its name",
        ) from error


def _verified(data: bytes) -> tuple[tuple[Event, ...], int]:
    """The events, and how many bytes they take."""
    events: list[Event] = []
    whole = 0
    for n, line in enumerate(data.splitlines(keepends=True)):
        try:
            events.append(decode(line.rstrip(b"\n"), n, events[-1].digest if events else None))
        except TamperedError:
            if whole + len(line) == len(data) and not line.endswith(b"\n") and events:
                break
            raise
        whole += len(line)
    if not events:
        raise InputError(
            expected="a transcript with at least its first event",
            found="an empty file" if not data else "only a part of its first line",
            fix="begin the session again",
        )
    return tuple(events), whole
