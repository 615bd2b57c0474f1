"""Foreign files written, read and looked at: for tests of what they declare."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from inbond.errors import InputError
from inbond.ledger.declaration import Declared, from_body
from inbond.ledger.importing import read_path


def written(folder: Path, name: str, content: Any) -> Path:
    """A file of these bytes, this text, or this value as JSON."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    data = (
        content
        if isinstance(content, bytes)
        else (content if isinstance(content, str) else json.dumps(content)).encode()
    )
    path.write_bytes(data)
    return path


def one(path: Path, name: str | None = None) -> Declared:
    """What one file declares, as the ledger gives it back."""
    (found,) = read_path(path, name)
    assert from_body(json.loads(json.dumps(found.to_body()))) == found, "the ledger keeps all of it"
    return found


def edges(found: Declared) -> list[tuple[str, str, str]]:
    return [(edge.source, edge.relation, edge.target) for edge in found.graph.edges]


def unknowns(found: Declared) -> list[str]:
    return [unknown.what for unknown in found.graph.unknowns]


def refused(path: Path, name: str | None = None) -> InputError:
    with pytest.raises(InputError) as caught:
        read_path(path, name)
    return caught.value
