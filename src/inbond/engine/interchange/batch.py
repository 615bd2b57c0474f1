"""Batch files in the OpenAI format: requests as lines, results (and errors) as outcomes.

A line of requests is ``{"custom_id", "method", "url", "body"}``; ``custom_id`` is the request's digest in
64 hexadecimal digits. A line of results is ``{"custom_id", "response": {"status_code", "request_id",
"body"}, "error"}``. Source: the Batch API of OpenAI's reference; vLLM's ``run-batch`` reads and writes the
same.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, final

from inbond import strict_json
from inbond.engine.interchange.lines import read_objects, refuse, without_bom
from inbond.engine.journal import Outcome
from inbond.errors import InputError, TeacherError
from inbond.teachers import wire
from inbond.teachers.protocols import Price, Request

MOST_REQUESTS, MOST_BYTES = 50_000, 200_000_000
"""What OpenAI takes in one file."""
_SHOWN = 5


def custom_id(request: Request) -> str:
    """The request's digest without its prefix: hosts take at most 64 characters."""
    return request.id.removeprefix("sha256:")


def line_of(request: Request, *, model: str, base_path: str, top_logprobs: int = 0) -> bytes:
    """One request as a line of the file. A batch is not streamed."""
    body = wire.body_of(request, model=model, top_logprobs=top_logprobs)
    del body["stream"], body["stream_options"]
    url = base_path.rstrip("/") + wire.path_of(request)
    value = {"custom_id": custom_id(request), "method": "POST", "url": url, "body": body}
    return json.dumps(value, ensure_ascii=False).encode() + b"\n"


@final
@dataclass
class Read:
    """What a results file says. ``problems`` name the lines that could not be taken, the rest was."""

    outcomes: list[Outcome] = field(default_factory=list)
    answers: int = 0
    failures: int = 0
    repeated: int = 0
    problems: list[str] = field(default_factory=list)

    def complain(self, kept: int) -> InputError | None:
        """The error to end with, after what could be taken was kept; None when all could."""
        if not self.problems:
            return None
        more = len(self.problems) - _SHOWN
        shown = "; ".join(self.problems[:_SHOWN]) + (f"; and {more} more" if more > 0 else "")
        return InputError(
            expected="a results file of this recipe's batch, whole",
            found=shown,
            fix=f"{kept} outcomes are kept; get the file again if it was cut, or name the recipe, with the "
            "same --set, that the batch was made from, and import it again: nothing is counted twice",
        )


def read_results(
    path: Path, requests: Mapping[str, Request], *, model: str, price: Price, share: float
) -> Read:
    """Reads results, or errors, for ``requests`` by custom id. ``share``: of the price, that a batch costs.

    Lines that cannot be taken are told in ``problems`` and touch no other. Raises InputError when the file
    cannot be read at all.
    """
    found, places = Read(), dict[str, int]()
    for place, value in _lines(path, found.problems):
        try:
            request = _request_of(value, requests, place)
            outcome = _priced(_outcome(request, value, place, model), price, share)
            known = places.get(request.id)
            if known is None:
                places[request.id] = len(found.outcomes)
                found.outcomes.append(outcome)
            else:
                found.outcomes[known] = _one_of(found.outcomes[known], outcome, place)
                found.repeated += 1
        except InputError as error:
            found.problems.append(f"{error.found} (expected {error.expected})")
    found.answers = sum(outcome.reply is not None for outcome in found.outcomes)
    found.failures = len(found.outcomes) - found.answers
    return found


def _one_of(first: Outcome, second: Outcome, place: str) -> Outcome:
    """Of two outcomes of one request the answer, where only one is; else the first. Raises InputError for two
    answers that differ."""
    if first.reply is None or second.reply is None:
        return second if second.reply is not None else first
    if replace(first.reply, headers={}) != replace(second.reply, headers={}):
        raise refuse(place, "one answer a request", "a second, other answer to one", "")
    return first


def _lines(path: Path, problems: list[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Whole lines; what is wrong with one, the last of a truncated file as well, is a problem of it alone."""
    if not path.is_file():
        yield from read_objects(path)
        return
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            place = f"{path.name}, line {number}"
            line = without_bom(line, place) if number == 1 else line
            if not line.strip():
                continue
            try:
                value = _parsed(line)
            except strict_json.RepeatedNameError as error:
                problems.append(f"{place}: the field {error.name!r:.60} twice")
                continue
            except (ValueError, RecursionError):
                cut = "" if line.endswith(b"\n") else ", and the file ends there: it was cut"
                problems.append(f"{place}: no JSON{cut}")
                continue
            if isinstance(value, dict):
                yield place, value
            else:
                problems.append(f"{place}: no JSON object")


def _parsed(line: bytes) -> Any:
    """Strict, but for numbers that JSON does not have: some hosts write them beside an answer."""
    text = line.decode("utf-8")
    try:
        return strict_json.parse(text)
    except strict_json.NoNumberError:
        return json.loads(text)


def _request_of(value: Mapping[str, Any], requests: Mapping[str, Request], place: str) -> Request:
    name = value.get("custom_id")
    if not isinstance(name, str):
        raise refuse(place, "a custom_id", f"{name!r:.80}", "")
    if name not in requests:
        raise refuse(place, "an answer to a question of this recipe", f"custom_id {name!r:.80}", "")
    return requests[name]


def _outcome(request: Request, value: Mapping[str, Any], place: str, model: str) -> Outcome:
    response = value.get("response")
    if not isinstance(response, Mapping):
        said = wire.excerpt(wire.message_of(value.get("error")))
        return _failed(request, "unreachable", f"the batch gave no answer: {said}")
    status, body = _status(response.get("status_code"), place), response.get("body")
    if status != 200:
        error = wire.from_status(status, wire.excerpt(wire.message_of(body)), "the batch", None)
        return _failed(request, error.reason, error.found)
    gathering = wire.Gathering(request, "the batch")
    try:
        gathering.add(body)
        reply = gathering.reply(0.0, _evidence(response))
    except TeacherError as error:
        if error.reason in ("malformed", "truncated-stream"):
            raise refuse(place, error.expected, error.found, "") from error
        _check_model(body, place, model)
        return _failed(request, error.reason, error.found, error.spent)
    _check_model(body, place, model)
    spent = (reply.prompt_tokens or 0, reply.completion_tokens or 0)
    return Outcome(request, reply, None, None, 1, *spent)


def _status(value: Any, place: str) -> int:
    """Of HTTP, as a number or as some write it, in quotes. Raises InputError."""
    if isinstance(value, str) and re.fullmatch(r"[1-5]\d\d", value):
        return int(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    raise refuse(place, "a status_code of HTTP", f"{value!r:.40}", "")


def _failed(request: Request, reason: str, said: str, spent: tuple[int, int] | None = None) -> Outcome:
    return Outcome(request, None, reason, said, 1, *(spent or (0, 0)))


def _priced(outcome: Outcome, price: Price, share: float) -> Outcome:
    cost = price.cost(outcome.prompt_tokens, outcome.completion_tokens) * share
    return Outcome(
        outcome.request, outcome.reply, outcome.reason, outcome.message, outcome.attempts,
        outcome.prompt_tokens, outcome.completion_tokens, cost,
    )  # fmt: skip


def _evidence(response: Mapping[str, Any]) -> dict[str, str]:
    name = response.get("request_id")
    return {"x-request-id": wire.excerpt(name)} if isinstance(name, str) and name else {}


def _check_model(body: Any, place: str, model: str) -> None:
    """A host may name a dated version of what was asked for, and no other model."""
    said = body.get("model") if isinstance(body, Mapping) else None
    if not isinstance(said, str) or not said or same_model(said, model):
        return
    raise refuse(place, f"an answer of {model}", f"one of {said!r:.80}", "")


def same_model(said: str, asked: str) -> bool:
    """Whether ``said`` is the model that was asked for, or a version of it that has a number or date."""
    asked, said = asked.removesuffix("-latest").lower(), said.lower()
    if said == asked:
        return True
    rest = said.removeprefix(asked)
    return rest != said and rest[:1] in "-@:" and rest[1:2].isdigit()
