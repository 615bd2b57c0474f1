"""A tokenizer with fewer tokens that still encodes any text. Pure: from tokenizer.json to tokenizer.json.

For byte-level BPE and BPE with byte fallback. What is kept is closed under merging: with a token both parts
of every merge that makes it. So a text that the whole tokenizer cuts into kept tokens is cut into just these
by the smaller one (each step of merging has the same first merge to make), and any other text falls into
smaller pieces, bytes at the worst. Every special token and every byte that there is a token for are kept.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from inbond.errors import InputError

_BYTES: Final = 256
_LEAST: Final = 200
"""Bytes that a tokenizer of bytes has at least: 13 are in no UTF-8, and some leave out more (SmolLM2: 8)."""


def choose(tokenizer: Mapping[str, Any], counts: Mapping[int, int], size: int | None) -> list[int]:
    """The ids to keep, rising. ``counts``: how often each token occurs; ``size`` None: all that do; else the
    most frequent ones that fit, then the tokens that were merged first, up to just ``size``.

    Raises InputError for a tokenizer of another kind, and where ``size`` cannot be had.
    """
    model = _checked(tokenizer)
    kept = _fixed(tokenizer)
    if size is not None and not len(kept) <= size < len(_ids(tokenizer)):
        raise InputError(
            expected=f"student.vocabulary from {len(kept)}, its bytes and special tokens, "
            f"to {len(_ids(tokenizer)) - 1}, fewer than the teacher's",
            found=str(size),
            fix="set student.vocabulary within these, or to occurring",
        )
    parts = _parts(model)
    frequent = sorted((id_ for id_ in counts if id_ in _ids(tokenizer)), key=lambda id_: (-counts[id_], id_))
    _add(kept, frequent, parts, size)
    if size is not None:
        _add(kept, sorted(model["vocab"].values()), parts, size)
    return sorted(kept)


def prune(tokenizer: Mapping[str, Any], keep: Sequence[int]) -> dict[str, Any]:
    """The tokenizer with only the ids ``keep`` (as ``choose`` gives them), numbered anew in their order."""
    model = _checked(tokenizer)
    new = {old: number for number, old in enumerate(keep)}
    smaller: dict[str, Any] = copy.deepcopy(dict(tokenizer))
    vocab = {piece: new[old] for piece, old in model["vocab"].items() if old in new}
    smaller["model"]["vocab"] = dict(sorted(vocab.items(), key=lambda entry: entry[1]))
    smaller["model"]["merges"] = [
        merge for merge in model["merges"] if all(piece in vocab for piece in (*_pair(merge), _made(merge)))
    ]
    smaller["added_tokens"] = [
        {**added, "id": new[added["id"]]} for added in tokenizer.get("added_tokens", ()) if added["id"] in new
    ]
    for name in ("padding", "truncation"):  # they hold ids too, and are the caller's to set
        smaller[name] = None
    smaller["post_processor"] = _renumbered(tokenizer.get("post_processor"), new)
    return smaller


def _checked(tokenizer: Mapping[str, Any]) -> Mapping[str, Any]:
    """The model within. Raises InputError unless it is BPE that falls back on bytes."""
    model: Mapping[str, Any] = tokenizer.get("model") or {}
    if (
        model.get("type") != "BPE"
        or model.get("continuing_subword_prefix")
        or model.get("end_of_word_suffix")
    ):
        raise _unsupported(f"a tokenizer of the type {model.get('type')}")
    if len(_byte_pieces(tokenizer)) < _LEAST:
        raise _unsupported("one that has no tokens for bytes")
    return model


def _unsupported(found: str) -> InputError:
    return InputError(
        expected="a BPE tokenizer that can encode any text by its bytes, for student.vocabulary",
        found=found,
        fix="leave student.vocabulary out: the student keeps its teacher's tokens",
    )


def _byte_pieces(tokenizer: Mapping[str, Any]) -> list[str]:
    vocab = tokenizer["model"].get("vocab", {})
    if tokenizer["model"].get("byte_fallback"):
        names = [f"<0x{byte:02X}>" for byte in range(_BYTES)]
    else:
        names = byte_letters()
    return [name for name in names if name in vocab]


def byte_letters() -> list[str]:
    """The letter that byte-level tokenizers write for each byte (GPT-2's table)."""
    shown = {*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)}
    letters, more = [], 0
    for byte in range(_BYTES):
        letters.append(chr(byte) if byte in shown else chr(_BYTES + more))
        more += byte not in shown
    return letters


def _fixed(tokenizer: Mapping[str, Any]) -> set[int]:
    vocab = tokenizer["model"]["vocab"]
    fixed = {vocab[piece] for piece in _byte_pieces(tokenizer)}
    fixed |= {added["id"] for added in tokenizer.get("added_tokens", ())}
    unknown = tokenizer["model"].get("unk_token")
    return fixed | ({vocab[unknown]} if unknown in vocab else set())


def _ids(tokenizer: Mapping[str, Any]) -> set[int]:
    added = {entry["id"] for entry in tokenizer.get("added_tokens", ())}
    return added | set(tokenizer["model"]["vocab"].values())


def _pair(merge: str | Sequence[str]) -> tuple[str, str]:
    left, right = merge.split(" ") if isinstance(merge, str) else merge
    return left, right


def _made(merge: str | Sequence[str]) -> str:
    return "".join(_pair(merge))


def _parts(model: Mapping[str, Any]) -> dict[int, set[int]]:
    """For each token what every merge that makes it is made of."""
    vocab = model["vocab"]
    parts: dict[int, set[int]] = {}
    for merge in model["merges"]:
        made = vocab.get(_made(merge))
        if made is not None:
            parts.setdefault(made, set()).update(vocab[piece] for piece in _pair(merge))
    return parts


def _add(kept: set[int], wanted: Iterable[int], parts: Mapping[int, set[int]], size: int | None) -> None:
    """Takes tokens in, each with all it is made of, as long as they fit."""
    for id_ in wanted:
        if id_ in kept:
            continue
        more, todo = set(), [id_]
        while todo:
            one = todo.pop()
            if one not in kept and one not in more:
                more.add(one)
                todo += parts.get(one, ())
        if size is None or len(kept) + len(more) <= size:
            kept |= more


def _renumbered(value: Any, new: Mapping[int, int]) -> Any:
    """What is put around a text, with its tokens' new ids."""
    if isinstance(value, dict):
        return {
            key: [new[old] for old in part] if key == "ids" else _renumbered(part, new)
            for key, part in value.items()
        }
    if isinstance(value, list):
        pair = len(value) == 2 and isinstance(value[0], str) and type(value[1]) is int
        return [value[0], new[value[1]]] if pair else [_renumbered(part, new) for part in value]
    return value
