"""Own answers that are drawn by a served copy of the student: written anew for each drawing, served by
llama.cpp in a process on this machine or by a host that loads it, and asked for token ids."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

import aiohttp

from inbond import __version__
from inbond.errors import InputError, need_extra
from inbond.recipes import served_answers
from inbond.recipes.sections.on_policy import OnPolicy, Served
from inbond.recipes.served_answers import Desk
from inbond.teachers.connections import Place
from inbond.teachers.hosts import NAME, host_of, read_hosts
from inbond.workspace import config_folder

if TYPE_CHECKING:
    from inbond.recipes.learning import Bench
    from inbond.teachers.opening import Weights
    from inbond.train.answered import Answered
    from inbond.train.drawing import Drawing, Draws, Sample


def check(settings: OnPolicy, start: Weights) -> None:
    """Raises InputError for a student that llama.cpp could not serve or a host without its key,
    MissingExtraError: before anything is asked or trained."""
    served = settings.served
    if served is None:
        return
    if served.host is not None:
        _place(served.host)
        return
    from inbond.edge import gguf_tokens
    from inbond.edge.source import Source

    source = Source(start.folder())
    gguf_tokens.read(source.tokenizer, source.architecture.vocabulary)
    for extra, package in (("local", "xllamacpp"), ("train", "gguf")):
        if find_spec(package) is None:
            raise need_extra(extra, package)


def open_copies(bench: Bench, drawing: Drawing, settings: OnPolicy) -> Draws:
    """Who draws own answers where the recipe has ``on_policy.served``."""
    served = settings.served
    assert served is not None, "asked for"
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise InputError(
            expected="one training process, which asks the served copy",
            found=f"{os.environ['WORLD_SIZE']} processes, of which each would ask one of its own",
            fix="remove on_policy.served, or train in one process",
        )
    parts = drawing, settings.seed, bench.tokenizer, bench.tokens["pad_id"], served
    if served.host is None:
        return CopyHere(*parts, bench.trail.work / "served")
    assert served.folder is not None, "checked with the recipe"
    return CopyThere(*parts, Path(served.folder).expanduser(), f"{bench.trail.run}-copy-")


@final
@dataclass(frozen=True)
class CopyHere:
    """llama.cpp in a process of its own for each drawing. Implements Draws."""

    drawing: Drawing
    seed: int
    tokenizer: Any
    pad_id: int
    served: Served
    work: Path

    def draw(self, model: Any, prompts: Sequence[Sequence[int]], step: int) -> list[Sample]:
        """See Draws. What was written is removed afterwards, whatever happens."""
        from inbond.train.answered import as_samples

        try:
            answers = self._answers(model, prompts, step)
        finally:
            shutil.rmtree(self.work, ignore_errors=True)
        return as_samples(model, prompts, answers, self.drawing, self.pad_id)

    def _answers(self, model: Any, prompts: Sequence[Sequence[int]], step: int) -> list[Answered]:
        from inbond.edge.serving import Room, Serving

        path = self._written(model, step)
        longest = max(map(len, prompts)) + self.drawing.max_tokens
        room = Room(longest, self.served.parallel, self.served.threads or _threads())
        bodies = [
            served_answers.llama_cpp_body(prompt, self.drawing, seed)
            for prompt, seed in _questions(prompts, self.drawing, self.seed, step)
        ]
        with Serving(path, room, limit_s=self.served.timeout_s) as server:
            return _run(self._ask(server, bodies))

    def _written(self, model: Any, step: int) -> Path:
        from inbond.edge import gguf_writer
        from inbond.edge.source import About, Source
        from inbond.train import copies

        drawing = self.drawing
        folder, digest = copies.write(
            model, self.tokenizer, drawing.ends, drawing.vocabulary, self.work, f"{step:08d}-"
        )
        path = folder.with_suffix(".gguf")
        about = About(f"step {step}", digest, None, (), f"Inbond {__version__}")
        gguf_writer.write(Source(folder), about, self.served.type, path)
        return path

    async def _ask(self, server: Any, bodies: Sequence[Mapping[str, Any]]) -> list[Answered]:
        headers = {"Authorization": f"Bearer {server.key}"}
        async with aiohttp.ClientSession(
            headers=headers, connector=aiohttp.TCPConnector(force_close=True), trust_env=False
        ) as session:
            url, limit_s = f"{server.address}/completion", self.served.timeout_s
            desk = Desk(session, url, self.served.parallel, limit_s, server.died, (server.key,))
            return await served_answers.ask_all(desk, bodies, served_answers.read_llama_cpp)


@final
@dataclass(frozen=True)
class CopyThere:
    """A host that loads each copy from a folder and serves it under the folder's name. Implements Draws."""

    drawing: Drawing
    seed: int
    tokenizer: Any
    pad_id: int
    served: Served
    folder: Path
    prefix: str

    def draw(self, model: Any, prompts: Sequence[Sequence[int]], step: int) -> list[Sample]:
        """See Draws. The copy before this one is removed once this one is served."""
        from inbond.train.answered import as_samples

        name = self._written(model)
        bodies = [
            served_answers.openai_body(prompt, self.drawing, seed, name)
            for prompt, seed in _questions(prompts, self.drawing, self.seed, step)
        ]
        answers = _run(self._ask(name, bodies))
        return as_samples(model, prompts, answers, self.drawing, self.pad_id)

    def _written(self, model: Any) -> str:
        from inbond.train import copies

        drawing = self.drawing
        folder, _ = copies.write(
            model, self.tokenizer, drawing.ends, drawing.vocabulary, self.folder, self.prefix
        )
        return folder.name

    async def _ask(self, name: str, bodies: Sequence[Mapping[str, Any]]) -> list[Answered]:
        assert self.served.host is not None, "a host serves it"
        place, secrets, at_once = _place(self.served.host)
        try:
            url, limit_s = f"{place.url}/completions", self.served.timeout_s
            desk = Desk(place.session(), url, at_once, limit_s, secrets=secrets)
            await served_answers.once_there(desk, bodies[0], name)
            self._forget(name)
            return await served_answers.ask_all(desk, bodies, served_answers.read_openai)
        finally:
            await place.close()

    def _forget(self, name: str) -> None:
        for other in self.folder.glob(f"{self.prefix}*"):
            if other.name != name:
                shutil.rmtree(other, ignore_errors=True)


def _place(name: str) -> tuple[Place, tuple[str, ...], int]:
    """A host's address with its key, what must not be shown, and how many questions it takes at once."""
    host = host_of(name, read_hosts(config_folder(os.environ) / NAME))
    key = host.key(name, os.environ)
    return Place(name, host, key, None), (key,) if key else (), host.concurrency


def _questions(
    prompts: Sequence[Sequence[int]], drawing: Drawing, seed: int, step: int
) -> list[tuple[Sequence[int], int]]:
    rows = [prompt for prompt in prompts for _ in range(drawing.samples)]
    return list(zip(rows, served_answers.seeds(seed, step, len(rows)), strict=True))


def _threads() -> int:
    """Training waits while answers are drawn: its threads are free."""
    import torch

    return torch.get_num_threads()


def _run(work: Coroutine[Any, Any, list[Answered]]) -> list[Answered]:
    try:
        return asyncio.run(work)
    except BaseExceptionGroup as group:
        raise served_answers.first_of(group) from None
