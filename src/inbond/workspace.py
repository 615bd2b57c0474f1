"""Where things lie on disk, and how bytes are laid down so that a crash leaves old or new, never half.

A workspace is one folder (``--home``, else INBOND_HOME, else ``./bond``). Nothing in it holds an
absolute path, so it can be moved or copied. Signing keys live elsewhere, see ``ledger.attest``.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import re
import stat
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from inbond.errors import InbondError, InputError, UnwritableError

PRIVATE_FILE = 0o600
PRIVATE_DIR = 0o700
RUN_PROGRESS = ".progress.json"
"""Where a run at work says how far it is (``recipes.telling``): no event speaks of it."""


@dataclass(frozen=True)
class Workspace:
    """The paths of one workspace. Making the object touches nothing on disk."""

    home: Path

    @property
    def ledger(self) -> Path:
        return self.home / "ledger.db"

    @property
    def membership(self) -> Path:
        """Instead of a ledger: which shared one the workspace writes to."""
        return self.home / "ledger.json"

    @property
    def journal(self) -> Path:
        return self.home / "journal.db"

    @property
    def runs(self) -> Path:
        return self.home / "runs"

    @property
    def guard(self) -> Path:
        """Where the guard keeps its state and its keys; no event speaks of what is in it."""
        return self.home / "guard"

    @property
    def judgings(self) -> Path:
        """Where judged batches of pairs are kept."""
        return self.home / "judgings"

    def run(self, name: str) -> Path:
        return self.runs / name

    @property
    def sessions(self) -> Path:
        return self.home / "sessions"

    def session(self, name: str) -> Path:
        """Of a roundtable: its transcript, and the page and the result that follow from it."""
        return self.sessions / name

    @property
    def briefings(self) -> Path:
        return self.home / "briefings"

    def briefing(self, id_: str) -> Path:
        """Of one article: the briefing, and the page that follows from it."""
        return self.briefings / id_

    def create(self) -> None:
        """Makes the folder, private to its owner. Raises UnwritableError."""
        with writing(self.home):
            self.home.mkdir(mode=PRIVATE_DIR, parents=True, exist_ok=True)


def find_home(given: Path | None, environment: Mapping[str, str]) -> Path:
    """``--home`` if given, else INBOND_HOME, else ``./bond``."""
    if given is not None:
        return given
    return Path(environment.get("INBOND_HOME") or "bond")


def cache_folder(environment: Mapping[str, str]) -> Path:
    """Where pulled and converted models are kept: ``$XDG_CACHE_HOME/inbond`` or ``~/.cache/inbond``."""
    base = environment.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "inbond"


def config_folder(environment: Mapping[str, str]) -> Path:
    """Where keys and the hosts file are kept: ``$XDG_CONFIG_HOME/inbond`` or ``~/.config/inbond``."""
    base = environment.get("XDG_CONFIG_HOME")
    return (Path(base) if base else Path.home() / ".config") / "inbond"


_ADVICE: Mapping[int | None, tuple[str, str]] = {
    errno.ENOSPC: ("free space on the disk", "free some space, or choose another folder with --home"),
    errno.EDQUOT: ("free space in your quota", "free some space, or choose another folder with --home"),
    errno.EFBIG: ("files as large as this may become", "raise the limit on file sizes (ulimit -f)"),
    errno.EACCES: ("permission to write", "change the folder's permissions, or choose another with --home"),
    errno.EPERM: ("permission to write", "change the folder's permissions, or choose another with --home"),
    errno.ENOENT: ("a place where folders can be made", "choose another folder with --home"),
    errno.EIO: ("a disk that takes writes", "check the disk, then run the same command again"),
    errno.EROFS: ("a writable file system", "choose another folder with --home"),
    errno.ENOTDIR: ("a folder", "remove the file that stands in its place, or choose another with --home"),
    errno.EEXIST: ("a folder", "remove the file that stands in its place, or choose another with --home"),
}


@contextlib.contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turns the operating system's refusals to write at ``path`` into UnwritableError."""
    try:
        yield
    except Exception as error:
        advice = None if isinstance(error, InbondError) else _ADVICE.get(_number(error))
        if advice is None:
            raise
        expected, fix = advice
        raise UnwritableError(expected=f"{expected} at {path}", found=str(error), fix=fix) from error


def _number(error: Exception) -> int | None:
    """The system's error number. Libraries in Rust (safetensors, tokenizers) say it in words alone."""
    if isinstance(error, OSError):
        return error.errno
    told = re.search(r"\(os error (\d+)\)", str(error))
    return int(told[1]) if told else None


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Holds the lock file at ``path``, waiting for it; the system frees it when the process dies. Raises
    UnwritableError."""
    with writing(path):
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, PRIVATE_FILE)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


@contextlib.contextmanager
def replacing(path: Path, mode: int = PRIVATE_FILE) -> Iterator[Path]:
    """Yields a temporary path beside ``path``; on success it is flushed to disk and takes its place.

    On any error the temporary file is removed and ``path`` is as it was. Raises UnwritableError.
    """
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        os.close(handle)
        temporary = Path(name)
        try:
            yield temporary
            with temporary.open("rb+") as file:
                os.fsync(file.fileno())
            temporary.chmod(mode)
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
        sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Makes renames in ``folder`` durable."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def opened(path: Path, *, follow: bool = True) -> BinaryIO:
    """A regular file, open to read. ``open`` alone would wait at a FIFO until somebody writes to it. Raises
    OSError, also for what is no regular file, and unless ``follow`` for a symbolic link."""
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | (0 if follow else os.O_NOFOLLOW))
    try:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise OSError(errno.EINVAL, "it is not a regular file", str(path))
        return os.fdopen(handle, "rb")
    except BaseException:
        os.close(handle)
        raise


def write_bytes(path: Path, data: bytes, mode: int = PRIVATE_FILE) -> None:
    """Writes a file, whole or not at all. Raises UnwritableError."""
    with replacing(path, mode) as temporary:
        temporary.write_bytes(data)


def write_json(path: Path, value: Any, mode: int = PRIVATE_FILE) -> None:
    """Writes readable JSON, whole or not at all."""
    write_bytes(path, (json.dumps(value, ensure_ascii=False, indent=2) + "\n").encode(), mode)


@contextlib.contextmanager
def alone(workspace: Workspace, run: str) -> Iterator[None]:
    """Holds the run's lock: two processes must not make, or erase, the same artifacts.

    Raises InputError at once when another holds it; it goes with the process, however that ends.
    """
    folder = workspace.run(run)
    with writing(folder):
        folder.mkdir(mode=PRIVATE_DIR, parents=True, exist_ok=True)
        handle = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT, PRIVATE_FILE)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise InputError(
                expected=f"nobody else at work on the run {run!r}",
                found="another process that is",
                fix="wait for it, or give this run another name with --set name=...",
            ) from error
        yield
    finally:
        os.close(handle)
