"""A byte-level BPE tokenizer as llama.cpp's metadata describes it. Pure.

llama.cpp does not read how text is cut before merging; it knows some ways by name. A tokenizer that cuts in
another way is an InputError, and whether both cut alike is checked on real text after writing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, final

from inbond.errors import InputError

NORMAL, CONTROL, USER_DEFINED, UNUSED = 1, 3, 4, 5
"""llama.cpp's types of tokens."""

_LLAMA3: Final = (
    "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|"
    "\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"
)
_QWEN2: Final = (
    "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|"
    "\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"
)
_WHOLE_WORDS: Final = "llama-bpe"
"""The one way of cutting with which llama.cpp takes a word that is a token whole, whatever the merges say."""
_BY_PATTERN: Final = {_LLAMA3: _WHOLE_WORDS, _QWEN2: "qwen2"}


@final
@dataclass(frozen=True)
class Tokens:
    """Every id's piece in byte-level letters, its type, the merges in order, and how text is cut first."""

    cut: str
    pieces: tuple[str, ...]
    types: tuple[int, ...]
    merges: tuple[str, ...]


def read(tokenizer: Mapping[str, Any], vocabulary: int) -> Tokens:
    """From a tokenizer.json; ``vocabulary`` rows of the embedding, of which those that no token has are
    filled up. Raises InputError for a tokenizer that llama.cpp could not run alike."""
    model, cut = tokenizer.get("model", {}), _checked(tokenizer)
    added = {entry["id"]: entry for entry in tokenizer.get("added_tokens", ())}
    by_id = {number: piece for piece, number in model["vocab"].items()}
    by_id |= {number: entry["content"] for number, entry in added.items()}
    if max(by_id) >= vocabulary:
        raise _unsupported(f"{by_id[max(by_id)]!r}, token {max(by_id)}, without a row of the embedding")
    pieces = tuple(by_id.get(number, f"[PAD{number}]") for number in range(vocabulary))
    piece, times = Counter(pieces).most_common(1)[0]
    if times > 1:
        raise _unsupported(f"{times} tokens that are all {piece!r}")
    types = tuple(_type(number, by_id, added) for number in range(vocabulary))
    return Tokens(cut, pieces, types, tuple(map(_merge, model["merges"])))


def _checked(tokenizer: Mapping[str, Any]) -> str:
    """llama.cpp's name for how text is cut. Raises InputError for what it would do in another way."""
    model = tokenizer.get("model", {})
    if model.get("type") != "BPE" or not _byte_level(tokenizer):
        raise _unsupported(f"a tokenizer of the type {model.get('type')}, not of bytes")
    if tokenizer.get("normalizer"):
        raise _unsupported("a tokenizer that changes text first (normalizer)")
    if not model.get("merges"):
        raise _unsupported("a tokenizer of bytes alone, without a merge")
    if any(model.get(name) for name in ("dropout", "continuing_subword_prefix", "end_of_word_suffix")):
        raise _unsupported("a tokenizer that merges by chance, or marks parts of words")
    for entry in tokenizer.get("added_tokens", ()):
        if any(entry.get(name) for name in ("lstrip", "rstrip", "single_word")):
            raise _unsupported(f"the token {entry['content']!r}, which takes in the spaces around it")
    cut = _cut(tokenizer)
    if bool(model.get("ignore_merges")) != (cut == _WHOLE_WORDS):
        raise _unsupported(f"ignore_merges = {bool(model.get('ignore_merges'))} with the cuts of {cut}")
    return cut


def _type(number: int, by_id: Mapping[int, str], added: Mapping[int, Mapping[str, Any]]) -> int:
    if number not in by_id:
        return UNUSED
    if number not in added:
        return NORMAL
    return CONTROL if added[number].get("special") else USER_DEFINED


def _merge(merge: str | list[str]) -> str:
    return merge if isinstance(merge, str) else " ".join(merge)


def _steps(tokenizer: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    before = tokenizer.get("pre_tokenizer") or {}
    return list(before.get("pretokenizers", ())) if before.get("type") == "Sequence" else [before]


def _byte_level(tokenizer: Mapping[str, Any]) -> bool:
    return any(step.get("type") == "ByteLevel" for step in _steps(tokenizer))


def _cut(tokenizer: Mapping[str, Any]) -> str:
    """llama.cpp's name for the way text is cut before merging."""
    steps = _steps(tokenizer)
    kinds = [step.get("type") for step in steps]
    last = steps[-1]
    if not last.get("add_prefix_space", True):
        if kinds == ["ByteLevel"] and last.get("use_regex", True):
            return "gpt-2"
        digits = kinds == ["Digits", "ByteLevel"] and steps[0].get("individual_digits")
        if digits and last.get("use_regex", True):
            return "smollm"
        pattern = (steps[0].get("pattern") or {}).get("Regex") if kinds == ["Split", "ByteLevel"] else None
        if pattern in _BY_PATTERN and not last.get("use_regex", True):
            return _BY_PATTERN[pattern]
    raise _unsupported("a tokenizer that cuts text in a way of its own (pre_tokenizer)")


def _unsupported(found: str) -> InputError:
    return InputError(
        expected="a byte-level BPE tokenizer that cuts text as GPT-2, SmolLM2, Llama 3 or Qwen2 do",
        found=found,
        fix="leave gguf out of export, or choose a teacher with such a tokenizer",
    )
