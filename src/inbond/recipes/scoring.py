"""The teacher's scores out of other processes: each opens the weights once, and makes whole shards."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

from inbond.recipes.objective import kept
from inbond.spread import Spread
from inbond.teachers.opening import Weights, open_local
from inbond.teachers.protocols import ScoresTokens, TokenSequence

if TYPE_CHECKING:
    from inbond.recipes.learning import Bench
    from inbond.teachers.local import Local
    from inbond.train.capture import Elsewhere, Part


def capture(
    bench: Bench,
    scorer: ScoresTokens,
    sequences: Sequence[TokenSequence],
    folder: Path,
    show: Callable[[int, int], None],
) -> int:
    """All shards, made where the run's work is done. As ``train.capture.capture``."""
    from inbond.train import capture as targets

    # A teacher with fewer tokens than its weights have is made here, and known to no other process.
    weights = bench.teacher.weights if bench.vocabulary is None else None
    where = elsewhere(bench.trail.spread, weights, scorer)
    size, keep = bench.recipe.capture.shard, kept(bench.recipe)
    return targets.capture(
        scorer, sequences, keep, folder, shard_size=size, on_progress=show, elsewhere=where
    )


def elsewhere(spread: Spread, weights: Weights | None, scorer: ScoresTokens) -> Elsewhere | None:
    """How shards are made in other processes; None where they are made here, also by a host's own scores,
    which lie in the journal. ``weights`` must be found there in the same place."""
    if spread.here or weights is None:
        return None
    import torch

    from inbond.teachers.local import Local

    if not isinstance(scorer, Local):
        return None
    # As many threads as here: sums of floats depend on how they are split.
    return partial(spread.map, partial(_shard, weights, torch.get_num_threads()))


def _shard(weights: Weights, threads: int, part: Part) -> bytes:
    from inbond.train.capture import shard_bytes

    return shard_bytes(_opened(weights, threads), part)


@lru_cache(maxsize=1)
def _opened(weights: Weights, threads: int) -> Local:
    import torch

    torch.set_num_threads(threads)
    return open_local(weights)
