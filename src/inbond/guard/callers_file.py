"""The callers' file while the guard runs: read again when it changes, without anybody waiting for it.

A file of 100,000 accounts takes many seconds and most of a gigabyte to parse. A large one is read in a
process of its own, which takes that memory with it, and comes over in pieces so small that requests go on
between. Pickled, since both ends are this program and nobody else writes to the pipe.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from time import sleep
from typing import Final, final

from inbond.errors import InbondError
from inbond.guard import heap
from inbond.guard.callers import Caller, Callers, alike, parse_callers
from inbond.guard.operator_files import read_file

_SMALL: Final = 16_384
"""Bytes that are parsed where they are asked for."""
_PIECE: Final = 100
NOBODY: Final = "nobody may call: no account has a key; inbond guard key makes one"
_Stamp = tuple[tuple[int, int, int] | None, ...]


@final
class CallersFile:
    """The callers as the file has them now. A file that cannot be read leaves those that were read last, and
    says so: a slip of the pen must not shut everybody out."""

    def __init__(
        self,
        path: Path,
        warn: Callable[[str], None],
        news: Callable[[str], None] | None = None,
        *,
        within: bool = False,
    ) -> None:
        """``warn`` is told what is wrong, ``news`` (default: too) what went well. ``within``: the file is
        guard.yaml. Raises InputError when it cannot be read to begin with."""
        self._path = path
        self._within = within
        self._warn = warn
        self._news = news or warn
        self._reading: Future[Callers] | None = None
        self.now = read_callers(path, within=within)
        self._seen = self._stamp(self.now)

    def __call__(self) -> Callers:
        return self.now

    def look(self) -> None:
        """Takes up what was read meanwhile, and begins to read the file again if it changed. Called every
        second or so; returns at once."""
        if self._reading is None:
            stamp = self._stamp(self.now)
            if stamp == self._seen:
                return
            self._seen = stamp
            self._reading = _read_beside(self._path, self._within)
        if self._reading.done():
            read, self._reading = self._reading, None
            self._take(read)

    def _take(self, read: Future[Callers]) -> None:
        files = self.now.files
        try:
            self.now = read.result()
        except (InbondError, OSError) as error:  # OSError: no process could be started, or it was killed
            self._warn(f"callers are as before: {error}")
            return
        heap.settle()
        rest = "; all else in the file takes a restart" if self._within else ""
        self._news(f"callers were read anew: {len(self.now.by_hash)} keys{rest}")
        if not self.now.by_hash:
            self._warn(NOBODY)
        if self.now.files != files:
            self._seen = self._stamp(self.now)

    def _stamp(self, callers: Callers) -> _Stamp:
        """Of the file, and of each registration that it names."""
        beside = (self._path.parent / name for name in callers.files)
        return tuple(map(_stamp_of, (self._path, *beside)))


def read_callers(path: Path, *, within: bool = False) -> Callers:
    """Reads the file, in a process of its own where it is large. Raises InbondError as ``parse_callers``."""
    if _size(path) <= _SMALL:
        return _parsed(path, read_file(path), within)
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        found = pool.submit(_in_pieces, path, within).result()
    if isinstance(found, tuple):
        kind, said = found
        raise kind(**said)
    return _joined(found)


def _read_beside(path: Path, within: bool) -> Future[Callers]:
    """A small file at once, a large one in a thread that waits for it."""
    work = partial(read_callers, path, within=within)
    if _size(path) > _SMALL:
        pool = ThreadPoolExecutor(1)
        read = pool.submit(work)
        pool.shutdown(wait=False)
        return read
    done: Future[Callers] = Future()
    try:
        done.set_result(work())
    except InbondError as error:
        done.set_exception(error)
    return done


def _parsed(path: Path, data: bytes, within: bool) -> Callers:
    return parse_callers(str(path), data, lambda name: read_file(path.parent / name), within=within)


_Pieces = list[bytes]
_Fault = tuple[type[InbondError], dict[str, str]]


def _in_pieces(path: Path, within: bool) -> _Pieces | _Fault:
    """For the process beside: callers in pieces, all else last; or what was wrong."""
    try:
        found = _parsed(path, read_file(path), within)
    except InbondError as error:
        return type(error), error.to_json()
    callers = list(found.by_hash.values())
    pieces = [pickle.dumps(callers[i : i + _PIECE]) for i in range(0, len(callers), _PIECE)]
    return [*pieces, pickle.dumps((found.files, found.unknown))]


def _joined(pieces: _Pieces) -> Callers:
    files, unknown = pickle.loads(pieces.pop())
    pieces.reverse()
    by_hash = {caller.key: caller for caller in alike(_unpacked(pieces))}
    return Callers(by_hash, files, unknown)


def _unpacked(pieces: _Pieces) -> Iterator[Caller]:
    while pieces:
        yield from pickle.loads(pieces.pop())
        sleep(0)  # requests go on meanwhile


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _stamp_of(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
