"""A keyed green-list mark: which tokens a secret prefers after which, and whether a text does so too.

After each ``window`` of tokens the key calls a share ``gamma`` of the vocabulary green. Who generates adds
``delta`` to the logits of green tokens (Kirchenbauer et al., arXiv:2301.10226); who holds the key counts how
many different pairs of window and token are green. To anyone who does not, or did not learn from marked text,
each such pair is green with chance ``gamma``, whatever the text: this is what the test's exactness rests on,
so the pairs come from a keyed pseudo-random function (HMAC-SHA-256 into Philox), and a pair counts once.

Pure. Legend: V vocabulary.
"""

from __future__ import annotations

import hmac
import math
from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, final

import numpy as np
import numpy.typing as npt

from inbond.digest import Digest, of_bytes, of_value

SCHEME = "green-list/1"
_SECRET_BYTES, _SEED_BYTES = 32, 16
_BLOCK = 4
"""Numbers that Philox draws at once: a token's own are found without those before it."""


@final
@dataclass(frozen=True)
class GreenKey:
    """``secret`` 32 bytes; ``gamma`` the share of green tokens; ``delta`` what their raw logits gain, before
    temperature and top_p: at temperature T the odds of a green token rise by delta / T nats; ``vocabulary``
    the digest and ``size`` the number of real tokens that windows are made of."""

    secret: bytes = field(repr=False)
    window: int
    gamma: float
    delta: float
    vocabulary: Digest
    size: int

    def __post_init__(self) -> None:
        assert len(self.secret) == _SECRET_BYTES, "a secret has 32 bytes"
        assert self.window >= 1, self.window
        assert 0 < self.gamma < 1, self.gamma
        assert 0 < self.delta < math.inf, self.delta
        assert self.size >= 1, self.size

    @cached_property
    def id(self) -> Digest:
        """Names the key without telling it: the secret is hashed alone first, with all of its 256 bits."""
        return of_value({**self.public(), "secret": of_bytes(b"inbond mark " + self.secret)})

    def public(self) -> dict[str, Any]:
        """What may stand beside the marked records."""
        return {
            "scheme": SCHEME,
            "window": self.window,
            "gamma": self.gamma,
            "delta": self.delta,
            "vocabulary": self.vocabulary,
        }

    def green_V(self, window: Sequence[int]) -> npt.NDArray[np.bool_]:
        """Which tokens are green after these ``self.window`` tokens."""
        return self._draws(window, self.size) < self._bound

    def is_green(self, window: Sequence[int], token: int) -> bool:
        """The same, of one token."""
        assert 0 <= token < self.size, token
        block, place = divmod(token, _BLOCK)
        return bool(self._draws(window, place + 1, block)[-1] < self._bound)

    @property
    def _bound(self) -> np.uint64:
        return np.uint64(int(self.gamma * 2.0**64))

    def _draws(self, window: Sequence[int], count: int, block: int = 0) -> npt.NDArray[np.uint64]:
        assert len(window) == self.window, "as many tokens as the key says"
        text = SCHEME.encode() + b"".join(int(token).to_bytes(4, "little") for token in window)
        seed = hmac.digest(self.secret, text, "sha256")[:_SEED_BYTES]
        draws = np.random.Philox(key=int.from_bytes(seed, "little"), counter=block).random_raw(count)
        return np.asarray(draws, dtype=np.uint64)


@dataclass(frozen=True)
class Tally:
    """So many different pairs of window and token, of which so many were green."""

    pairs: int
    green: int

    def __add__(self, other: Tally) -> Tally:
        return Tally(self.pairs + other.pairs, self.green + other.green)

    @property
    def share(self) -> float:
        """NaN without pairs."""
        return self.green / self.pairs if self.pairs else float("nan")


def pairs_of(ids: Sequence[int], window: int, first: int) -> Iterator[tuple[tuple[int, ...], int]]:
    """(window, token) at every place from ``first`` on that has a whole window before it."""
    for place in range(max(first, window), len(ids)):
        yield tuple(ids[place - window : place]), ids[place]


def count(key: GreenKey, pairs: Iterator[tuple[tuple[int, ...], int]], seen: Set[Any] = frozenset()) -> Tally:
    """Counts every different pair once; none in ``seen``."""
    different = dict.fromkeys(pair for pair in pairs if pair not in seen)
    return Tally(len(different), sum(key.is_green(window, token) for window, token in different))
