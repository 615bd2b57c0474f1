"""A suspect: weights on this machine, a model that is served, or texts that it wrote.

Nothing is opened before a test needs it, so that a model that cannot be loaded stops no other test.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, final

from inbond import strict_json
from inbond.digest import Digest, of_file, of_value
from inbond.engine.completions import complete_all
from inbond.engine.journal import Journal
from inbond.engine.pacing import FailurePolicy
from inbond.engine.refusals import is_refusal
from inbond.engine.results import Completions, Failure, Progress
from inbond.errors import InputError, need_extra
from inbond.recipes.ingredients import Said, read_said
from inbond.recipes.models import find_weights
from inbond.recipes.watch import Watcher, time_left
from inbond.teachers.opening import Weights, open_embedded, open_local, open_served
from inbond.teachers.protocols import Completes, Reply, Request, Sampling
from inbond.types import ModelName, Prompt, parse_model_name
from inbond.workspace import Workspace

if TYPE_CHECKING:
    from inbond.forensics.reading import Reads

Access = Literal["weights", "texts", "served"]
TEXTS: Final = "texts:"
SAMPLING: Final = Sampling(max_tokens=256, temperature=0.7, top_p=1.0, seed=0)
"""How a suspect is asked: near its likeliest answers, where a trace is strongest, without their loops."""
_CONTEXT: Final = ("max_position_embeddings", "n_positions", "n_ctx")
_POLICY: Final = FailurePolicy(attempts=3, patience_s=300.0, give_up_after=8)


@final
@dataclass(frozen=True)
class Suspect:
    """``weights`` are there for access by weights, ``said`` for access by texts, ``model`` for a served
    one."""

    name: str
    access: Access
    digest: Digest | None
    weights: Weights | None = None
    said: tuple[Said, ...] = ()
    model: ModelName | None = None

    def to_json(self) -> dict[str, Any]:
        return {"name": self.name, "digest": self.digest, "access": self.access}


def find_suspect(name: str, workspace: Workspace) -> Suspect:
    """Finds it, and fetches weights where they must be; loads nothing. Raises InputError."""
    if name.startswith(TEXTS):
        path = Path(name.removeprefix(TEXTS))
        return Suspect(name, "texts", of_file(path) if path.is_file() else None, said=read_said(path))
    try:
        model = parse_model_name(name)
    except InputError as error:
        raise InputError(
            expected="a suspect: a model (run:NAME, path:, hf:, gguf:, pypi: or api:), or texts:FILE",
            found=error.found,
            fix="for example run:demo, or texts:answers.jsonl with what it wrote",
        ) from error
    if model.scheme == "api":
        return Suspect(name, "served", None, model=model)
    weights = find_weights(model, workspace)
    return Suspect(name, "weights", weights.digest, weights=weights, model=model)


def context_of(weights: Weights) -> int | None:
    """So many tokens a model reads at once, as its config says; None where that says nothing."""
    try:
        config = strict_json.parse((weights.folder() / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    said = [config.get(name) for name in _CONTEXT] if isinstance(config, Mapping) else []
    return next((size for size in said if isinstance(size, int) and size > 1), None)


def load_reader(weights: Weights, tokenizer: Any) -> Reads:
    """The model, to be shown texts, each of which it reads once. Raises InputError, MissingExtraError."""
    try:
        from inbond.forensics.reading import Reader, Remembered
        from inbond.teachers.local import load_model
    except ModuleNotFoundError as error:
        raise need_extra("train", error.name or "torch") from error
    from inbond.teachers.tokens import pad_id, vocabulary_digest

    model = load_model(weights.folder())
    vocabulary = vocabulary_digest(tokenizer)
    reader = Reader(weights.name, weights.digest, vocabulary, model, tokenizer, pad_id(tokenizer))
    return Remembered(reader)


@final
@dataclass(frozen=True)
class Asked:
    """What a model said when it was asked: its texts, and how many askings came to nothing. ``answers`` has
    all that it said to each prompt, words that decline among them."""

    said: tuple[Said, ...]
    answers: tuple[tuple[str, ...], ...]
    declined: int
    failed: int

    @property
    def prompts(self) -> int:
        return len(self.answers)

    def to_json(self) -> dict[str, int]:
        counts = {"prompts": self.prompts, "answered": len(self.said)}
        return {**counts, "declined": self.declined, "failed": self.failed}


@final
@dataclass(frozen=True)
class How:
    """How a model is asked: ``samples`` answers to each prompt."""

    workspace: Workspace
    environment: Mapping[str, str]
    watcher: Watcher
    sampling: Sampling
    samples: int


def ask(who: Weights | ModelName, prompts: Sequence[Prompt], how: How) -> Asked:
    """Asks through the workspace's journal: what was answered is kept, and is not asked again. Raises
    InputError, and TeacherError for a host that is down."""
    teacher = _open(who, how.environment)
    requests = [
        Request(teacher.identity, prompt, how.sampling, sample)
        for prompt in prompts
        for sample in range(how.samples)
    ]
    run = f"forensics-{of_value(teacher.identity).removeprefix('sha256:')[:12]}"
    how.workspace.create()
    with Journal.open(how.workspace.journal) as journal:
        done = asyncio.run(_all(teacher, requests, journal, run, how.watcher))
    return _sorted(prompts, done.outcomes, how.samples)


def _sorted(prompts: Sequence[Prompt], outcomes: Sequence[Reply | Failure], samples: int) -> Asked:
    said, answers, declined, failed = list[Said](), list[tuple[str, ...]](), 0, 0
    for place, prompt in enumerate(prompts):
        texts = list[str]()
        for outcome in outcomes[place * samples : (place + 1) * samples]:
            if isinstance(outcome, Failure):
                declined += outcome.reason == "refused"
                failed += outcome.reason != "refused"
                continue
            texts.append(outcome.text)
            if is_refusal(outcome.text):
                declined += 1
            else:
                said.append(Said(outcome.text, prompt))
        answers.append(tuple(texts))
    return Asked(tuple(said), tuple(answers), declined, failed)


def _open(who: Weights | ModelName, environment: Mapping[str, str]) -> Completes:
    if not isinstance(who, Weights):
        return open_served(who, environment)
    if who.kind == "gguf":
        return open_embedded(who, environment)
    return open_local(who)


async def _all(
    teacher: Completes, requests: Sequence[Request], journal: Journal, run: str, watcher: Watcher
) -> Completions:
    def show(now: Progress) -> None:
        note = f"{now.tokens_per_s:,.0f} tokens/s"
        if now.seconds_left:
            note += f", {time_left(now.seconds_left)}"
        watcher.advance("asking", now.done, now.total, note)

    try:
        return await complete_all(teacher, requests, journal, _POLICY, run=run, on_progress=show)
    finally:
        await teacher.close()
