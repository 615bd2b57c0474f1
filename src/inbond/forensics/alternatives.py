"""The answers among which a secret chose, kept for the test: format ``inbond.alternatives/1``.

JSON lines. The first says the format and the mark's public description; each other one is a prompt
(``prompt`` or ``messages``) with all its ``answers``, in the order in which they were numbered. Which of them
was planted is not said: it follows from the key, and the name of a choice, which is the digest of its line.

A test takes all of them, also those whose planted answer was filtered away afterwards: to leave some out
because of what was planted would make its p-value wrong.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final, final

from inbond import strict_json
from inbond.digest import Digest, canonical, of_value
from inbond.errors import InputError
from inbond.types import Prompt, prompt_from_json, prompt_to_json
from inbond.workspace import PRIVATE_FILE, write_bytes

FORMAT: Final = "inbond.alternatives/1"
FILE: Final = "alternatives.jsonl"
"""Beside a run's answers."""


@final
@dataclass(frozen=True)
class Choice:
    """A prompt and the answers of which one was planted."""

    prompt: Prompt
    answers: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        return {**prompt_to_json(self.prompt), "answers": list(self.answers)}

    @cached_property
    def name(self) -> Digest:
        """What the key is asked with: another prompt, text or order of answers is another lot."""
        return of_value(self.to_json())


@final
@dataclass(frozen=True)
class Alternatives:
    """``mark`` describes the key in the open; ``choices`` are all different."""

    mark: Mapping[str, Any]
    choices: tuple[Choice, ...]

    @property
    def size(self) -> int:
        """Answers to each prompt."""
        return int(self.mark["size"])


def different(choices: Iterable[Choice]) -> tuple[Choice, ...]:
    """Each choice once: two alike are one lot, and would count twice."""
    return tuple({choice.name: choice for choice in choices}.values())


def write_alternatives(path: Path, mark: Mapping[str, Any], choices: Sequence[Choice]) -> None:
    """Writes the file, whole or not at all. Raises UnwritableError."""
    lines = [{"format": FORMAT, "mark": dict(mark)}, *(one.to_json() for one in different(choices))]
    write_bytes(path, b"".join(canonical(line) + b"\n" for line in lines), PRIVATE_FILE)


def read_alternatives(path: Path) -> Alternatives:
    """Reads the file back. Raises InputError that names the line for anything else."""
    try:
        lines = path.read_bytes().split(b"\n")
    except OSError as error:
        raise InputError(
            expected=f"the alternatives of a choice at {path}",
            found=error.strerror or str(error),
            fix=f"name the file that mark choose wrote, or a run's data/answers/{FILE}",
        ) from error
    values = list(_values(path, [line for line in lines if line.strip()]))
    mark = _mark(path, values[0] if values else None)
    found = [_choice(path, number, value, mark["size"]) for number, value in enumerate(values[1:], 2)]
    return Alternatives(mark, different(found))


def _values(path: Path, lines: Sequence[bytes]) -> Iterator[Any]:
    for number, line in enumerate(lines, 1):
        try:
            yield strict_json.parse(line)
        except ValueError as error:
            raise _refuse(path, number, "a line of JSON", str(error)[:200]) from error


def _mark(path: Path, head: Any) -> Mapping[str, Any]:
    if not isinstance(head, Mapping) or head.get("format") != FORMAT:
        found = head.get("format") if isinstance(head, Mapping) else head
        raise _refuse(path, 1, f"the format {FORMAT}", f"{found!r:.80}")
    mark = head.get("mark")
    size = mark.get("size") if isinstance(mark, Mapping) else None
    if not isinstance(mark, Mapping) or not isinstance(size, int) or isinstance(size, bool) or size < 2:
        raise _refuse(path, 1, "the mark that chose, with its size", f"{mark!r:.80}")
    return mark


def _choice(path: Path, number: int, value: Any, size: int) -> Choice:
    answers = value.get("answers") if isinstance(value, Mapping) else None
    if not isinstance(answers, list) or len(answers) != size:
        raise _refuse(path, number, f"a prompt with {size} answers", f"{value!r:.80}")
    if not all(isinstance(text, str) for text in answers):
        raise _refuse(path, number, "answers that are texts", f"{answers!r:.80}")
    try:
        return Choice(prompt_from_json(value), tuple(answers))
    except InputError as error:
        raise _refuse(path, number, error.expected, error.found) from error


def _refuse(path: Path, number: int, expected: str, found: str) -> InputError:
    return InputError(
        expected=f"{expected} in line {number} of {path}",
        found=found,
        fix="name the file as mark choose, or a run, wrote it",
    )
