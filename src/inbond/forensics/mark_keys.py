"""The secrets of marks, kept apart from every ledger and workspace: who has one can find the mark, and who
has none can neither find nor forge it."""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, final

from inbond import strict_json
from inbond.digest import Digest, canonical
from inbond.errors import InputError
from inbond.forensics.green import SCHEME as GREEN
from inbond.forensics.green import GreenKey
from inbond.forensics.lots import CANARY, CHOICE, LotKey
from inbond.workspace import PRIVATE_DIR, PRIVATE_FILE, config_folder, locked, write_bytes, writing

Key = GreenKey | LotKey
SCHEMES: Final = (GREEN, CHOICE, CANARY)
HOW: Final[Mapping[str, str]] = {GREEN: "--teacher URI", CHOICE: "--choice 4", CANARY: "--canaries 10"}
"""With which option ``inbond forensics mark key`` makes a key of each scheme."""

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")
_SECRET, _VOCABULARY = re.compile(r"[0-9a-f]{64}"), re.compile(r"sha256:[0-9a-f]{64}")
_FIELDS: Final[Mapping[str, frozenset[str]]] = {
    GREEN: frozenset({"scheme", "secret", "window", "gamma", "delta", "vocabulary", "size"}),
    CHOICE: frozenset({"scheme", "secret", "size"}),
    CANARY: frozenset({"scheme", "secret", "size"}),
}
_BYTES: Final = 65_536
_MOST_WINDOW, _MOST_DELTA, _MOST_SIZE, _MOST_LOTS = 64, 1e4, 2**31, 2**16


def descriptor(key: Key) -> dict[str, Any]:
    """What stands beside marked records, in the open: scheme and parameters, and the id, which names the key
    and tells nothing of it."""
    return {**key.public(), "id": key.id}


@final
class MarkKeys:
    """A folder (0700) with a file (0600) for each key, ``NAME.json``. A key appears whole or not at all, and
    is never written over."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @classmethod
    def default(cls) -> MarkKeys:
        """The user's own: ``$XDG_CONFIG_HOME/inbond/marks``, else ``~/.config/inbond/marks``."""
        return cls(config_folder(os.environ) / "marks")

    def new(self, name: str, key: Key) -> Path:
        """Keeps a key under a name. Raises InputError for one that is taken or no name, UnwritableError."""
        path = self._path(name)
        with writing(self.folder):
            self.folder.mkdir(mode=PRIVATE_DIR, parents=True, exist_ok=True)
            self.folder.chmod(PRIVATE_DIR)
        with locked(self.folder / ".lock"):
            self.check_free(name)
            value = {**key.public(), "secret": key.secret.hex(), "size": key.size}
            write_bytes(path, canonical(value), PRIVATE_FILE)
        return path

    def check_free(self, name: str) -> None:
        """Raises InputError for a name that is taken, or is none."""
        path = self._path(name)
        if path.exists():
            raise InputError(
                expected="a new name for a key",
                found=f"{path}, which holds one",
                fix="choose another name: what was marked with a key can only be found with it",
            )

    def names(self) -> list[str]:
        """All names that have a file, sorted; whether it can be read, ``read`` says."""
        found = (path.stem for path in self.folder.glob("*.json"))
        return sorted(name for name in found if _NAME.fullmatch(name))

    def read(self, name: str) -> Key:
        """The key of that name, of whichever scheme. Raises as ``read_file``."""
        path = self._path(name)
        return read_file(path, f"inbond forensics mark key {name} makes one; it finds nothing that another "
                               "marked")  # fmt: skip

    def green(self, name: str) -> GreenKey:
        """The green-list key of that name. Raises as ``read``, and InputError for one of another scheme."""
        key = self.read(name)
        if not isinstance(key, GreenKey):
            raise _other_scheme(name, key, GREEN)
        return key

    def lots(self, name: str, scheme: str) -> LotKey:
        """The key of that name, of CHOICE or CANARY. Raises as ``green``."""
        key = self.read(name)
        if not isinstance(key, LotKey) or key.scheme != scheme:
            raise _other_scheme(name, key, scheme)
        return key

    def _path(self, name: str) -> Path:
        if not _NAME.fullmatch(name):
            raise InputError(
                expected="a key's name of a-z, 0-9, dot, dash and underscore, at most 63",
                found=repr(name)[:80],
                fix="for example autumn-2026",
            )
        return self.folder / f"{name}.json"


def fresh_secret() -> bytes:
    """32 bytes from the system."""
    return secrets.token_bytes(32)


def read_file(path: Path, fix: str = "name the file of a key") -> Key:
    """A key out of its file, wherever it lies. Raises InputError where there is none (and says ``fix``),
    others can read it, it is of no scheme that is known, or damaged."""
    try:
        mode = path.stat().st_mode & 0o777
        with path.open("rb") as file:
            data = file.read(_BYTES + 1)
    except OSError as error:
        raise InputError(
            expected=f"a key of marks at {path}", found=error.strerror or str(error), fix=fix
        ) from error
    if mode & 0o077:
        raise InputError(
            expected=f"a key at {path} that only its owner can read",
            found=f"mode {mode:04o}",
            fix=f"chmod 600 {path}; who has read it can find and forge the mark",
        )
    try:
        if len(data) > _BYTES:
            raise ValueError(f"more than {_BYTES:,} bytes")
        return _decode(strict_json.parse(data.decode()))
    except UnicodeDecodeError:  # its words would quote the file
        found = "no text"
    except (ValueError, RecursionError) as error:
        found = _bare(error)
    raise InputError(
        expected=f"a key of one of the schemes {', '.join(SCHEMES)} at {path}",
        found=found,
        fix="put back a copy of the key, or name another; a newer Inbond may know more schemes",
    )


def _bare(error: Exception) -> str:
    """What is wrong, without a word of the file: JSON's errors and ours say places and fields."""
    return str(error)[:200] if isinstance(error, _NoKeyError) else f"no JSON ({type(error).__name__})"


def _other_scheme(name: str, key: Key, wanted: str) -> InputError:
    return InputError(
        expected=f"a key of the scheme {wanted}",
        found=f"{name}, a key of another scheme: {descriptor(key)['scheme']}",
        fix=f"name another, or make one: inbond forensics mark key NEW {HOW[wanted]}",
    )


@final
class _NoKeyError(ValueError):
    """A key file's fault in words that do not quote it, but for its scheme."""


def _decode(value: Any) -> Key:
    """Raises _NoKeyError."""
    if not isinstance(value, Mapping):
        raise _NoKeyError("no JSON object")
    scheme = value.get("scheme")
    if not isinstance(scheme, str) or scheme not in _FIELDS:
        raise _NoKeyError(f"a key of the scheme {str(scheme)[:40]!r}")
    if set(value) != _FIELDS[scheme]:
        raise _NoKeyError(f"other fields than {', '.join(sorted(_FIELDS[scheme]))}")
    try:
        return _green(value) if scheme == GREEN else _lots(scheme, value)
    except (KeyError, TypeError, ValueError):
        raise _NoKeyError("a field that is out of its range, or damaged") from None


def _green(value: Mapping[str, Any]) -> GreenKey:
    gamma, delta, vocabulary = value["gamma"], value["delta"], value["vocabulary"]
    _must(isinstance(gamma, float) and 0 < gamma < 1)
    _must(isinstance(delta, int | float) and not isinstance(delta, bool) and 0 < delta < _MOST_DELTA)
    _must(isinstance(vocabulary, str) and _VOCABULARY.fullmatch(vocabulary) is not None)
    window, size = _whole(value["window"], 1, _MOST_WINDOW), _whole(value["size"], 1, _MOST_SIZE)
    return GreenKey(_secret(value), window, gamma, float(delta), Digest(vocabulary), size)


def _lots(scheme: str, value: Mapping[str, Any]) -> LotKey:
    return LotKey(scheme, _secret(value), _whole(value["size"], 2, _MOST_LOTS))


def _secret(value: Mapping[str, Any]) -> bytes:
    text = value["secret"]
    _must(isinstance(text, str) and _SECRET.fullmatch(text) is not None)
    return bytes.fromhex(text)


def _whole(number: Any, least: int, most: int) -> int:
    _must(isinstance(number, int) and not isinstance(number, bool) and least <= number <= most)
    return int(number)


def _must(holds: bool) -> None:
    if not holds:
        raise ValueError
