"""What a session's page leaves out where a table is so large, and its seats so wordy, that shortening texts
is not enough: first all that seats said beside their claims, then the claims. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Final, Literal

from inbond.report.roundtable_view import Chair, Foreign, Held, Quoted, Said, View

Thin = Literal["", "thin_said", "thin_claims"]
"""Nothing left out, or the name of the phrase that says what is."""
_NOTHING: Final = Foreign("")
_MOST_MODEL: Final = 80
_MOST_CITES: Final = 3


def thinned(shown: View, thin: Thin) -> View:
    """The view without what ``thin`` names. Votes, counts, what went wrong and turning points stay."""
    if not thin:
        return shown
    bare = thin == "thin_claims"
    view = replace(shown, chairs=tuple(_chair(each, bare=bare) for each in shown.chairs))
    if not bare:
        return view
    return replace(
        view,
        summary=_said(view.summary),
        dissent=_said(view.dissent),
        strongest=tuple((choice, _to_card(quoted)) for choice, quoted in view.strongest),
        points=tuple(
            replace(each, cited=None if each.cited is None else _to_card(each.cited)) for each in view.points
        ),
    )


def _chair(chair: Chair, *, bare: bool) -> Chair:
    rounds = tuple(_held(each, bare=bare) for each in chair.rounds)
    model = chair.model if len(chair.model) <= _MOST_MODEL else f"{chair.model[:_MOST_MODEL]}…"
    return replace(chair, rounds=rounds, model=model, persona=_NOTHING if bare else chair.persona)


def _held(held: Held, *, bare: bool) -> Held:
    return replace(
        held,
        reasoning=_NOTHING,
        would_change=_NOTHING,
        abstain_reason=_NOTHING,
        rebuttal=_NOTHING,
        heard=(),
        claims=() if bare else held.claims,
        order=() if bare else held.order,
    )


def _said(sentences: Iterable[Said]) -> tuple[Said, ...]:
    return tuple(replace(each, cites=tuple(map(_to_card, each.cites[:_MOST_CITES]))) for each in sentences)


def _to_card(quoted: Quoted) -> Quoted:
    """Where the claim is left out, its link leads to the seat."""
    return replace(quoted, anchor=quoted.anchor.partition("-r")[0])
