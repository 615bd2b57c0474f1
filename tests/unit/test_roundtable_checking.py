"""A transcript whose chain was made anew: what its raw replies do not bear out is refused, with its line."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inbond import __version__
from inbond.cli.roundtable_told import lines
from inbond.digest import canonical
from inbond.errors import InputError, TamperedError
from inbond.report.roundtable_export import session_json
from inbond.report.roundtable_markdown import render_roundtable_markdown
from inbond.report.roundtable_page import render_roundtable_page
from inbond.roundtable.checking import checked
from inbond.roundtable.due import Ask
from inbond.roundtable.events import Event, make
from inbond.roundtable.protocol import Opened, fold, session
from inbond.roundtable.question import Question
from inbond.roundtable.verdict import verdict_of
from tests import roundtable_scripted as scripted
from tests import roundtable_simulated as simulated

QUESTION = Question.make("Is distilling without consent right?", ["Yes", "No"], "en")
YES, NO = (option.id for option in QUESTION.options)
RAW = ("opened", "answered", "failed")
Entry = list[Any]
"""Of one line: at, kind and body, which a test may change."""


@cache
def events() -> tuple[Event, ...]:
    """Four seats, two rounds, with a reply that is no vote, a failure, a resumption and a writer."""
    plan = {"ada": [YES, NO], "bob": ["What?", NO, NO], "cyd": [NO], "dov": ["timeout"]}
    asked = dict.fromkeys(plan, 0)

    def happens(ask: Ask) -> tuple[str, dict[str, Any]]:
        if ask.round == 0:
            cite = {"seat": "Seat A", "round": 1, "claim": "c1"}
            said = {"sentences": [{"text": "It is held that consent is what counts.", "cites": [cite]}]}
            return simulated.answered(json.dumps(said))
        said_ = plan[ask.seat][min(asked[ask.seat], len(plan[ask.seat]) - 1)]
        asked[ask.seat] += 1
        if said_ == "timeout":
            return simulated.failed(said_)
        return simulated.answered(scripted.ballot(said_) if said_ in (YES, NO) else said_)

    how = Opened("s", __version__, QUESTION, scripted.seats(*plan), "a writer", 2, 60.0, 7, 0.0)
    found = simulated.begin(how)
    chance = random.Random(3)
    simulated.play(found, happens, chance.randrange, stop_at=9)
    found.append(make(len(found), 100.0, "resumed", {}, found[-1].digest))
    simulated.play(found, happens, chance.randrange)
    assert {event.kind for event in found} >= {*RAW, "asked", "read", "seated", "summarised", "closed"}
    return tuple(found)


def entries() -> list[Entry]:
    return [[event.at, event.kind, copy.deepcopy(dict(event.body))] for event in events()]


def anew(changed: list[Entry], *, verdict: bool = True) -> list[Event]:
    """Lines with their chain made anew, and with the verdict that they come to if they come to one."""
    found: list[Event] = []
    for at, kind, body in changed:
        told = body
        if verdict and kind == "closed" and found:
            try:
                state = fold(found)
                told = {"verdict": verdict_of(session(state), state.digest).to_json()}
            except Exception:  # a forger whose lines come to nothing leaves the verdict alone
                told = body
        found.append(make(len(found), at, kind, told, found[-1].digest if found else None))
    return found


def first(kind: str, **of: Any) -> int:
    """The line of the first event of this kind, with these fields."""
    return next(
        n
        for n, event in enumerate(events())
        if event.kind == kind and all(event.body.get(name) == value for name, value in of.items())
    )


def seated(seat: str, **fields: Any) -> Callable[[list[Entry]], None]:
    def change(changed: list[Entry]) -> None:
        changed[first("seated", seat=seat, round=1)][2].update(fields)

    return change


def at_first(kind: str, **fields: Any) -> Callable[[list[Entry]], None]:
    def change(changed: list[Entry]) -> None:
        changed[first(kind)][2].update(fields)

    return change


def flip(changed: list[Entry]) -> None:
    for _, kind, body in changed:
        if kind == "read" and "vote" in (body["value"] or {}):
            body["value"]["vote"] = YES


def after_closed(changed: list[Entry]) -> None:
    changed.append([200.0, "resumed", {}])


def in_question(**fields: Any) -> Callable[[list[Entry]], None]:
    def change(changed: list[Entry]) -> None:
        changed[0][2]["question"].update(fields)

    return change


def in_seat(**fields: Any) -> Callable[[list[Entry]], None]:
    def change(changed: list[Entry]) -> None:
        changed[0][2]["seats"][1].update(fields)

    return change


def in_value(**fields: Any) -> Callable[[list[Entry]], None]:
    def change(changed: list[Entry]) -> None:
        n = next(n for n, (_, kind, body) in enumerate(changed) if kind == "read" and body["value"])
        changed[n][2]["value"].update(fields)

    return change


def at_all(at: float) -> Callable[[list[Entry]], None]:
    def change(changed: list[Entry]) -> None:
        for each in changed:
            each[0] = at

    return change


FORGED: Mapping[str, tuple[Callable[[list[Entry]], None], str]] = {
    "votes flipped": (flip, rf'value.vote: "{NO}"; found "{YES}"'),
    "a seat that failed voted": (seated("dov", status="voted", why=""), 'status: "timeout"; found "voted"'),
    "a status that is none": (seated("cyd", status="maybe"), 'status: "voted"; found "maybe"'),
    "a vote called an abstention": (seated("bob", status="abstained"), 'status: "voted"; found "abstained"'),
    "a forged summary": (
        at_first("summarised", sentences=[{"text": "All agreed.", "cites": []}]),
        "sentences",
    ),
    "a sentence that is a number": (at_first("summarised", sentences=[{"text": 5}]), "sentences"),
    "an option that is none": (at_first("summarised", strongest={"ZZ": {}}), "strongest"),
    "events after the end": (after_closed, "nothing after the session was closed; found 'resumed'"),
    "other words asked": (at_first("asked", messages=[{"role": "user", "content": "Vote yes"}]), "messages"),
    "other labels": (at_first("asked", labels={"Seat A": "Nobody"}), "labels"),
    "another order": (at_first("asked", order=["ZZ"]), "order"),
    "a call that nobody made": (at_first("answered", call=77), "the end of a call in flight"),
    "one label twice": (in_question(options=[{"id": YES, "label": "No"}, {"id": NO, "label": "No"}]),
                        "options that differ"),
    "ids of other options": (in_question(options=[{"id": NO, "label": "Yes"}, {"id": YES, "label": "No"}]),
                             f"with the ids {YES} for 'Yes', {NO} for 'No'"),
    "no options": (in_question(options=[]), "at least two options"),
    "a question that is a number": (in_question(text=7), "question.text: a text; found 7"),
    "no seats": (at_first("opened", seats=[]), "1 to 26 seats; found 0"),
    "one name twice": (in_seat(name="ada"), "seats whose names differ"),
    "a size in words": (in_seat(parameters="big"), r"seats\[1\].parameters: null or a whole"),
    "a persona that is a number": (in_seat(persona=5), r"seats\[1\].persona: a text; found 5"),
    "a seat with turns": (in_seat(turns=[1]), r"seats\[1\] with the fields name, uri"),
    "a timeout in words": (at_first("opened", timeout_s="x"), "timeout_s: seconds, up to a day; found 'x'"),
    "rounds in words": (at_first("opened", rounds="two"), "rounds: 1 or 2; found 'two'"),
    "true rounds": (at_first("opened", rounds=True), "rounds: 1 or 2; found True"),
    "a confidence in words": (in_value(confidence="very"), 'value.confidence: 0.75; found "very"'),
    "a reasoning that is a list": (in_value(reasoning=[1]), r"value.reasoning: .*; found \[1\]"),
    "a cost in words": (at_first("answered", cost_usd="x"), "cost_usd: a number, 0 or more; found 'x'"),
    "tokens below nothing": (at_first("answered", prompt_tokens=-5), "prompt_tokens: a whole number, 0 or"),
    "an age of ages": (at_first("answered", seconds=1e308), "seconds: a number, 0 or more"),
    "a reply cut short": (at_first("answered", characters=9_999), "a text of 9999 characters"),
    "a reason that is none": (at_first("failed", reason="whim"), "reason: one of rate-limited"),
    "the far future": (at_all(1e15), "a time from 1970 to the year 9999; found at 1000000000000000"),
    "before time": (at_all(-1e12), "a time from 1970 to the year 9999"),
    "another format": (at_first("opened", format="inbond.roundtable/9"), "of format inbond.roundtable/1"),
}  # fmt: skip


@pytest.mark.parametrize("name", FORGED)
def test_what_does_not_follow_is_refused_with_its_line(name: str) -> None:
    change, told = FORGED[name]
    changed = entries()
    change(changed)
    with pytest.raises(TamperedError, match=told) as caught:
        checked(anew(changed))
    assert "line " in str(caught.value)


@pytest.mark.parametrize("verdict", [{"facts": "sha256:" + "0" * 64}, {"outcome": "tie"}, [1], None])
def test_the_verdict_is_the_one_that_follows(verdict: Any) -> None:
    changed = entries()
    there = changed[-1][2]["verdict"]
    changed[-1][2]["verdict"] = {**there, **verdict} if isinstance(verdict, dict) else verdict
    with pytest.raises(TamperedError, match=f"line {len(changed)}, 'closed', as it follows .*: verdict"):
        checked(anew(changed, verdict=False))


def test_of_another_version_a_line_that_differs_is_refused_and_both_are_named() -> None:
    changed = entries()
    changed[0][2]["version"] = "9.9"
    assert session(checked(anew(changed))).version == "9.9", "what is derived alike is read"
    flip(changed)
    with pytest.raises(TamperedError, match=f"read it with Inbond 9.9, .*: {__version__} cannot tell"):
        checked(anew(changed))


def test_what_was_not_changed_is_read_at_every_length() -> None:
    for length in range(1, len(events()) + 1):
        assert checked(events()[:length]) == fold(events()[:length])


# Any field of any line -------------------------------------------------------------------------------

Path = tuple[str | int, ...]


def places(value: Any, at: Path = ()) -> Iterator[Path]:
    """Every place in a body, the whole of it first."""
    yield at
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, each in inner:
        yield from places(each, (*at, key))


def put(value: Any, at: Path, new: Any) -> Any:
    if not at:
        return new
    inner = copy.copy(value)
    inner[at[0]] = put(value[at[0]], at[1:], new)
    return inner


def look(value: Any, at: Path) -> Any:
    return look(value[at[0]], at[1:]) if at else value


ALL = [(n, at) for n, event in enumerate(events()) for at in places(dict(event.body)) if at]
odd = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**53) + 1, 2**53 - 1),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from(["", "ada", "dov", "Seat A", YES, NO, "voted", "abstained", "c1", "\u202e", "x" * 600]),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=9),
    st.lists(st.integers(0, 3), max_size=2),
    st.dictionaries(st.sampled_from(["vote", "text", "call"]), st.integers(0, 3), max_size=2),
)


def readable(found: list[Event]) -> bool:
    """Whether it is refused with its line; else everything that is made of a session can be made of it."""
    try:
        whole = session(checked(found))
    except TamperedError as error:
        assert "line " in str(error)
        return False
    assert render_roundtable_page(whole)
    assert render_roundtable_markdown(whole)
    assert session_json(whole, "", "")
    assert list(lines(whole, "", ""))
    return True


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(ALL), odd, st.booleans(), st.integers(0, 2**16))
def test_any_edit_of_any_line_is_refused_or_is_of_what_is_raw(
    place: tuple[int, Path], new: Any, verdict: bool, cut: int
) -> None:
    n, at = place
    changed = entries()
    changed[n][2] = put(changed[n][2], at, new)
    if cut % 4 == 0:
        changed = changed[: max(n + 1, cut % len(changed))]
    try:
        forged = anew(changed, verdict=verdict)
        same = canonical(changed[n][2]) == canonical(events()[n].body)
    except InputError:
        return  # JSON cannot hold it
    if not readable(forged) or same:
        return
    kind = events()[n].kind
    if (kind, at) == ("read", ("wrong_language",)):
        assert forged[-1].kind != "closed", "another line would not follow"
        return
    assert kind in RAW or (kind == "closed" and verdict)
    assert verdict or forged[-1].kind != "closed", "the verdict holds the digest of all before it"
    if kind in RAW and at != ("text",):
        true, told = (session(fold(each)) for each in (events()[: len(forged)], forged))
        assert told.result == true.result
        assert [[turn.ballot for turn in seat.turns] for seat in told.seats] == [
            [turn.ballot for turn in seat.turns] for seat in true.seats
        ]


@settings(max_examples=40, deadline=None)
@given(st.integers(0, len(events()) - 1), st.sampled_from(["drop", "twice", "swap"]), st.integers(0, 2**16))
def test_lines_dropped_doubled_or_exchanged_are_refused_or_change_no_vote(
    n: int, how: str, other: int
) -> None:
    changed = entries()
    if how == "drop":
        del changed[n]
    elif how == "twice":
        changed.insert(other % (len(changed) + 1), copy.deepcopy(changed[n]))
    else:
        other %= len(changed)
        changed[n], changed[other] = changed[other], changed[n]
    if not changed:
        return
    forged = anew(changed)
    if readable(forged) and forged[-1].kind == "closed":
        assert session(fold(forged)).result == session(fold(events())).result
