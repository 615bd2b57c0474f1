"""Pairs out of a file of preferences, such as ``inbond roundtable judge`` writes.

Prompts are worded as the recipe's own: a text is asked in a conversation, unless the recipe says otherwise.
A pair whose prompt is held out is left out: nothing is learnt that the student is measured on. Texts that are
the run's own answers keep their authors; others are the file's. Where this workspace's ledger knows who
judged the file, the votes are kept in ``data/votes`` with their judges; else the judges stay unknown.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Final, final

from inbond.digest import canonical, of_file
from inbond.engine.preference_file import Told, read_preferences
from inbond.engine.prompts import Wording, as_conversation
from inbond.ledger.manifest import Identity
from inbond.ledger.records import Row, read_rows, write_rows
from inbond.recipes.preferring import Candidate, Gathered, Setting, Source
from inbond.recipes.trail import Artifact, Made
from inbond.roundtable.judge.holding import JUDGED, PREFERENCES
from inbond.types import OWN, Origin, Prompt, Record, parse_model_name, without_system

VOTES_VERSION = 1
HELD_OUT: Final = "pairs whose prompt is held out"


def from_file(setting: Setting) -> Source:
    """The pairs of the recipe's file. Raises InputError with the line that cannot be read."""
    work = _File(setting)
    votes = work.votes()
    sets = {"train": setting.data.train, "votes": votes}
    config = {"file": work.digest, "held_out": setting.data.held_out.id, "wording": asdict(work.wording)}
    return Source(config, sets, lambda: work.gather(votes))


@final
class _File:
    """One file of preferences."""

    def __init__(self, setting: Setting) -> None:
        assert setting.section.file is not None, "the section has one"
        self._setting = setting
        self._path = setting.folder / setting.section.file
        asked = setting.plan.recipe.prompts
        self.wording = Wording(system=asked.system, as_chat=asked.chat)
        self._told: Sequence[Told] = tuple(map(self._asked, read_preferences(self._path)))
        self.digest = of_file(self._path)

    def _asked(self, told: Told) -> Told:
        """The line with its prompt as the run asks it."""
        return replace(told, pair=replace(told.pair, prompt=as_conversation(told.pair.prompt, self.wording)))

    @cached_property
    def _judges(self) -> dict[str, str]:
        """Models by the judges' names, as the ledger recorded them with this very file."""
        for event in self._setting.trail.ledger.events(JUDGED):
            if event.body.get("files", {}).get(PREFERENCES) == self.digest:
                return {str(each["name"]): _name(str(each["identity"])) for each in event.body["judges"]}
        return {}

    def votes(self) -> Artifact:
        """What each judge said of each pair, where it is known who judged."""
        setting = self._setting
        config = {"file": self.digest, "judges": self._judges, "wording": asdict(self.wording)}
        identity = Identity("votes", VOTES_VERSION, config, {"train": setting.data.train.id})

        def make(folder: Path) -> Made:
            rows = list(self._votes())
            unknown = sorted({name for told in self._told for name in told.votes} - set(self._judges))
            facts = {"parents": [], "judges": self._judges, "judges_unknown": unknown, "rows": len(rows)}
            return Made(facts, write_rows(folder, rows))

        return setting.trail.stage("votes", "data/votes", identity, make)

    def _votes(self) -> Iterator[Row]:
        origins = {
            name: Origin(uri, parse_model_name(uri).channel, "judge", {}, None)
            for name, uri in self._judges.items()
        }
        for told in self._told:
            for judge, votes in told.votes.items():
                if judge in origins:
                    said = {"pair": told.pair.id, "votes": dict(votes)}
                    yield Row(Record(told.pair.prompt, canonical(said).decode()), origins[judge])

    def gather(self, votes: Artifact) -> Gathered:
        """The pairs but for those that are held out."""
        train = read_rows(self._setting.data.train.folder)
        mine = {row.record.id: number for number, row in enumerate(train)}
        held_out = {_said(row.record.prompt) for row in read_rows(self._setting.data.held_out.folder)}
        above = self._above(len(train), int(votes.facts["rows"]))
        pairs, without = [], Counter[str]()
        for place, told in enumerate(self._told):
            if _said(told.pair.prompt) in held_out:
                without[HELD_OUT] += 1
                continue
            chosen, rejected = (
                self._side(Record(told.pair.prompt, text), train, mine, above[place])
                for text in (told.pair.chosen, told.pair.rejected)
            )
            pairs.append(Candidate(chosen, rejected, told.pair.margin))
        return Gathered(tuple(pairs), dict(without))

    def _above(self, first: int, rows: int) -> Mapping[int, tuple[int, ...]]:
        """The votes on each line: their row numbers among all parents."""
        above: defaultdict[int, list[int]] = defaultdict(list)
        number = first
        for place, told in enumerate(self._told):
            for judge in told.votes:
                if judge in self._judges:
                    above[place].append(number)
                    number += 1
        assert number == first + rows, "a row for each vote that was kept"
        return defaultdict(tuple, {place: tuple(numbers) for place, numbers in above.items()})

    def _side(
        self, record: Record, train: Sequence[Row], mine: Mapping[Any, int], judged: tuple[int, ...]
    ) -> Row:
        row = mine.get(record.id)
        if row is not None:
            return replace(train[row], parents=(row, *judged))
        origin = Origin(f"data:{self._setting.section.file}", OWN, "author", {}, None)
        return Row(record, origin, judged)


def _said(prompt: Prompt) -> str:
    """What is asked, whatever the system message and the white space."""
    return " ".join(without_system(prompt).split())


def _name(identity: str) -> str:
    """The name in an identity, which may be pinned: ``name sha256:...``."""
    head, space, tail = identity.rpartition(" ")
    return head if space and tail.startswith("sha256:") else identity
