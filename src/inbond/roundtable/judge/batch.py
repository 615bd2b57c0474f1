"""A batch of pairs, the judges that it is put to, and all that each of them is asked. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Final, final

from inbond.digest import Digest, of_value
from inbond.engine.erasure import JUDGING, part_of
from inbond.roundtable.judge.canaries import Canary, plant
from inbond.roundtable.judge.constitution import Constitution
from inbond.roundtable.judge.families import families_of, families_told, writers
from inbond.roundtable.judge.judging import ORDERS, Order
from inbond.roundtable.judge.pairs import Pair, Side
from inbond.roundtable.judge.wording import Item
from inbond.teachers.protocols import Completes

FORMAT: Final = "inbond.judging/1"


@final
@dataclass(frozen=True)
class Judge:
    """One judge. ``family`` is what is said of its family besides what its name tells."""

    name: str
    uri: str
    teacher: Completes
    family: str = ""

    @cached_property
    def families(self) -> frozenset[str]:
        """Known families; none where nothing tells. Raises as ``families_told``."""
        return families_of(self.uri) | (families_told(self.family) if self.family else frozenset())


@final
@dataclass(frozen=True)
class Batch:
    """Pairs, and the constitution that they are judged by, in ``orders``: one alone saves half of the
    questions, and does not show who goes by the place. ``run`` is the run that has it judged, if one has."""

    pairs: tuple[Pair, ...]
    constitution: Constitution
    orders: tuple[Order, ...] = ORDERS
    run: str = ""

    @cached_property
    def digest(self) -> Digest:
        """Of the pairs in their order, who wrote them, and the constitution: decides the canaries."""
        pairs = [[pair.digest, _plain(pair.models), _plain(pair.families)] for pair in self.pairs]
        return of_value({"format": FORMAT, "constitution": self.constitution.digest, "pairs": pairs})

    @property
    def id(self) -> str:
        """Short, for folders and for the journal."""
        return self.digest.removeprefix("sha256:")[:12]

    @cached_property
    def canaries(self) -> tuple[Canary, ...]:
        return plant(self.pairs, self.digest)

    @cached_property
    def shown(self) -> tuple[tuple[Pair, bool], ...]:
        """All pairs that judges see, and whether each is one that they see again."""
        planted = tuple((canary.pair, canary.kind == "swapped") for canary in self.canaries)
        return tuple((pair, False) for pair in self.pairs) + planted

    def items(self, judge: Judge) -> tuple[Item, ...]:
        """All that this judge is asked: what its own family wrote is not."""
        return tuple(
            Item(pair, principle, order, again)
            for pair, again in self.shown
            if not own_family(judge, pair)
            for principle in self.constitution.principles
            for order in self.orders
        )


def _plain(by_side: Mapping[Side, str]) -> dict[str, str]:
    return {str(side): text for side, text in by_side.items()}


def own_family(judge: Judge, pair: Pair) -> frozenset[str]:
    """The families that judge and candidates share."""
    found: frozenset[str] = frozenset().union(*writers(pair).values())
    return found & judge.families


def run_of(batch: Batch, judge: Judge) -> str:
    """The name under which the journal keeps what this judge was asked and what it cost."""
    name = f"{JUDGING}{batch.id}-{judge.name}"
    return f"{part_of(batch.run)}{name}" if batch.run else name
