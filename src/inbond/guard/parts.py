"""Parts of messages: which are served, and what those count that are no text. Pure.

Servers take parts that open files of theirs, unpack tensors, or cost a hundred thousand tokens an address;
new ones come with every release. So a part is of a type that is listed, or that the provider allows.
"""

from __future__ import annotations

from collections.abc import Mapping, Set
from typing import Any, Final

from inbond.guard.hiding import HIDDEN_PARTS

IMAGE_TOKENS: Final = 2_048
"""A picture."""
HOLDERS: Final = ("content", "output", "summary")
"""Fields of messages and items that may be lists of parts."""
_TEXTS: Final = HIDDEN_PARTS | {
    "text", "refusal", "input_text", "output_text", "summary_text", "reasoning_text",
}  # fmt: skip
_PICTURES: Final = frozenset({"image_url", "input_image"})
_WITHIN: Final = frozenset({"input_audio", "file", "input_file"})
"""What has its data in it, and is counted by its length; a file may be an address."""
SERVED: Final = _TEXTS | _PICTURES | _WITHIN


def unserved(message: Mapping[str, Any], more: Set[str]) -> str | None:
    """What is not served of a message's parts, as the provider would allow it (``content.TYPE``); None for
    nothing. A part without a type is a text: servers guess what any other is."""
    for name in HOLDERS:
        found = message.get(name)
        if not isinstance(found, (list, dict)):
            continue
        for part in found if isinstance(found, list) else [found]:
            if not isinstance(part, dict):
                continue
            kind = part.get("type", "text" if part.keys() <= {"text"} else "without a type")
            if not isinstance(kind, str):
                return "content of a type that is no string"
            if kind not in SERVED and f"content.{kind}" not in more:
                return f"content.{kind}"
    return None


def tokens(part: Mapping[str, Any], media_tokens: int) -> int:
    """What a part counts besides its text: ``media_tokens`` where nobody here can tell."""
    kind = part.get("type", "text")
    if kind in _TEXTS:
        return 0
    if kind in _PICTURES:
        return IMAGE_TOKENS
    inner = part.get("file")
    addressed = "file_url" in part or (isinstance(inner, dict) and "file_url" in inner)
    return media_tokens if addressed or kind not in _WITHIN else 0


def is_picture(part: Mapping[str, Any]) -> bool:
    """Whether its data is no text that counts by its length."""
    return str(part.get("type")) in _PICTURES
