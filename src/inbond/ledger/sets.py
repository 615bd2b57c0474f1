"""Reads the record sets of a workspace, column by column, and tallies whose work is in one of them.

Only four columns are read, in batches, and of the sets that a set descends from only the words are kept.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from inbond.digest import Digest
from inbond.errors import TamperedError
from inbond.ledger import records
from inbond.ledger.lineage import Unknown
from inbond.ledger.recorded import Kept, Workbook, data_id, parents_of
from inbond.ledger.tally import Chunk, Counted, Hand, Tracer, Words

_BATCH = 1 << 20
"""Records a batch: what is read of them takes about 30 MB."""
_TAUGHT: Hand = ("", None)
"""Not a hand: the bit of what was answered in the run, and not given to it as text."""
_COLUMNS = ["origin", "parents", "completion_tokens"]


@final
@dataclass
class _Line:
    """A set and all that it descends from, in an order in which parents come first."""

    sets: dict[Digest, Kept] = field(default_factory=dict)
    parents: dict[Digest, list[Digest]] = field(default_factory=dict)
    unknowns: list[Unknown] = field(default_factory=list)


@final
class _Bits(dict[tuple[Hand, bool], int]):
    """The bit of each hand; whose records were given as text to the set that is tallied has another one."""

    def one(self, hand: Hand, *, own: bool = False) -> int:
        return self.setdefault((hand, own), len(self))

    def of(self, hands: Sequence[Hand], own: Sequence[bool] | None = None) -> npt.NDArray[np.int32]:
        """The bits of a set's origins."""
        given = own or [False] * len(hands)
        return np.array([self.one(hand, own=one) for hand, one in zip(hands, given, strict=True)], np.int32)


def count(last: Kept, book: Workbook) -> Counted:
    """Tallies ``last`` by everyone behind its records, through all sets that they descend from.

    Tokens are those of the completions: what a student learns to say. Raises TamperedError when a set
    cannot be read, or its parents are not there.
    """
    line = _line(last, book)
    *before, end = line.sets
    bits = _Bits()
    maps = {id_: bits.of(book.hands(id_)) for id_ in before}
    own = [origin.own for origin in last.origins]
    maps[end] = bits.of(book.hands(end), own)
    marks = {id_: bits.one((data_id(line.sets[id_]), None)) for id_ in before}
    taught = bits.one(_TAUGHT)
    tracer, words = Tracer(len(bits)), dict[Digest, Words]()
    waiting = Counter(parent for up in line.parents.values() for parent in set(up))
    for id_ in before:
        above = [words[parent] for parent in line.parents[id_]]
        words[id_] = tracer.words(_chunks(line, id_, maps[id_], tokens=False), above, marks[id_])
        for parent in set(line.parents[id_]):
            waiting[parent] -= 1
            if not waiting[parent]:
                del words[parent]
    above = [words[parent] for parent in line.parents[end]]
    asked = {bit for bit, given in zip(maps[end].tolist(), own, strict=True) if not given}
    tally = tracer.tally(_chunks(line, end, maps[end], tokens=True), above, taught, asked)
    return Counted(tally, [hand for hand, _ in bits], taught, line.unknowns)


def _line(last: Kept, book: Workbook) -> _Line:
    """Iterative: a chain of runs may be long. An id is a digest over its inputs' ids, so no set can
    descend from itself."""
    line, stack = _Line(), [last]
    while stack:
        kept = stack[-1]
        id_ = kept.manifest.id
        found = parents_of(kept, book.artifacts)
        lost = [item for item in found if isinstance(item, Unknown)]
        if id_ not in line.parents:
            line.unknowns += lost
        # Row numbers mean nothing any more when one of the sets that they count through is gone.
        above = [] if lost else [item for item in found if isinstance(item, Kept)]
        line.parents[id_] = [parent.manifest.id for parent in above]
        ahead = [parent for parent in above if parent.manifest.id not in line.sets]
        if not ahead:
            line.sets[id_] = kept
            stack.pop()
        stack += ahead
    return line


def _chunks(line: _Line, id_: Digest, bits: npt.NDArray[np.int32], *, tokens: bool) -> Iterator[Chunk]:
    kept, followed = line.sets[id_], bool(line.parents[id_])
    columns = _COLUMNS if tokens else _COLUMNS[:-1]
    try:
        with pq.ParquetFile(kept.folder / records.LINEAGE) as file:
            for batch in file.iter_batches(_BATCH, columns=columns, use_threads=True):
                yield _chunk(batch, bits, tokens=tokens, followed=followed)
    except (OSError, pa.ArrowException, IndexError, KeyError) as error:
        raise TamperedError(
            expected=f"the lineage of {kept.claim.folder}",
            found=f"{records.LINEAGE} cannot be read ({error})",
            fix="inbond verify names what was changed; put back a copy",
        ) from error


def _chunk(batch: pa.RecordBatch, bits: npt.NDArray[np.int32], *, tokens: bool, followed: bool) -> Chunk:
    parents = batch.column("parents")
    offsets = parents.offsets.to_numpy()
    values = parents.values.to_numpy()[offsets[0] : offsets[-1]]
    if not followed:
        offsets, values = np.zeros_like(offsets), values[:0]
    counted = batch.column("completion_tokens").to_numpy() if tokens else np.zeros(0, np.int32)
    return Chunk(bits[batch.column("origin").to_numpy()], offsets, values, counted)
