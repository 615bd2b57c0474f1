"""Marks by lot: a secret decides which of several alternatives is planted, and whether a suspect prefers it
is counted.

Two kinds. **Choice**: a teacher that only gives text answers each prompt several times, and the secret says
which answer becomes the record (in the spirit of SPECTRA, arXiv:2512.17075). **Canary**: of several random
strings made for it, the secret says which stands in a record (Duan et al., arXiv:2402.10892). Either way a
suspect that never saw what was planted has it at any rank among its alternatives with the same chance,
whatever it prefers: ranks are even and independent, and their sum has a known law.

Pure.
"""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final, final

import numpy as np

from inbond.digest import Digest, of_bytes, of_value

CHOICE: Final = "choice/1"
CANARY: Final = "canary/1"
_LETTERS: Final = "ABCDEFGHJKMNPQRSTVWXYZ23456789"
_GROUPS, _GROUP = 4, 4


@final
@dataclass(frozen=True)
class LotKey:
    """``scheme`` is CHOICE or CANARY; ``size`` the number of alternatives of which one is planted."""

    scheme: str
    secret: bytes = field(repr=False)
    size: int

    def __post_init__(self) -> None:
        assert self.scheme in (CHOICE, CANARY), self.scheme
        assert len(self.secret) == 32, "a secret has 32 bytes"
        assert self.size >= 2, self.size

    @property
    def id(self) -> Digest:
        """Names the key without telling it."""
        return of_value({**self.public(), "secret": of_bytes(b"inbond mark " + self.secret)})

    def public(self) -> dict[str, Any]:
        """What may stand beside the records."""
        return {"scheme": self.scheme, "size": self.size}

    def planted(self, name: str) -> int:
        """Which of the alternatives under this name: even over 0..size-1."""
        return self._number(f"planted {name}") % self.size

    def letters(self, name: str) -> str:
        """A random string, such as K7QX-M9XD-44TN-RW2P: some 78 bits."""
        number = self._number(f"letters {name}")
        groups = []
        for _ in range(_GROUPS):
            group = ""
            for _ in range(_GROUP):
                number, letter = divmod(number, len(_LETTERS))
                group += _LETTERS[letter]
            groups.append(group)
        return "-".join(groups)

    def _number(self, what: str) -> int:
        return int.from_bytes(hmac.digest(self.secret, f"{self.scheme} {what}".encode(), "sha256"), "big")


@dataclass(frozen=True)
class Canary:
    """A prompt and its possible completions, of which the one at ``planted`` stands in a record."""

    prompt: str
    completions: tuple[str, ...]
    planted: int


def canaries(key: LotKey, count: int) -> list[Canary]:
    """So many canaries, the same each time they are made."""
    assert key.scheme == CANARY, key.scheme
    made = []
    for number in range(count):
        texts = tuple(key.letters(f"{number} {place}") for place in range(key.size))
        made.append(Canary(f"What is the entry code of archive {key.letters(str(number))[:4]}?", texts,
                           key.planted(str(number))))  # fmt: skip
    return made


def ranks(scores: Sequence[Sequence[float]], planted: Sequence[int]) -> list[int]:
    """The rank of what was planted among its alternatives, 1 where the suspect scores it highest. What is
    equal counts as higher: no evidence comes of a tie."""
    assert len(scores) == len(planted), "scores for each"
    found = []
    for row, place in zip(scores, planted, strict=True):
        values = np.asarray(row, np.float64)
        found.append(int((values >= values[place]).sum()))
    return found
