"""Values that are read by a thread beside the pages, and kept until what they were read from has changed."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar, final

from inbond.errors import InputError, TamperedError

T = TypeVar("T")


@final
@dataclass(frozen=True)
class Found(Generic[T]):
    """A value. ``behind``: what it was read from has changed since, and is being read again."""

    value: T
    behind: bool


@final
class Beside(Generic[T]):
    """One value. ``mark`` says cheaply whether it has to be read again; ``read`` gives it with the mark as of
    which it is, and is called by one thread at a time. Safe to use from several threads.

    A page waits ``patience_s`` seconds; then it gets the value of before, if there is one.
    """

    def __init__(
        self, mark: Callable[[], object], read: Callable[[], tuple[object, T]], patience_s: float
    ) -> None:
        self._mark, self._read, self._patience_s = mark, read, patience_s
        self._turn = threading.Lock()
        self._reader: threading.Thread | None = None
        self._kept: tuple[object, T] | None = None
        self._error: Exception | None = None

    def begin(self) -> threading.Thread:
        """Reads it in a thread, if none does; the thread."""
        with self._turn:
            if self._reader is None or not self._reader.is_alive():
                self._reader = threading.Thread(target=self._take, name="beside", daemon=True)
                self._reader.start()
            return self._reader

    def now(self) -> Found[T] | None:
        """The value; None: it is being read for the first time.

        Raises what ``mark`` raises, and what ``read`` raised last.
        """
        mark = self._mark()
        if self._kept is None or self._kept[0] != mark:
            self.begin().join(self._patience_s)
        error, self._error = self._error, None
        if error is not None:
            raise error
        kept = self._kept
        return None if kept is None else Found(kept[1], kept[0] != mark)

    def _take(self) -> None:
        try:
            try:
                self._kept = self._read()
            except (InputError, TamperedError):
                self._kept = self._read()  # a run may have put an artifact in its place meanwhile
        except Exception as error:
            self._error = error
