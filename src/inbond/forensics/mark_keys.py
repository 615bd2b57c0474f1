"""The secrets of marks, kept apart from every ledger and workspace: who has one can find the mark, and who
has none can neither find nor forge it."""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any, final

from inbond import strict_json
from inbond.digest import canonical
from inbond.errors import InputError
from inbond.forensics.green import SCHEME, GreenKey
from inbond.workspace import PRIVATE_DIR, PRIVATE_FILE, config_folder, locked, write_bytes, writing

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")
_FIELDS = {"scheme", "secret", "window", "gamma", "delta", "vocabulary", "size"}


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

    def new(self, name: str, key: GreenKey) -> Path:
        """Keeps a key under a name. Raises InputError for one that is taken or no name, UnwritableError."""
        path = self._path(name)
        with writing(self.folder):
            self.folder.mkdir(mode=PRIVATE_DIR, parents=True, exist_ok=True)
            self.folder.chmod(PRIVATE_DIR)
        with locked(self.folder / ".lock"):
            if path.exists():
                raise InputError(
                    expected="a new name for a key",
                    found=f"{path}, which holds one",
                    fix="choose another name: what was marked with a key can only be found with it",
                )
            value = {**key.public(), "secret": key.secret.hex(), "size": key.size}
            write_bytes(path, canonical(value), PRIVATE_FILE)
        return path

    def read(self, name: str) -> GreenKey:
        """The key of that name. Raises InputError where there is none, others can read it, it is of another
        scheme, or damaged."""
        path = self._path(name)
        try:
            mode, data = path.stat().st_mode & 0o777, path.read_bytes()
        except OSError as error:
            raise InputError(
                expected=f"a key of marks at {path}",
                found=error.strerror or str(error),
                fix=f"inbond forensics mark key {name} makes one; it finds nothing that another marked",
            ) from error
        if mode & 0o077:
            raise InputError(
                expected=f"a key at {path} that only its owner can read",
                found=f"mode {mode:04o}",
                fix=f"chmod 600 {path}; who has read it can find and forge the mark",
            )
        try:
            return _decode(strict_json.parse(data.decode()))
        except (ValueError, RecursionError) as error:
            raise InputError(
                expected=f"a key of the scheme {SCHEME} at {path}",
                found=str(error)[:200],
                fix="put back a copy of the key, or name another",
            ) from None

    def _path(self, name: str) -> Path:
        if not _NAME.fullmatch(name):
            raise InputError(
                expected="a key's name of a-z, 0-9, dot, dash and underscore, at most 63",
                found=repr(name)[:80],
                fix="for example --key autumn-2026",
            )
        return self.folder / f"{name}.json"


def fresh_secret() -> bytes:
    """32 bytes from the system."""
    return secrets.token_bytes(32)


def _decode(value: Any) -> GreenKey:
    """Raises ValueError that does not quote the secret."""
    if not isinstance(value, Mapping):
        raise ValueError("no JSON object")
    if value.get("scheme") != SCHEME:
        raise ValueError(f"a key of the scheme {str(value.get('scheme'))[:40]!r}")
    if set(value) != _FIELDS:
        raise ValueError(f"other fields than {', '.join(sorted(_FIELDS))}")
    try:
        secret = bytes.fromhex(value["secret"])
        key = GreenKey(
            secret, value["window"], value["gamma"], value["delta"], value["vocabulary"], value["size"]
        )
        if (
            not isinstance(key.window, int)
            or not isinstance(key.size, int)
            or not isinstance(key.vocabulary, str)
        ):
            raise TypeError
    except (AssertionError, TypeError, ValueError):
        raise ValueError("a field that is out of its range, or damaged") from None
    return key
