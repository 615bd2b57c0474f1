"""The four ways of asking a suspect for a mark, as the forensic benchmarks use them.

Open: it reads texts, and its likeliest tokens count. Closed: it answers prompts, and its own tokens count.
With the records: the marked records that it may have learnt from (open) or their prompts (closed), and only
their windows count. Without: the teacher's unmarked answers to prompts that no student saw, or those prompts,
and every window counts.
"""

from __future__ import annotations

import copy
import random
from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass
from typing import Any

import torch
from forensics_world import World, answer

from inbond.digest import of_value
from inbond.forensics.finding import Finding
from inbond.forensics.green import GreenKey, Tally
from inbond.forensics.radioactivity import (
    Read,
    Window,
    Written,
    judge,
    tally_closed,
    tally_open,
    windows_of,
)
from inbond.forensics.reading import Reader
from inbond.teachers.protocols import TokenSequence


@dataclass(frozen=True)
class Way:
    access: str
    records: bool

    @property
    def name(self) -> str:
        return f"{self.access}, {'with' if self.records else 'without'} records"


WAYS = tuple(Way(access, records) for access in ("open", "closed") for records in (True, False))


@dataclass(frozen=True)
class Evidence:
    """What a suspect made of texts, in an order without pattern."""

    way: Way
    texts: Sequence[Any]
    known: Set[Window] | None

    def tally(self, key: GreenKey) -> Tally:
        count: Callable[..., Tally] = tally_open if self.way.access == "open" else tally_closed
        return count(key, self.texts, self.known)

    def finding(self, key: GreenKey) -> Finding:
        return self.judged(key, self.tally(key))

    def judged(self, key: GreenKey, tally: Tally) -> Finding:
        return judge(key, tally, access=self.way.access, with_records=self.way.records)


def gather(
    world: World, model: Any, way: Way, records: Sequence[TokenSequence], key: GreenKey, texts: int
) -> Evidence:
    """Asks ``model`` in that way for about so many texts; of more ``records`` the first are shown, and the
    windows of all are known. It draws from a copy rounded to bfloat16."""
    known = windows_of(key, [answer(row) for row in records]) if way.records else None
    if way.access == "open":
        found: list[Any] = shown(world, model, (records if way.records else world.strange)[:texts])
    else:
        prompts = _prompts(records[:texts]) if way.records else world.held_out[:texts]
        found = written(world, model, prompts, max(1, texts // len(prompts)))
    random.Random(0).shuffle(found)
    return Evidence(way, found, known)


def _prompts(records: Sequence[TokenSequence]) -> list[tuple[int, ...]]:
    return [row.ids[: row.prompt_length] for row in records]


def shown(world: World, model: Any, rows: Sequence[TokenSequence]) -> list[Read]:
    """What it finds likeliest at each place of their answers."""
    likeliest = reader(world, "the suspect", model).likeliest(rows)
    return [
        Read(row.ids, row.prompt_length, tokens.tolist()) for row, tokens in zip(rows, likeliest, strict=True)
    ]


def reader(world: World, name: str, model: Any) -> Reader:
    """A model of the world's tokenizer."""
    return Reader(name, of_value(name), world.vocabulary, model, world.tokenizer, world.setting.pad_id)


def written(world: World, model: Any, prompts: Sequence[Sequence[int]], samples: int) -> list[Written]:
    """Its own answers."""
    quick = copy.deepcopy(model).to(torch.bfloat16)
    rows = world.draw(quick, prompts, 7, samples=samples)
    return [Written(answer(row), row.ids[: row.prompt_length]) for row in rows]
