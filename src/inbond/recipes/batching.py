"""A recipe's questions as a batch file, and its results into the journal, as if they had been asked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import final

from inbond.digest import Digest
from inbond.engine.interchange import batch
from inbond.engine.journal import Entry, Journal, Outcome
from inbond.engine.pacing import most_usd
from inbond.errors import InputError
from inbond.ledger.attest import KeyStore
from inbond.ledger.ledger import Ledger
from inbond.recipes import answers, articles, planting
from inbond.recipes.context import with_context
from inbond.recipes.gate import pass_gate
from inbond.recipes.models import find_teacher
from inbond.recipes.objective import alternatives
from inbond.recipes.recipe import Recipe
from inbond.recipes.sources import read_prompts
from inbond.teachers.protocols import Request
from inbond.teachers.served import Served
from inbond.workspace import Workspace, alone, replacing

_SHEET = 1000
"""Outcomes that are kept at once."""


@final
@dataclass(frozen=True)
class Batched:
    """What was written: ``requests`` in ``files``; ``answered`` ones are in the journal already;
    ``most_usd`` is what the rest can cost at most."""

    files: tuple[Path, ...]
    requests: int
    answered: int
    most_usd: float


@final
@dataclass(frozen=True)
class Imported:
    """What came out of a results file. ``known`` had an answer already, ``repeated`` lines said the same
    again."""

    answers: int
    failures: int
    known: int
    repeated: int
    cost_usd: float
    missing: int


def write_batch(
    recipe: Recipe, folder: Path, workspace: Workspace, output: Path, accept: str | None
) -> Batched:
    """Writes what the journal does not answer yet, after the gate. More than a host takes in one file goes
    into several: ``name.jsonl``, ``name-2.jsonl``, ...

    Raises as ``pass_gate``; InputError for a teacher that is no API's, and where it may cost more than the
    recipe's cap.
    """
    served = _served(recipe, workspace)
    requests = _requests(recipe, folder, workspace, served)
    with Ledger.open(workspace, KeyStore.default()) as ledger, alone(workspace, recipe.name):
        pass_gate(recipe, folder, workspace, ledger, accept)
    answers.check_cap(recipe, served)
    with Journal.open(workspace.journal) as journal:
        journal.claim(recipe.name, requests)
        found = journal.find(requests)
        spent = journal.spent(recipe.name).cost_usd
    done = {id_ for id_, entry in found.items() if entry.reply is not None}
    asked = [request for id_, request in requests.items() if id_ not in done]
    most = sum(most_usd(request, served.price) for request in asked) * served.host.batch_share
    _check_cap(recipe, spent, most)
    files = tuple(_write(output, asked, served))
    return Batched(files, len(asked), len(done), most)


def read_batch(recipe: Recipe, folder: Path, workspace: Workspace, path: Path) -> Imported:
    """Keeps the outcomes of a results or errors file in the journal. The next run asks for the rest.

    Raises InputError for what cannot be taken, after all that can was kept.
    """
    served = _served(recipe, workspace)
    requests = _requests(recipe, folder, workspace, served)
    by_name = {batch.custom_id(request): request for request in requests.values()}
    read = batch.read_results(
        path, by_name, model=served.model, price=served.price, share=served.host.batch_share
    )
    workspace.create()
    with Journal.open(workspace.journal) as journal, alone(workspace, recipe.name):
        found = journal.find(requests)
        known = {id_ for id_, entry in found.items() if entry.reply is not None}
        new = [outcome for outcome in read.outcomes if not _is_known(outcome, found)]
        for first in range(0, len(new), _SHEET):
            journal.record(recipe.name, new[first : first + _SHEET])
        journal.sync()
    complaint = read.complain(len(new))
    if complaint is not None:
        raise complaint
    answered = sum(outcome.reply is not None for outcome in new)
    cost = sum(outcome.cost_usd for outcome in new)
    missing = len(requests) - len(known) - answered
    old = len(read.outcomes) - len(new)
    return Imported(answered, len(new) - answered, old, read.repeated, cost, missing)


def _is_known(outcome: Outcome, found: Mapping[Digest, Entry]) -> bool:
    """Whether it is answered, or this very failure is there: a file that is read twice counts once."""
    entry = found.get(outcome.request.id)
    return entry is not None and (
        entry.reply is not None or (entry.reason, entry.message) == (outcome.reason, outcome.message)
    )


def _served(recipe: Recipe, workspace: Workspace) -> Served:
    """The teacher behind its API; nothing is asked of it here. Raises InputError."""
    teacher = find_teacher(recipe, workspace).open_completes(alternatives(recipe))
    if not isinstance(teacher, Served):
        raise InputError(
            expected="a teacher behind an API (api:host/model), since a batch is made for its host",
            found=recipe.teacher,
            fix="run the recipe: this teacher answers here",
        )
    return teacher


def _requests(recipe: Recipe, folder: Path, workspace: Workspace, served: Served) -> dict[Digest, Request]:
    recipe = with_context(recipe, folder)
    questions = articles.read(recipe.prompts, folder)
    asked = read_prompts(recipe, folder, workspace) if questions is None else questions.prompts
    forms = {} if questions is None else questions.forms
    mark = planting.id_in(planting.noted(planting.key_of(recipe)))
    every = (answers.requests_for(recipe, served.identity, prompt, mark, forms) for prompt in asked)
    return {request.id: request for requests in every for request in requests}


def _check_cap(recipe: Recipe, spent: float, most: float) -> None:
    cap = recipe.generate.spend_cap_usd
    if cap is not None and spent + most > cap:
        raise InputError(
            expected=f"a batch that costs at most {cap} USD with what was spent before, the spend cap",
            found=f"{spent:.4f} USD spent and up to {most:.4f} USD to come",
            fix="raise generate.spend_cap_usd, lower generate.max_tokens, or take fewer prompts",
        )


def _write(output: Path, asked: Sequence[Request], served: Served) -> Iterator[Path]:
    for number, lines in enumerate(_files(_lines(asked, served)), 1):
        path = output if number == 1 else output.with_name(f"{output.stem}-{number}{output.suffix}")
        with replacing(path, 0o600) as temporary:
            temporary.write_bytes(b"".join(lines))
        yield path


def _lines(asked: Sequence[Request], served: Served) -> Iterator[bytes]:
    for request in asked:
        yield batch.line_of(
            request,
            model=served.model,
            base_path=served.host.base_path,
            top_logprobs=served.top_logprobs,
        )


def _files(lines: Iterator[bytes]) -> Iterator[list[bytes]]:
    part, size = list[bytes](), 0
    for line in lines:
        if part and (len(part) >= batch.MOST_REQUESTS or size + len(line) > batch.MOST_BYTES):
            yield part
            part, size = [], 0
        part.append(line)
        size += len(line)
    if part:
        yield part
