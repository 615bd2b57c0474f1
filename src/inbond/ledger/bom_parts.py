"""What bills of materials of all kinds are made of, as plain values: objects, texts, hashes, Hub names. Pure.

Malformed input is a ValueError that names the place.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from inbond.digest import Digest
from inbond.ledger.lineage import NodeKind
from inbond.policy.foreign import HUB_NAME, shown

_PURL = re.compile(rf"pkg:huggingface/({HUB_NAME}|[A-Za-z0-9][\w.-]*)(?:@([\w./-]+))?", re.ASCII)
_HUB_URL = re.compile(
    rf"https?://(?:huggingface\.co|hf\.co)/(datasets/)?({HUB_NAME})(?:/tree/([\w./-]+))?/?", re.ASCII
)
_HUB_HOSTS = ("huggingface.co", "www.huggingface.co", "hf.co")
_HEX = re.compile(r"(?:[0-9a-f]{2}){16,64}")
_SHA_256 = re.compile(r"[0-9a-f]{64}")

Object = Mapping[str, Any]


def as_object(value: Any, where: str) -> Object:
    """``value``, if it is an object."""
    if not isinstance(value, dict):
        raise ValueError(f"{where} is no object")
    return value


def as_list(value: Any, where: str) -> Sequence[Any]:
    """``value``, if it is a list."""
    if not isinstance(value, list):
        raise ValueError(f"{where} is no list")
    return value


def as_objects(value: Any, where: str) -> list[Object]:
    """``value``, if it is a list of objects."""
    return [as_object(item, f"{where}[{number}]") for number, item in enumerate(as_list(value, where))]


def text_of(item: Object, field: str, where: str) -> str | None:
    """A text that may be missing."""
    value = item.get(field)
    if value is None or value == "":
        return None
    if not isinstance(value, str):
        raise ValueError(f"{where} has {shown(value)} as {field}, which is no text")
    return value


def sha_256(algorithm: str, content: Any, where: str) -> Digest | None:
    """A hash, if it is a SHA-256. Raises ValueError for what is no hash at all."""
    value = content.lower() if isinstance(content, str) else ""
    mine = re.sub(r"[^a-z0-9]", "", algorithm.lower()).endswith("sha256") and "sha3" not in algorithm.lower()
    if not (_SHA_256 if mine else _HEX).fullmatch(value):
        raise ValueError(f"{where} has a hash {algorithm} of {shown(content)}")
    return Digest(f"sha256:{value}") if mine else None


def hub_purl(purl: str | None, kind: NodeKind) -> str | None:
    """The id of what a package URL names on the Hub; a hub elsewhere (repository_url) is another place."""
    if purl is None or not purl.startswith("pkg:huggingface/"):
        return None
    parts = urlsplit(purl)
    elsewhere = parse_qs(parts.query).get("repository_url", [])
    match = _PURL.fullmatch(unquote(f"{parts.scheme}:{parts.path}"))
    if match is None or any(_host(url) not in _HUB_HOSTS for url in elsewhere):
        return None
    if kind == "data":
        return f"data:{match[1]}"
    return f"hf:{match[1]}" + (f"@{match[2]}" if match[2] else "")


def _host(url: str) -> str:
    return (urlsplit(url if "//" in url else f"//{url}").hostname or "").lower()


def hub_page(url: str | None, kind: NodeKind | None) -> str | None:
    """The id of what a page of the Hub is about, if that is of this kind."""
    match = _HUB_URL.fullmatch(url) if url is not None else None
    if match is None or (kind is not None and bool(match[1]) != (kind == "data")):
        return None
    if match[1]:
        return f"data:{match[2]}"
    return f"hf:{match[2]}" + (f"@{match[3]}" if match[3] else "")


def all_of(licences: Sequence[str]) -> str | None:
    """Several licences on one thing all apply until someone says otherwise."""
    said = list(dict.fromkeys(licences))
    return " AND ".join(f"({text})" for text in said) if len(said) > 1 else next(iter(said), None)
