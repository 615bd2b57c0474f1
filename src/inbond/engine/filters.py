"""What may not become training data, and why: small pure tests of a row, composed by a frozen config.

Each test is a function of one candidate to a reason or None; duplicates alone need to remember what
was kept. A row is dropped for the first reason that applies, in the order of ``FilterConfig``.
Reasons say what kind of thing was found, never the thing itself. Texts scanned for secrets and
personal data are prompt and completion; language and refusals are the completion's.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from itertools import islice
from typing import Any, final

from inbond.engine import credentials, languages, personal, refusals
from inbond.engine.similar import Index, grams, sketch
from inbond.errors import InputError
from inbond.ledger.records import Row
from inbond.spread import HERE, Spread
from inbond.types import Prompt

EXAMPLES = 3
NEAR = 0.85
PART = 256
"""Rows that are tested in one go, elsewhere."""

_LANGUAGE = re.compile(r"[a-z]{2,3}")


@dataclass(frozen=True, slots=True)
class Candidate:
    """A row that may become training data."""

    row: Row


Reason = str
Test = Callable[[Candidate], Reason | None]


@dataclass(frozen=True)
class FilterConfig:
    """Which tests run. ``languages`` (ISO 639-1 codes) is empty for any; ``phone_regions`` (ISO 3166)
    are the countries whose national way to write telephone numbers is known; ``near_duplicates`` is
    a Jaccard similarity that prompt and completion must both reach, or None."""

    empty: bool = True
    truncated: bool = True
    refused: bool = True
    secrets: bool = True
    personal_data: bool = True
    phone_regions: tuple[str, ...] = ("US", "GB", "JP")
    languages: tuple[str, ...] = ()
    duplicates: bool = True
    near_duplicates: float | None = NEAR

    def to_json(self) -> dict[str, Any]:
        values = asdict(self)
        return {name: list(v) if isinstance(v, tuple) else v for name, v in values.items()}

    def check(self) -> None:
        """Raises InputError naming the field that cannot be used, MissingExtraError for a library."""
        near = self.near_duplicates
        if near is not None and not 0 < near <= 1:
            raise _bad("near_duplicates", "a similarity above 0, up to 1, or null", near)
        for code in self.languages:
            if not _LANGUAGE.fullmatch(code) or code not in languages.known():
                raise _bad("languages", "codes of languages that can be told apart, such as en or ja", code)
        if self.personal_data:
            for region in self.phone_regions:
                if region not in personal.known_regions():
                    raise _bad("phone_regions", "ISO 3166 codes such as US or JP", region)
        if self.secrets:
            credentials.detectors()


def _bad(field: str, expected: str, found: Any) -> InputError:
    return InputError(expected=f"{field}: {expected}", found=repr(found), fix=f"correct filters.{field}")


@dataclass(frozen=True)
class Filtered:
    """What is left, and what went. ``rows`` are the kept candidates' numbers in the input: the parents
    of the filtered rows. ``dropped`` counts by reason; ``examples`` has a few row numbers of each."""

    kept: tuple[Candidate, ...]
    rows: tuple[int, ...]
    dropped: Mapping[str, int]
    examples: Mapping[str, tuple[int, ...]]

    def to_json(self) -> dict[str, Any]:
        return {
            "kept": len(self.rows),
            "dropped": dict(self.dropped),
            "examples": {reason: list(rows) for reason, rows in self.examples.items()},
        }


def apply(candidates: Iterable[Candidate], config: FilterConfig, spread: Spread = HERE) -> Filtered:
    """Runs the tests over all rows in order. Deterministic, wherever the tests of single rows are run.
    Raises as ``FilterConfig.check``, and what ``spread`` raises."""
    config.check()
    remembering = _remembering(config)
    kept: list[Candidate] = []
    rows: list[int] = []
    dropped: dict[str, int] = {}
    examples: dict[str, list[int]] = {}
    for number, (candidate, found) in enumerate(_alone(candidates, config, spread)):
        reason = found or _first(remembering, candidate)
        if reason is None:
            kept.append(candidate)
            rows.append(number)
            continue
        dropped[reason] = dropped.get(reason, 0) + 1
        shown = examples.setdefault(reason, [])
        if len(shown) < EXAMPLES:
            shown.append(number)
    shown_rows = {reason: tuple(numbers) for reason, numbers in examples.items()}
    return Filtered(tuple(kept), tuple(rows), dropped, shown_rows)


def _alone(
    candidates: Iterable[Candidate], config: FilterConfig, spread: Spread
) -> Iterator[tuple[Candidate, Reason | None]]:
    """Each candidate with what its tests say that look at no other."""
    parts = batched(candidates, PART)
    if spread.here:
        for part in parts:
            yield from zip(part, _reasons(config, part), strict=True)
        return
    sent: deque[list[Candidate]] = deque()

    def noted() -> Iterator[list[Candidate]]:
        for part in parts:
            sent.append(part)
            yield part

    for reasons in spread.map(partial(_reasons, config), noted()):
        yield from zip(sent.popleft(), reasons, strict=True)


def batched(candidates: Iterable[Candidate], size: int) -> Iterator[list[Candidate]]:
    """Parts of ``size`` candidates, the last with what is left."""
    waiting = iter(candidates)
    while part := list(islice(waiting, size)):
        yield part


def _reasons(config: FilterConfig, part: Sequence[Candidate]) -> list[Reason | None]:
    """What is said of each row by itself. Runs anywhere."""
    tests = _tests(config)
    return [_first(tests, candidate) for candidate in part]


def _first(tests: Sequence[Test], candidate: Candidate) -> Reason | None:
    for test in tests:
        reason = test(candidate)
        if reason is not None:
            return reason
    return None


def _tests(config: FilterConfig) -> list[Test]:
    """Of single rows, cheap ones first. Duplicates come after them, so that only rows that stay are
    remembered."""
    tests: list[Test] = []
    if config.empty:
        tests.append(is_empty)
    if config.truncated:
        tests.append(is_truncated)
    if config.refused:
        tests.append(is_refused)
    if config.secrets:
        tests.append(has_secret)
    if config.personal_data:
        tests.append(lambda candidate: has_personal_data(candidate, config.phone_regions))
    if config.languages:
        tests.append(lambda candidate: is_other_language(candidate, config.languages))
    return tests


def _remembering(config: FilterConfig) -> list[Test]:
    """Tests that need to know what was kept."""
    tests: list[Test] = []
    if config.duplicates:
        tests.append(_Duplicates())
    if config.near_duplicates is not None:
        tests.append(_NearDuplicates(config.near_duplicates))
    return tests


def is_empty(candidate: Candidate) -> Reason | None:
    """White space alone, full-width included, is empty."""
    return None if candidate.row.record.completion.strip() else "empty"


def is_truncated(candidate: Candidate) -> Reason | None:
    """The teacher ran into its token limit."""
    return "truncated" if candidate.row.finish == "length" else None


def is_refused(candidate: Candidate) -> Reason | None:
    """By the host's content filter, or by an opening phrase. What a person wrote is never a refusal."""
    if candidate.row.finish == "content_filter":
        return "refused"
    if candidate.row.finish is None:
        return None
    return "refused" if refusals.is_refusal(candidate.row.record.completion) else None


def has_secret(candidate: Candidate) -> Reason | None:
    """Names the kind of key or password, in prompt or completion."""
    kind = credentials.find(text_of(candidate))
    return None if kind is None else f"secret: {kind}"


def has_personal_data(candidate: Candidate, phone_regions: Sequence[str]) -> Reason | None:
    """Names the kind of personal datum, in prompt or completion."""
    kind = personal.find(text_of(candidate), phone_regions)
    return None if kind is None else f"personal data: {kind}"


def is_other_language(candidate: Candidate, wanted: Sequence[str]) -> Reason | None:
    """Only when it can be told: short or mixed texts are kept."""
    found = languages.tell(candidate.row.record.completion)
    return None if found is None or found in wanted else "wrong language"


def text_of(candidate: Candidate) -> str:
    """Everything that a row says: prompt and completion, a line apart."""
    record = candidate.row.record
    return f"{prompt_text(record.prompt)}\n{record.completion}"


def prompt_text(prompt: Prompt) -> str:
    """A prompt's words without its roles."""
    return prompt if isinstance(prompt, str) else "\n".join(turn.content for turn in prompt)


@final
class _Duplicates:
    """The same record again: same prompt, same completion."""

    def __init__(self) -> None:
        self._seen: set[str] = set()

    def __call__(self, candidate: Candidate) -> Reason | None:
        id_ = candidate.row.record.id
        if id_ in self._seen:
            return "duplicate"
        self._seen.add(id_)
        return None


@final
class _NearDuplicates:
    """Prompt and completion both nearly those of one row that was kept."""

    def __init__(self, threshold: float) -> None:
        self._index = Index(threshold, parts=2)
        self._last: tuple[str, Any] = ("", sketch(grams("")))

    def __call__(self, candidate: Candidate) -> Reason | None:
        record = candidate.row.record
        row = (self._prompt(prompt_text(record.prompt)), sketch(grams(record.completion)))
        if self._index.near(row):
            return "near duplicate"
        self._index.add(row)
        return None

    def _prompt(self, text: str) -> Any:
        """Samples of one prompt follow one another: its sketch is made once."""
        if self._last[0] != text:
            self._last = (text, sketch(grams(text)))
        return self._last[1]
