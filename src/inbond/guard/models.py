"""The list of models that a caller sees: the configuration's, and of others no more than a name. Pure.

A server's own list tells more than callers need: paths of files, owners, sizes, templates.
"""

from __future__ import annotations

import json
import ntpath
import posixpath
from collections.abc import Iterable, Iterator
from typing import Any


def listed(names: Iterable[str], owner: str, upstream: bytes = b"") -> bytes:
    """The body of an answer to GET /v1/models. ``names`` are the configured models; ``upstream`` is the
    server's list where models that are not configured are served as well. What cannot be read adds none."""
    found = [{"id": name, "object": "model", "created": 0, "owned_by": owner} for name in names]
    known = {each["id"] for each in found}
    for name, created in _of(upstream):
        if name not in known:
            known.add(name)
            found.append({"id": name, "object": "model", "created": created, "owned_by": owner})
    return json.dumps({"object": "list", "data": found}).encode()


def _of(upstream: bytes) -> Iterator[tuple[str, int]]:
    """Names and times of a server's list; of a path its last part, which llama.cpp takes as well."""
    try:
        value: Any = json.loads(upstream)
    except (ValueError, RecursionError):
        return
    data = value.get("data") if isinstance(value, dict) else None
    for each in data if isinstance(data, list) else ():
        name = each.get("id") if isinstance(each, dict) else None
        if isinstance(name, str) and (shown := _last(name) if _is_path(name) else name):
            created = each.get("created")
            yield shown, created if isinstance(created, int) and not isinstance(created, bool) else 0


def _is_path(name: str) -> bool:
    """A path on the server's machine; ``org/name`` is none."""
    return name.startswith(("/", "~", ".", "file:")) or "\\" in name or bool(ntpath.splitdrive(name)[0])


def _last(name: str) -> str:
    return posixpath.basename(name.replace("\\", "/").rstrip("/"))
