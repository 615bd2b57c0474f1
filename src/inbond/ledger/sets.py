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
from inbond.ledger.tally import Chunk, Tally, Tracer, Words
from inbond.types import Role

_BATCH = 1 << 20
"""Records a batch: what is read of them takes about 30 MB."""
_COLUMNS = ["origin", "parents", "completion_tokens"]

Hand = tuple[str, Role | None]
"""Who had a hand in records: the node of a teacher or of own data with its role, or, without a role, that
of a record set which they descend from."""


@final
@dataclass(frozen=True)
class Counted:
    """A set's tally, who each bit stands for, and what could not be followed: then others may have a hand
    in it too."""

    tally: Tally
    hands: Sequence[Hand]
    unknowns: Sequence[Unknown]

    def idle(self) -> set[str]:
        """Nodes that are among the origins of some set, but not behind any of these records."""
        busy = {node for bit, (node, _) in enumerate(self.hands) if self.tally.touched(1 << bit).records}
        return set() if self.unknowns else {node for node, _ in self.hands} - busy


@final
@dataclass
class _Line:
    """A set and all that it descends from, in an order in which parents come first."""

    sets: dict[Digest, Kept] = field(default_factory=dict)
    parents: dict[Digest, list[Digest]] = field(default_factory=dict)
    unknowns: list[Unknown] = field(default_factory=list)


def count(last: Kept, book: Workbook) -> Counted:
    """Tallies ``last`` by everyone behind its records, through all sets that they descend from.

    Tokens are those of the completions: what a student learns to say. Raises TamperedError when a set
    cannot be read, or its parents are not there.
    """
    line = _line(last, book)
    bits: dict[Hand, int] = {}
    maps = {id_: _bits_of(id_, book, bits) for id_ in line.sets}
    *before, end = line.sets
    marks = {id_: bits.setdefault((data_id(line.sets[id_]), None), len(bits)) for id_ in before}
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
    tally = tracer.tally(_chunks(line, end, maps[end], tokens=True), above)
    return Counted(tally, list(bits), line.unknowns)


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


def _bits_of(id_: Digest, book: Workbook, bits: dict[Hand, int]) -> npt.NDArray[np.int32]:
    """The bit of each of a set's origins."""
    return np.array([bits.setdefault(hand, len(bits)) for hand in book.hands(id_)], np.int32)


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
