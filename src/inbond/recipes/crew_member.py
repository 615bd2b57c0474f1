"""One process of a crew: ``python -m inbond.recipes.crew_member FOLDER STORE PIPE``, started by a run alone.

It opens the bench that the folder's task names, joins the others, trains, and says why where it cannot.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

from inbond.errors import InbondError
from inbond.recipes.accelerated import Accelerated
from inbond.recipes.crew import error_file
from inbond.recipes.crew_task import MADE, TRAINED, Task
from inbond.recipes.training import train
from inbond.recipes.watch import Silent
from inbond.workspace import write_json

if TYPE_CHECKING:
    from inbond.train.processes import Processes


def main(folder: Path, store: Path, pipe: int) -> None:
    """Trains, as one of several. Exits with 1 after an error that was meant, which is left in a file; raises
    any other one."""
    threading.Thread(target=_end_with_the_run, daemon=True).start()
    task, index = Task.read(folder), int(os.environ["RANK"])
    try:
        _join(task.accelerated, store, index)
        bench, ground = task.open(Told(pipe) if index == 0 else Silent())
        (folder / TRAINED).mkdir(exist_ok=True)
        join = partial(_processes, task.accelerated)
        made = train(bench, ground, task.run, folder / TRAINED, join)
    except InbondError as error:
        write_json(error_file(folder, index), {"kind": type(error).__name__, **error.to_json()})
        sys.exit(1)
    if index == 0:
        write_json(folder / MADE, dict(made.facts))
    _leave()


def _end_with_the_run() -> None:
    """Standard input ends when the run that started this process does, however that came."""
    os.read(sys.stdin.fileno(), 1)  # no buffer, whose lock this thread would take along when it dies
    os._exit(1)


def _join(how: Accelerated, store: Path, index: int) -> None:
    """Meets the others through a file: no port is opened for it."""
    import torch
    import torch.distributed as dist

    cuda = not how.on_cpu and torch.cuda.is_available()
    if cuda:
        torch.cuda.set_device(index)
    meeting: Any = getattr(dist, "FileStore")(str(store), how.processes)  # noqa: B009  # not typed
    backend = "cpu:gloo,cuda:nccl" if cuda else "gloo"
    dist.init_process_group(backend, store=meeting, rank=index, world_size=how.processes)


def _processes(how: Accelerated, model: Any) -> Processes:
    from inbond.train.processes import Copies
    from inbond.train.sharding import Shards

    return Shards(model, again=how.again) if how.sharded else Copies(model)


def _leave() -> None:
    """Together: a process that is gone early breaks off what the others still send."""
    import torch.distributed as dist

    if dist.is_initialized():
        dist.barrier()
        dist.destroy_process_group()


@final
class Told:
    """Tells the run what to show, a line of JSON each. Implements Watcher."""

    def __init__(self, pipe: int) -> None:
        self._pipe = os.fdopen(pipe, "w", buffering=1)

    def begin(self, stage: str) -> None:
        """See Watcher."""
        self._tell(do="begin", stage=stage)

    def advance(self, stage: str, done: int, total: int, note: str) -> None:
        """See Watcher."""
        self._tell(do="advance", stage=stage, done=done, total=total, note=note)

    def end(self, stage: str, seconds: float, *, made: bool) -> None:
        """See Watcher."""
        self._tell(do="end", stage=stage, seconds=seconds, made=made)

    def say(self, text: str) -> None:
        """See Watcher."""
        self._tell(do="say", text=text)

    def _tell(self, **said: Any) -> None:
        self._pipe.write(json.dumps(said) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]))
