"""Questions to a server of a copy of the student, and its answers as token ids, whatever it says and does."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeVar, final

import aiohttp

from inbond.errors import InputError
from inbond.teachers import wire

if TYPE_CHECKING:
    from inbond.train.answered import Answered
    from inbond.train.drawing import Drawing

T = TypeVar("T")
_BYTES_A_TOKEN: Final = 4096
_PAUSE_S: Final = 0.5
NOT_YET: Final = frozenset({404, 502, 503})
"""What a host says of a model that it has not loaded yet."""


@final
@dataclass(frozen=True)
class Desk:
    """Where a server is asked: ``session`` has its key; ``at_once`` questions at a time, each answered within
    ``limit_s`` seconds; ``died`` says how the server's process ended, None while it lives or is not ours."""

    session: aiohttp.ClientSession
    url: str
    at_once: int
    limit_s: float
    died: Callable[[], str | None] = lambda: None
    secrets: tuple[str, ...] = ()


class NotYetError(Exception):
    """The server does not have the model yet; what it says instead."""


def llama_cpp_body(prompt: Sequence[int], drawing: Drawing, seed: int) -> dict[str, Any]:
    """For llama.cpp's own ``/completion``: nothing but temperature between its distribution and the draw."""
    return {
        "prompt": list(prompt), "n_predict": drawing.max_tokens, "temperature": drawing.temperature,
        "samplers": ["temperature"], "seed": seed, "cache_prompt": False, "return_tokens": True,
    }  # fmt: skip


def read_llama_cpp(said: Mapping[str, Any]) -> Answered:
    """Raises KeyError, TypeError for what is no answer."""
    from inbond.train.answered import Answered

    return Answered(list(said["tokens"]), said["stop_type"] in ("eos", "word"))


def openai_body(prompt: Sequence[int], drawing: Drawing, seed: int, model: str) -> dict[str, Any]:
    """For ``/completions``. Token ids are asked for in both ways that vLLM knows."""
    return {
        "model": model, "prompt": list(prompt), "max_tokens": drawing.max_tokens, "seed": seed,
        "temperature": drawing.temperature, "top_p": 1.0, "logprobs": 1, "return_token_ids": True,
        "return_tokens_as_token_ids": True,
    }  # fmt: skip


def read_openai(said: Mapping[str, Any]) -> Answered:
    """Raises KeyError, TypeError, ValueError for what is no answer, InputError where it has no token ids."""
    from inbond.train.answered import Answered

    choice = said["choices"][0]
    ids = choice.get("token_ids")
    if ids is None:
        tokens = (choice.get("logprobs") or {}).get("tokens") or ()
        if not tokens or not all(str(token).startswith("token_id:") for token in tokens):
            raise InputError(
                expected="a host that says the ids of the tokens that it drew",
                found="an answer without them",
                fix="serve the copy with vLLM 0.10.2 or later (return_token_ids), or leave out "
                "on_policy.served.host to have llama.cpp serve it here",
            )
        ids = [int(str(token).removeprefix("token_id:")) for token in tokens]
    counted = (said.get("usage") or {}).get("completion_tokens", len(ids))
    if counted != len(ids):
        raise ValueError(f"{len(ids)} token ids of {counted} tokens")
    return Answered(list(ids), choice["finish_reason"] == "stop")


def seeds(seed: int, step: int, count: int) -> list[int]:
    """One for each sample of a step: the same whenever the step is taken. 31 bits, which every server has."""
    return [random.Random(f"{seed}/samples/{step}/{row}").getrandbits(31) for row in range(count)]


async def ask_all(
    desk: Desk, bodies: Sequence[Mapping[str, Any]], read: Callable[[Mapping[str, Any]], Answered]
) -> list[Answered]:
    """The answers to all of ``bodies``, in order. Asks once. Raises InputError for a server that dies, is
    silent for too long, or gives no answer, NotYetError where it has no such model."""
    places = asyncio.Semaphore(desk.at_once)

    async def one(body: Mapping[str, Any]) -> Answered:
        async with places:
            return await _ask(desk, body, read)

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(one(body)) for body in bodies]
    return [task.result() for task in tasks]


async def once_there(desk: Desk, body: Mapping[str, Any], model: str) -> None:
    """Waits until the host has ``model``: asks ``body`` of it again and again, for ``desk.limit_s`` seconds.
    Raises InputError when it still has not, or at any other refusal."""
    clock = asyncio.get_running_loop().time
    until = clock() + desk.limit_s
    while True:
        try:
            await _told(desk, {**body, "max_tokens": 1}, dict)
        except (NotYetError, aiohttp.ClientConnectionError) as error:
            if clock() >= until:
                raise _still_not(desk, model, str(error)) from None
            await asyncio.sleep(_PAUSE_S)
        else:
            return


def _still_not(desk: Desk, model: str, said: str) -> InputError:
    return InputError(
        expected=f"the newest copy served as the model {model!r} by {desk.url}",
        found=f"{said:.200} after {desk.limit_s:g} s",
        fix="see that whatever loads copies there runs, and raise on_policy.served.timeout_s where loading "
        "takes longer; run the recipe again: it goes on from its last checkpoint",
    )


async def _ask(
    desk: Desk, body: Mapping[str, Any], read: Callable[[Mapping[str, Any]], Answered]
) -> Answered:
    """Raises InputError whatever goes wrong."""
    try:
        return await _told(desk, body, read)
    except NotYetError as error:
        found = str(error)
    except aiohttp.ClientConnectionError as error:
        found = desk.died() or f"the connection ended ({type(error).__name__})"
    raise _failed(desk, found)  # out here: an aiohttp error's repr holds our headers


async def _told(desk: Desk, body: Mapping[str, Any], read: Callable[[Mapping[str, Any]], T]) -> T:
    """What ``read`` makes of the answer. Raises InputError, NotYetError, or
    ClientConnectionError where nobody is there."""
    try:
        return read(await _post(desk, body))
    except (InputError, aiohttp.ClientConnectionError):
        raise
    except TimeoutError:
        found = f"silence for {desk.limit_s:g} s"
    except aiohttp.ClientError as error:
        found = f"the connection ended ({type(error).__name__})"
    except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
        found = f"an answer that is none ({type(error).__name__}: {error!s:.100})"
    raise _failed(desk, found)


async def _post(desk: Desk, body: Mapping[str, Any]) -> Mapping[str, Any]:
    most = 65_536 + _BYTES_A_TOKEN * int(body.get("max_tokens") or body.get("n_predict") or 1)
    async with asyncio.timeout(desk.limit_s):
        async with desk.session.post(desk.url, json=body, allow_redirects=False) as response:
            data = await response.content.read(most + 1)
            while len(data) <= most and (more := await response.content.read(most + 1 - len(data))):
                data += more
    if len(data) > most:
        raise ValueError(f"over {most} bytes")
    if response.status != 200:
        refused = NotYetError if response.status in NOT_YET else ValueError
        shown = wire.excerpt(data.decode(errors="replace"), desk.secrets)
        raise refused(f"status {response.status}: {shown:.200}")
    said = json.loads(data)
    return said if isinstance(said, dict) else {}


def _failed(desk: Desk, found: str) -> InputError:
    return InputError(
        expected=f"answers of the served copy at {desk.url}",
        found=found,
        fix="run the recipe again: it goes on from its last checkpoint; raise on_policy.served.timeout_s "
        "where answers take longer, or remove on_policy.served to draw them in this process",
    )


def first_of(error: BaseException) -> BaseException:
    """The first of several errors that came together."""
    return first_of(error.exceptions[0]) if isinstance(error, BaseExceptionGroup) else error
