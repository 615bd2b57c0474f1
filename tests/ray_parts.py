"""What Ray's workers do in tests: module functions, so that they can be sent there. Run as a program, this
file captures with a worker that is killed, in a folder of its own."""

from __future__ import annotations

import json
import os
import signal
import sys
from functools import partial
from pathlib import Path
from typing import Any

from inbond.errors import InputError
from inbond.recipes import scoring
from inbond.recipes.ray_cluster import spread_over


def die_first(marker: str, part: Any) -> Any:
    """Kills its own process the first time anybody comes by; after that it doubles."""
    _die_once(Path(marker))
    return part * 2


def refuse_three(part: int) -> int:
    """Raises an error of ours."""
    if part == 3:
        raise InputError(expected="no three", found="3", fix="leave it out")
    return part


def dying_shard(marker: str, weights: Any, part: Any) -> bytes:
    """A shard of targets, the first of which costs a worker its life."""
    if part.about["sequences"]["first"] == 4:
        _die_once(Path(marker))
    return scoring._shard(weights, 1, part)


def _die_once(marker: Path) -> None:
    try:
        os.close(os.open(marker, os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        return
    os.kill(os.getpid(), signal.SIGKILL)


def main(folder: Path) -> None:
    """Prints what came of each as JSON."""
    from inbond.digest import of_file
    from inbond.teachers.opening import find_weights, open_local
    from inbond.teachers.protocols import Keep, TokenSequence
    from inbond.train.capture import capture
    from inbond.types import parse_model_name

    weights = find_weights(parse_model_name(f"path:{folder / 'teacher'}"), os.environ)
    teacher = open_local(weights)
    sequences = [TokenSequence(tuple(range(5, 12 + number % 5)), 2) for number in range(20)]
    keep = Keep(size=8)
    found: dict[str, Any] = {}
    with spread_over("local:2") as spread:
        found["doubled"] = list(spread.map(partial(die_first, str(folder / "one")), range(40)))
        try:
            list(spread.map(refuse_three, range(10)))
        except InputError as error:
            found["error"] = error.to_json()
        for name, made in {
            "here": None,
            "ray": partial(spread.map, partial(scoring._shard, weights, 1)),
            "killed": partial(spread.map, partial(dying_shard, str(folder / "two"), weights)),
        }.items():
            place = folder / name
            place.mkdir()
            capture(teacher, sequences, keep, place, shard_size=4, on_progress=_quiet, elsewhere=made)
            found[name] = [of_file(path) for path in sorted(place.iterdir())]
    found["died"] = [(folder / name).exists() for name in ("one", "two")]
    print(json.dumps(found))


def _quiet(_done: int, _total: int) -> None:
    """Nobody looks."""


if __name__ == "__main__":
    import tests.ray_parts as by_name  # workers know its functions by this name

    by_name.main(Path(sys.argv[1]))
