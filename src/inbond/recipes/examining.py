"""Tests of a suspect: which of them what was given is enough for, and what each finds.

A test is one entry of ``TRIALS``. It runs where all that it needs was given; what goes wrong in one stops no
other.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

from inbond.digest import Digest
from inbond.errors import InbondError, InputError, TeacherError
from inbond.forensics.finding import Finding
from inbond.forensics.report import NotRan, Ran
from inbond.recipes.ingredients import Given, Said
from inbond.recipes.suspects import (
    SAMPLING,
    Asked,
    How,
    Suspect,
    ask,
    context_of,
    load_reader,
)
from inbond.recipes.watch import Watcher, time_left
from inbond.teachers.opening import Weights, open_tokenizer
from inbond.teachers.protocols import Sampling
from inbond.teachers.tokens import vocabulary_digest
from inbond.types import ModelName
from inbond.workspace import Workspace

if TYPE_CHECKING:
    from inbond.forensics.reading import Reads


@final
class Case:
    """A suspect, what was given, and what tests opened of both so far: each thing is opened once, and where
    that fails, fails again with the same words for the next test."""

    def __init__(
        self,
        suspect: Suspect,
        given: Given,
        *,
        alpha: float,
        tokens: int,
        workspace: Workspace,
        environment: Mapping[str, str],
        watcher: Watcher,
    ) -> None:
        self.suspect, self.given, self.alpha, self.tokens = suspect, given, alpha, tokens
        self.watcher = watcher
        self._workspace, self._environment = workspace, environment
        self._kept: dict[str, Any] = {}
        self.asked: Asked | None = None

    def tokenizer(self, weights: Weights | None = None) -> Any:
        """Of the suspect, or of any model on this machine. Raises InputError."""
        model = self._weights(weights)
        return self.once(f"tokenizer {model.name}", lambda: open_tokenizer(model))

    def reads(self, weights: Weights | None = None) -> Reads:
        """The suspect, or another model, to be shown texts. Raises InputError where it cannot be loaded."""
        model = self._weights(weights)
        tokenizer = self.tokenizer(model)
        reads: Reads = self.once(f"reader {model.name}", lambda: self._load(model, tokenizer))
        return reads

    def context(self) -> int | None:
        """So many tokens the suspect reads at once; None where it does not say."""
        return context_of(self._weights(None))

    @property
    def run_folder(self) -> Path:
        """Of the run whose records are at hand."""
        assert self.given.run is not None, "the table asks for a run"
        return self._workspace.run(self.given.run)

    def _weights(self, weights: Weights | None) -> Weights:
        found = weights or self.suspect.weights
        assert found is not None, "a suspect by its weights"
        return found

    def written(self) -> tuple[Said, ...]:
        """What the suspect wrote: as given, or asked now. Raises InputError, TeacherError."""
        if self.suspect.said:
            return self.suspect.said
        asked: Asked = self.once("asked", self._ask)
        self.asked = asked
        if not asked.said:
            raise InputError(
                expected="texts of the suspect's own",
                found=f"{asked.prompts:,} prompts, of which it declined {asked.declined:,} and failed "
                f"{asked.failed:,}",
                fix="ask what it answers (--prompts), or collect its texts elsewhere (texts:FILE)",
            )
        return asked.said

    @contextmanager
    def watching(self, stage: str, unit: str) -> Iterator[Callable[[int, int], None]]:
        """Yields what to tell progress to: (done, all of them)."""
        start = time.monotonic()
        self.watcher.begin(stage)

        def show(done: int, total: int) -> None:
            rate = done / max(1e-9, time.monotonic() - start)
            note = f"{rate:,.1f} {unit}/s, {time_left((total - done) / rate) if rate else ''}"
            self.watcher.advance(stage, done, total, note)

        try:
            yield show
        finally:
            self.watcher.end(stage, time.monotonic() - start, made=True)

    def _load(self, weights: Weights, tokenizer: Any) -> Reads:
        with self.watching("opening", "models"):
            return load_reader(weights, tokenizer)

    def _ask(self) -> Asked:
        return self.answers(self.suspect.weights or self.suspect.model, SAMPLING, 1)

    def answers(self, who: Weights | ModelName | None, sampling: Sampling, samples: int) -> Asked:
        """What a model, the suspect or another, says to the prompts at hand. Raises as ``ask``."""
        assert who is not None, "a model, and no file of texts"
        with self.watching("asking", "prompts"):
            how = How(self._workspace, self._environment, self.watcher, sampling, samples)
            return ask(who, self.given.prompts, how)

    def once(self, name: str, make: Callable[[], Any]) -> Any:
        """What ``make`` gives, or raises of InputError and TeacherError, the same to all tests that ask for
        it by this name."""
        if name not in self._kept:
            try:
                self._kept[name] = make()
            except (InputError, TeacherError) as error:
                self._kept[name] = error
        found = self._kept[name]
        if isinstance(found, InbondError):
            raise found
        return found

    def tokenizer_for(self, vocabulary: Digest) -> Any:
        """A tokenizer with this vocabulary, out of the models that are at hand. Raises InputError where none
        of them has it."""
        named = {"--tokenizer": self.given.tokenizer, "the suspect": self.suspect.weights}
        named["--parent"] = self.given.parent
        found = []
        for what, weights in named.items():
            if weights is None:
                continue
            tokenizer = self.tokenizer(weights)
            other = vocabulary_digest(tokenizer)
            if other == vocabulary:
                return tokenizer
            found.append(f"{other[:19]} of {what}")
        raise InputError(
            expected=f"the tokenizer that the key was made for, with the vocabulary {vocabulary[:19]}",
            found=" and ".join(found) or "none",
            fix="name the model whose answers were marked: --tokenizer URI",
        )


@final
@dataclass(frozen=True)
class Ingredient:
    """Something that a test needs, in words, and whether it was given."""

    words: str
    is_there: Callable[[Case], bool]


@final
@dataclass(frozen=True)
class Trial:
    """``run`` gives the findings for one of ``over``: each key, where there is one for each. It may raise
    InputError and TeacherError. ``level`` is what a p-value must pass when all tests of the report are
    counted. ``how`` says in plain words what is done."""

    name: str
    how: str
    needs: tuple[Ingredient, ...]
    run: Callable[[Case, Any, float], Sequence[Finding]]
    over: Callable[[Case], Mapping[str, Any]] = lambda _: {"": None}


def examine(case: Case, tests: Sequence[Trial]) -> tuple[list[Ran], list[NotRan]]:
    """Runs every test that it can. Raises nothing that one test alone would meet."""
    tested, untested = list[Ran](), list[NotRan]()
    able = list[Trial]()
    for test in tests:
        missing = [each.words for each in test.needs if not each.is_there(case)]
        if missing:
            untested.append(NotRan(test.name, f"for want of {' and '.join(missing)}", asked=False))
        else:
            able.append(test)
    level = case.alpha / max(1, sum(len(test.over(case)) for test in able))
    for test in able:
        for name, item in test.over(case).items():
            title = f"{test.name} ({name})" if name else test.name
            try:
                findings = tuple(test.run(case, item, level))
            except (InputError, TeacherError) as error:
                untested.append(NotRan(title, words_of(error), asked=True))
            else:
                tested.append(Ran(title, test.how, findings))
    return tested, untested


def words_of(error: InbondError) -> str:
    """An error as one sentence of a report."""
    return f"expected {error.expected}; found {error.found}; {error.fix}"
