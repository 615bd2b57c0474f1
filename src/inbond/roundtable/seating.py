"""Opens the models of a table: each once, however many seats share it.

A seat whose model cannot be opened (no key, no file, a package that is missing) still sits there: whoever
asks it is told why, and the record says so. What was tampered with, and a table of which nobody can be
opened, is an error at once.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol, final

from inbond.errors import InputError, TeacherError
from inbond.roundtable.places import MOST_SEATS
from inbond.roundtable.session import Seat
from inbond.teachers import catalogue, hosts
from inbond.teachers.gguf_file import GgufHead, read_head
from inbond.teachers.opening import Weights, find_weights, open_embedded, open_local, open_served
from inbond.teachers.protocols import Completes, Price, Reply, Request
from inbond.types import ModelName, parse_model_name
from inbond.workspace import cache_folder, config_folder

if TYPE_CHECKING:
    from inbond.teachers.embedded import Settings

_CONTEXT: Final = 8192
_CACHE_BYTES: Final = 1 << 30
"""What llama.cpp's memory of all conversations of one model may take."""
_HALF: Final = 2
"""Bytes of a number in it."""


@final
@dataclass(frozen=True)
class Opened:
    """A teacher, and how many parameters its model has where that is known."""

    teacher: Completes
    parameters: int | None = None


class Open(Protocol):
    """Opens a model for so many seats. Raises InputError where it cannot."""

    def __call__(self, name: ModelName, seats: int) -> Opened: ...


@final
@dataclass(frozen=True)
class Sitter:
    """A seat with its identity and size filled in, and who answers for it. ``why`` says why nobody does."""

    seat: Seat
    teacher: Completes
    why: str = ""


@final
class Absent:
    """In place of a teacher that could not be opened. Implements Completes: each call fails, and says why."""

    concurrency = MOST_SEATS
    price = Price()

    def __init__(self, uri: str, error: InputError) -> None:
        self._uri = uri
        self._error = error

    @property
    def identity(self) -> str:
        return self._uri

    async def complete(self, request: Request) -> Reply:  # noqa: ARG002  # as the Protocol has it
        """See Completes. Always TeacherError, unreachable, and asking again will not help."""
        raise TeacherError(
            expected=self._error.expected,
            found=self._error.found,
            fix=self._error.fix,
            reason="unreachable",
            retryable=False,
        ) from self._error

    async def close(self) -> None:
        """Holds nothing."""


@asynccontextmanager
async def seated(seats: Sequence[Seat], open_: Open) -> AsyncIterator[tuple[Sitter, ...]]:
    """The sitters of all seats, in their order; their models are open until the end. A writer is one of the
    seats here. Seats of one model share one teacher.

    Raises InputError where none at all could be opened, TamperedError; what was opened by then is closed.
    """
    opened: dict[str, Opened | InputError] = {}
    try:
        for seat in seats:
            if seat.uri not in opened:
                sharing = sum(each.uri == seat.uri for each in seats)
                opened[seat.uri] = await asyncio.to_thread(_try, open_, seat.uri, sharing)
        failures = [one for one in opened.values() if isinstance(one, InputError)]
        if failures and len(failures) == len(opened):
            raise failures[0]
        yield tuple(_sitter(seat, opened[seat.uri]) for seat in seats)
    finally:
        for one in opened.values():
            if isinstance(one, Opened):
                await one.teacher.close()


def opener(
    environment: Mapping[str, str] | None = None, students: Callable[[ModelName], Weights] | None = None
) -> Open:
    """Opens models as other verbs do. ``students`` finds the weights of ``run:`` names, which are a
    workspace's. Raises InputError for a hosts file that cannot be read."""
    environment = os.environ if environment is None else environment
    hosts.read_hosts(config_folder(environment) / hosts.NAME)

    def open_(name: ModelName, seats: int) -> Opened:
        if name.scheme == "api":
            return Opened(open_served(name, environment))
        if name.scheme == "run" and students is not None:
            return _open_weights(students(name), seats, environment)
        return _open_weights(find_weights(name, environment), seats, environment)

    return open_


def local_models(environment: Mapping[str, str] | None = None) -> tuple[str, ...]:
    """Names of the models that were pulled to this machine and can answer, in the order of the catalogue."""
    cache = cache_folder(os.environ if environment is None else environment)
    return tuple(
        model.uri for model in catalogue.LISTED if model.instructed and catalogue.is_pulled(model, cache)
    )


def settings_for(head: GgufHead, seats: int) -> Settings:
    """How llama.cpp shall run a model for so many seats: a context that holds what others said, as far as the
    model's own goes, and as many conversations at once as memory is fair to ask for."""
    from inbond.teachers.embedded import Settings

    context = min(_CONTEXT, head.context or _CONTEXT)
    at_once = _CACHE_BYTES // (context * _cache_bytes_a_token(head))
    return Settings(parallel=max(1, min(seats, at_once)), context=context)


def _cache_bytes_a_token(head: GgufHead) -> int:
    """Keys and values of every layer. Where the file does not say it all, as for a model that shares none."""
    layers, heads = head.own("block_count") or 1, head.own("attention.head_count") or 1
    width = head.own("embedding_length") or 1
    own = head.own("attention.head_count_kv") or heads
    each = head.own("attention.key_length") or max(1, width // heads)
    return 2 * _HALF * layers * own * each


def _try(open_: Open, uri: str, seats: int) -> Opened | InputError:
    try:
        return open_(parse_model_name(uri), seats)
    except InputError as error:
        return error


def _sitter(seat: Seat, opened: Opened | InputError) -> Sitter:
    if isinstance(opened, InputError):
        why = f"{opened.found} instead of {opened.expected}"
        return Sitter(seat, Absent(seat.uri, opened), why)
    filled = replace(seat, identity=opened.teacher.identity, parameters=opened.parameters)
    return Sitter(filled, opened.teacher)


def _open_weights(weights: Weights, seats: int, environment: Mapping[str, str]) -> Opened:
    if weights.kind == "gguf":
        head = read_head(Path(weights.path))
        teacher = open_embedded(weights, environment, settings_for(head, seats))
        return Opened(teacher, head.parameters)
    local = open_local(weights)
    return Opened(local, sum(tensor.numel() for tensor in local.model.parameters()))
