"""Several processes that train a run's student, and the run that started and follows them.

The run stays one process: it has the lock, the ledger and the journal. Its crew is told what to do by a file
(``crew_task``), writes checkpoints and the trained student under the run's work folder, and talks by a pipe.
A crew whose run has gone ends by itself: each process reads from a pipe that nobody writes to.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, final

from inbond.digest import Digest
from inbond.errors import InbondError, InputError
from inbond.recipes.accelerated import Accelerated
from inbond.recipes.trail import Made
from inbond.recipes.watch import Watcher
from inbond.workspace import PRIVATE_DIR, writing

if TYPE_CHECKING:
    from inbond.recipes.learning import Bench
    from inbond.recipes.training import Ground

LOOK_S, GRACE_S = 0.2, 5.0
"""How often the crew is looked at; how long others may go on to say why they end, after the first did."""
LOG_TAIL, PIPE_BYTES = 4_000, 65_536


def train(bench: Bench, how: Accelerated, ground: Ground, run: Digest, folder: Path) -> Made:
    """As ``training.train``, by a crew. Raises InputError when one of it ends before the training does, and
    what a process of it raised on purpose; the newest checkpoint is kept for whoever goes on."""
    from inbond.recipes.crew_task import MADE, TRAINED, Task

    bench.close()  # each of the crew opens the teacher: one more would need its memory
    work = bench.trail.work / "crew"
    with writing(work):
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir(parents=True, mode=PRIVATE_DIR)
        Task.of(bench, how, ground, run).write(work)
    with _started(how, work) as crew:
        crew.follow(bench.trail.watcher)
    for path in sorted((work / TRAINED).iterdir()):
        shutil.move(path, folder / path.name)
    facts = json.loads((work / MADE).read_bytes())
    return Made({**facts, "processes": how.processes, "sharded": how.sharded})


@contextlib.contextmanager
def _started(how: Accelerated, work: Path) -> Iterator[_Crew]:
    """A crew at work, of which nothing is left afterwards."""
    told, tell = os.pipe()
    members: list[_Member] = []
    # Where they meet: on this machine's own disk, and open to nobody else.
    with (
        tempfile.TemporaryDirectory(prefix="inbond-crew-") as meeting,
        os.fdopen(told, "rb", buffering=0) as words,
    ):
        os.set_blocking(told, False)
        try:
            for index in range(how.processes):
                members.append(_Member.start(index, how, work, Path(meeting), tell))
            os.close(tell)
            tell = -1
            yield _Crew(tuple(members), work, words)
        finally:
            if tell >= 0:
                os.close(tell)
            for member in members:
                member.end()


@final
@dataclass(frozen=True)
class _Member:
    """One process of a crew. What it prints goes to ``log``."""

    index: int
    process: subprocess.Popen[bytes]
    log: Path

    @classmethod
    def start(cls, index: int, how: Accelerated, work: Path, meeting: Path, tell: int) -> _Member:
        """Raises UnwritableError."""
        log = work / f"process-{index}.log"
        command = [
            sys.executable,
            "-m",
            "inbond.recipes.crew_member",
            str(work),
            str(meeting / "store"),
            str(tell),
        ]
        with writing(log), log.open("wb") as file:
            process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,  # nothing is said through it: it ends when this process does
                stdout=file,
                stderr=subprocess.STDOUT,
                env=environment(index, how, os.environ),
                pass_fds=(tell,),
                start_new_session=True,  # Ctrl-C is the run's to hear
            )
        return cls(index, process, log)

    def end(self) -> None:
        """Not asked twice: a training has nothing to say goodbye for."""
        self.process.kill()
        self.process.wait()
        if self.process.stdin is not None:
            self.process.stdin.close()


def environment(index: int, how: Accelerated, here: Mapping[str, str]) -> dict[str, str]:
    """The variables of one process: what torch and accelerate read there, and what this process has; of
    accelerate's own, none: the configuration alone decides."""
    threads = max(1, (os.cpu_count() or 1) // how.processes)
    found = {
        "OMP_NUM_THREADS": str(threads),
        **{name: value for name, value in here.items() if not name.startswith(("ACCELERATE_", "FSDP_"))},
        "RANK": str(index),
        "LOCAL_RANK": str(index),
        "WORLD_SIZE": str(how.processes),
        "LOCAL_WORLD_SIZE": str(how.processes),
    }
    if how.on_cpu:
        found |= {"ACCELERATE_USE_CPU": "true", "CUDA_VISIBLE_DEVICES": ""}
    elif how.gpus is not None:
        found["CUDA_VISIBLE_DEVICES"] = how.gpus
    if any(name == "lo" for _, name in socket.if_nameindex()):  # they are all on this machine
        found.setdefault("GLOO_SOCKET_IFNAME", "lo")
    return found


@final
@dataclass(frozen=True)
class _Crew:
    """``words``: what the first of them tells, a line of JSON each."""

    members: tuple[_Member, ...]
    work: Path
    words: IO[bytes]

    def follow(self, watcher: Watcher) -> None:
        """Until all are done. Raises as ``train``."""
        rest = b""
        while True:
            codes = [member.process.poll() for member in self.members]
            rest = self._tell(watcher, rest)
            if any(codes):
                raise self._why()
            if all(code == 0 for code in codes):
                return
            time.sleep(LOOK_S)

    def _tell(self, watcher: Watcher, rest: bytes) -> bytes:
        """Passes on whole lines; gives the beginning of the next one."""
        while said := self.words.read(PIPE_BYTES):  # None where there is nothing now
            rest += said
        *lines, rest = rest.split(b"\n")
        for line in lines:
            told = json.loads(line)
            getattr(watcher, told.pop("do"))(**told)
        return rest

    def _why(self) -> InbondError:
        """The error that ends the run: what one of them said on purpose, else who was killed, else who broke
        off. Others often end because of it, with words of their own."""
        until = time.monotonic() + GRACE_S
        while time.monotonic() < until and any(member.process.poll() is None for member in self.members):
            time.sleep(LOOK_S)
        ended = [(member, member.process.returncode) for member in self.members]
        for member, _ in ended:
            said = error_of(self.work, member.index)
            if said is not None:
                return said
        for member, code in ended:
            if code is not None and code < 0:
                fix = "give them more memory, or the configuration fewer processes"
                return self._ended(member, f"was killed ({signal.Signals(-code).name})", fix)
        member, code = next((member, code) for member, code in ended if code)
        how = f"broke off ({_last_line(member.log) or f'exit code {code}'})"
        return self._ended(member, how, f"see what they printed in {self.work}")

    def _ended(self, member: _Member, how: str, fix: str) -> InputError:
        return InputError(
            expected=f"{len(self.members)} processes that live until the student is trained",
            found=f"process {member.index + 1} of {len(self.members)} {how}",
            fix=f"{fix}; the same command goes on from the newest checkpoint, also without --accelerate",
        )


def error_file(work: Path, index: int) -> Path:
    """Where a process of a crew says why it ends, if it does so on purpose."""
    return work / f"error-{index}.json"


def error_of(work: Path, index: int) -> InbondError | None:
    """What it said."""
    try:
        value: dict[str, Any] = json.loads(error_file(work, index).read_bytes())
    except FileNotFoundError:
        return None
    name = value.pop("kind")
    kind = next((each for each in _kinds(InbondError) if each.__name__ == name), InbondError)
    try:
        return kind(**value)
    except TypeError:  # one that would say more
        return InputError(**value) if kind.exit_code == InputError.exit_code else InbondError(**value)


def _kinds(kind: type[InbondError]) -> Iterator[type[InbondError]]:
    yield kind
    for each in kind.__subclasses__():
        yield from _kinds(each)


def _last_line(log: Path) -> str:
    """Of a traceback: what was raised. Torch puts the process's number before it."""
    lines = log.read_bytes()[-LOG_TAIL:].decode(errors="replace").split("\n")
    last = next((line.strip() for line in reversed(lines) if line.strip()), "")
    return re.sub(r"^\[rank\d+\]:\s*", "", last)[:300]
