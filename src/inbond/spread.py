"""Where work is done whose parts do not know of each other: here, or wherever else results are the same.

An ordered map over parts, and nothing more. What is mapped is a module's function with values that can be
sent to another process, and its result depends on these alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Protocol, TypeVar, final

T = TypeVar("T")
R = TypeVar("R")


class Spread(Protocol):
    """Whoever does the work."""

    @property
    def here(self) -> bool:
        """Whether it is done in this process, one part after another: nothing has to be sent then."""

    def map(self, function: Callable[[T], R], parts: Iterable[T]) -> Iterator[R]:
        """The results in the order of the parts, with few of them waiting at a time.

        Raises what ``function`` raises where that is an InbondError, and InputError when no worker lives
        long enough. A worker that dies costs nothing but time: its parts are done again.
        """


@final
class Here:
    """This process. Implements Spread."""

    here = True

    def map(self, function: Callable[[T], R], parts: Iterable[T]) -> Iterator[R]:
        """See Spread."""
        return map(function, parts)


HERE = Here()
