"""Where things stand in a session's page: letters of seats, anchors of claims, numbers of options. Pure."""

from __future__ import annotations

import re
from typing import Final, final

from inbond.report.roundtable_view import Choice, Foreign, Quoted, page_language, tongue
from inbond.report.roundtable_words import Words
from inbond.roundtable.anonymity import label
from inbond.roundtable.session import Seat, Session, Turn

_NOWHERE = 0
_FOR_THE_HOST: Final = re.compile(r"; fix: |://|\bhosts?\b|:\d{2,5}\b|\bstatus \d{3}\b", re.IGNORECASE)
"""In the words of an error of ours, or of a connection."""


@final
class Places:
    """Look-ups in one session. A seat is called by the letter under which the others saw it."""

    def __init__(self, session: Session, words: Words) -> None:
        self.session = session
        self.words = words
        self.lang = page_language(session.question.language, session.question.text)
        names = [seat.name for seat in session.seats]
        self._numbers = {name: number for number, name in enumerate(names, start=1)}
        self._marks = _marks(session) or {name: _letter(label(n)) for n, name in enumerate(names)}
        self._choices = {
            option.id: Choice(self.foreign(option.label), slot)
            for slot, option in enumerate(session.question.options, start=1)
        }
        self._none = Choice(Foreign(words("no_vote")), _NOWHERE)

    @property
    def slots(self) -> tuple[int, ...]:
        """The options' numbers in order, no vote last."""
        return (*range(1, len(self._choices) + 1), _NOWHERE)

    def foreign(self, text: str) -> Foreign:
        """A text of others with its language."""
        return Foreign(text, tongue(text, self.session.question.language))

    def fault(self, why: str) -> Foreign:
        """What went wrong, as our code said it in English: for a page in English, and where it is not for
        whoever runs a host, whose private machines a page does not name."""
        shown = self.lang == "en" and not _FOR_THE_HOST.search(why)
        return Foreign(why if shown else "", "en")

    def choice(self, option: str | None) -> Choice:
        """An option by its id; what is none is no vote."""
        return self._choices.get(option or "", self._none)

    def vote(self, seat: Seat, number: int) -> Choice:
        """A seat's vote in a round; no vote where it had none."""
        turn = self.turn(seat.name, number)
        return self.choice(turn.ballot.vote if turn is not None and turn.ballot is not None else None)

    def final(self, seat: Seat) -> Choice:
        """A seat's vote that counts."""
        turn = seat.last
        counts = turn is not None and turn.status == "voted" and turn.ballot is not None
        return self.choice(turn.ballot.vote if counts and turn and turn.ballot else None)

    def turn(self, name: str, number: int) -> Turn | None:
        """A seat's turn in a round, if there is such a seat and it had one."""
        if name not in self._numbers:
            return None
        turns = self.session.seats[self._numbers[name] - 1].turns
        return next((turn for turn in turns if turn.round == number), None)

    def mark(self, name: str) -> str:
        """A seat's letter; "?" for a seat that is not at the table."""
        return self._marks.get(name, "?")

    def anchor(self, name: str) -> str:
        """Where a seat's card stands; "" for a seat that is not at the table."""
        return f"seat-{self._numbers[name]}" if name in self._numbers else ""

    def quoted(self, name: str, number: int, claim: str) -> Quoted:
        """A claim of a seat; one that is not there has no anchor, and says so."""
        turn = self.turn(name, number)
        claims = turn.ballot.claims if turn is not None and turn.ballot is not None else ()
        found = next((each for each in claims if each.id == claim), None)
        mark = self.claim_mark(name, number, claim)
        if found is None:
            return Quoted(name, mark, "", Foreign(self.words("ill_cite")))
        return Quoted(name, mark, self.claim_anchor(name, number, claim), self.foreign(found.text))

    def claim_mark(self, name: str, number: int, claim: str) -> str:
        """What a claim is called for short: B2; one of the second round B2′."""
        return self.mark(name) + claim.removeprefix("c")[:3] + "′" * (number - 1)

    def claim_anchor(self, name: str, number: int, claim: str) -> str:
        """Where a claim stands."""
        return f"{self.anchor(name)}-r{number}-{claim}"


def _letter(called: str) -> str:
    return called.removeprefix("Seat ")


def _marks(session: Session) -> dict[str, str]:
    """The letters under which seats saw each other, where there was a second round and they agree."""
    found: dict[str, set[str]] = {}
    for seat in session.seats:
        for turn in seat.turns:
            for called, name in turn.labels.items():
                found.setdefault(name, set()).add(_letter(called))
    whole = all(seat.name in found for seat in session.seats)
    marks = {name: min(each) for name, each in found.items() if len(each) == 1}
    return marks if whole and len(set(marks.values())) == len(found) else {}
