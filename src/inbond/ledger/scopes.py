"""Where names hold. Pure.

Some names mean the same thing everywhere: the Hub's, a public host's, a package's. The others (``run:``,
``path:``, ``gguf:``, ``data:``) hold in one workspace or on one disk, and in somebody else's document they
mean something of theirs. Here they become ``bom:DOCUMENT#run/NAME``, where DOCUMENT is made from the
document's own id or its bytes; only the same bytes make such an artifact one with another.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from pathlib import Path
from typing import final

from inbond.digest import PREFIX, of_bytes
from inbond.errors import InputError
from inbond.types import parse_model_name

_LOCAL = re.compile(r"(run|path|gguf|data|api|bom|hf|pypi):/?")
_ON_DISK = re.compile(r"(path|gguf|data):(.+)", re.DOTALL)


@final
@dataclass(frozen=True)
class Scope:
    """A document, as the place where names hold. ``document`` is its own id, or the digest of its bytes."""

    document: str

    def of(self, name: str) -> str:
        """The id of what is called so in this document."""
        mark = of_bytes(self.document.encode(errors="replace")).removeprefix(PREFIX)[:12]
        return f"bom:{mark}#{name}"

    def foreign(self, id_: str) -> str:
        """The id here of what another workspace calls ``id_``."""
        return id_ if holds_everywhere(id_) else self.of(_LOCAL.sub(r"\1/", id_, count=1))


def holds_everywhere(id_: str) -> bool:
    """Whether a model's name means the same model to everybody."""
    try:
        name = parse_model_name(id_)
    except InputError:
        return False
    return name.scheme in ("hf", "pypi") or (name.scheme == "api" and _is_public(name.host or ""))


def _is_public(host: str) -> bool:
    bare = host[1 : host.index("]")] if host.startswith("[") else host.partition(":")[0]
    try:
        return ipaddress.ip_address(bare).is_global
    except ValueError:
        return "." in bare and not bare.lower().endswith((".local", ".localhost", ".internal", ".lan"))


def on_disk(id_: str, folder: Path) -> str:
    """A ``path:`` or ``gguf:`` name, or data under such a name, with its whole path: one that is not whole
    begins in ``folder``. Any other name stays as it is."""
    match = _ON_DISK.fullmatch(id_)
    if match is None:
        return id_
    return f"{match[1]}:{(folder / Path(match[2]).expanduser()).resolve()}"
