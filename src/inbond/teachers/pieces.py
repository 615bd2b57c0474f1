"""What each token of a tokenizer stands for, in bytes: how tokens that a host names are found again.

A token may hold half a character, so its text cannot identify it; its bytes can. Known are the two
families that nearly all models have: byte-level BPE, and SentencePiece with or without byte fallback.
"""

from __future__ import annotations

import json
import re
from typing import Any, final

from inbond.errors import InputError
from inbond.teachers.protocols import TokenScore
from inbond.teachers.tokens import UNREADABLE

_FALLBACK = re.compile(r"<0x([0-9A-Fa-f]{2})>")
_SPACE = "\u2581"


@final
class Pieces:
    """The bytes of every token, and back. Special tokens stand for no text; those of ``fallback`` for single
    bytes of what has no other token. Make it with ``Pieces.of``."""

    def __init__(
        self, text: dict[int, bytes], special: dict[int, bytes], fallback: frozenset[int], spaced: bool
    ) -> None:
        self.special = frozenset(special)
        self.fallback = fallback
        self.spaced = spaced
        self._bytes = {**text, **special}
        self._ids: dict[bytes, int | None] = {}
        # SentencePiece writes single bytes only where it has no other token, so those come last.
        for ids in (self._bytes.keys() - fallback, fallback):
            found: dict[bytes, int | None] = {}
            for id_ in ids:
                raw = self._bytes[id_]
                found[raw] = None if raw in found else id_
            self._ids = found | self._ids

    @classmethod
    def of(cls, tokenizer: Any) -> Pieces:
        """Raises InputError for a tokenizer whose tokens' bytes are not known."""
        spec = _decoder(tokenizer)
        added = tokenizer.added_tokens_decoder
        text = {id_: token.content.encode() for id_, token in added.items() if not token.special}
        special = {id_: token.content.encode() for id_, token in added.items() if token.special}
        plain = {id_: token for token, id_ in tokenizer.get_vocab().items() if id_ not in added}
        if '"ByteLevel"' in spec:
            table = _byte_of_letter()
            for id_, token in plain.items():
                known = all(letter in table for letter in token)
                text[id_] = bytes(table[letter] for letter in token) if known else token.encode()
            return cls(text, special, frozenset(), spaced=False)
        if '"ByteFallback"' not in spec and '"Metaspace"' not in spec:
            raise _unknown(tokenizer, spec)
        fallback = {
            id_: bytes([int(match[1], 16)])
            for id_, token in plain.items()
            if (match := _FALLBACK.fullmatch(token))
        }
        text |= {id_: token.replace(_SPACE, " ").encode() for id_, token in plain.items()}
        return cls(text | fallback, special, frozenset(fallback), spaced=True)

    def bytes_of(self, id_: int) -> bytes:
        """What the token adds to an answer's text: nothing when it is special, or no token."""
        return b"" if id_ in self.special else self._bytes.get(id_, b"")

    def spelt(self, id_: int) -> bytes:
        """What the token stands for where it came out of a text, special or not."""
        return self._bytes.get(id_, b"")

    def id_of(self, raw: bytes) -> int | None:
        """The one token that has just these bytes and is not special; None when there is none, or several."""
        id_ = self._ids.get(raw)
        return None if id_ is None or id_ in self.special else id_

    def said(self, score: TokenScore) -> bytes | None:
        """The bytes that a host says the token has; None when it cannot be told."""
        if score.raw is not None:
            return score.raw
        return None if UNREADABLE in score.text else score.text.encode()

    def checks_out(self, score: TokenScore) -> bool:
        """Whether the host's id means to us what the host says that it is."""
        if score.id not in self._bytes:
            return False
        raw, own = self.said(score), self._bytes[score.id]
        if raw is None:
            return own.decode(errors="replace") == score.text
        return raw == own or (score.id in self.special and raw == b"")

    def find(self, score: TokenScore) -> int | None:
        """The id of a token by the host's own id when it checks out, else by its bytes or text; None when
        that is no token, or more than one."""
        if self.checks_out(score):
            return score.id
        raw = self.said(score)
        # A host without bytes may write half a character as a whole U+FFFD, bytes and all.
        if not raw or raw == UNREADABLE.encode():
            return None
        return self._ids.get(raw)


def _decoder(tokenizer: Any) -> str:
    backend = getattr(tokenizer, "backend_tokenizer", None)
    decoder = getattr(backend, "decoder", None)
    if decoder is None:
        raise _unknown(tokenizer, "none")
    return json.dumps(json.loads(decoder.__getstate__()))


def _unknown(tokenizer: Any, spec: str) -> InputError:
    return InputError(
        expected="a byte-level BPE or SentencePiece tokenizer, to find a host's tokens by their bytes",
        found=f"{type(tokenizer).__name__} with the decoder {spec:.120}",
        fix="learn from the teacher's text alone (train.ce)",
    )


def _byte_of_letter() -> dict[str, int]:
    """The letters by which byte-level BPE (GPT-2) writes bytes: printable ones stand for themselves."""
    printable = {*range(33, 127), *range(161, 173), *range(174, 256)}
    others = [byte for byte in range(256) if byte not in printable]
    return {chr(byte): byte for byte in printable} | {
        chr(256 + place): byte for place, byte in enumerate(others)
    }
