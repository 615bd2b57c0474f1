"""Tests of what a suspect learnt from, without marks: training order, records learnt and not learnt, degree,
attribution; and whether a model is the one that it is said to be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from inbond.digest import of_value
from inbond.errors import InputError
from inbond.forensics import attribution, dataset_inference, degree, equality, non_membership, training_order
from inbond.forensics.finding import Finding
from inbond.forensics.shown import Shown, Subject
from inbond.ledger.records import Row
from inbond.recipes import drawn
from inbond.recipes.across import encode
from inbond.recipes.examining import Case, Ingredient, Trial
from inbond.recipes.ingredients import Said
from inbond.recipes.suspects import SAMPLING
from inbond.recipes.trials_of_marks import WEIGHTS, WRITTEN, sequences_of
from inbond.teachers.opening import Weights
from inbond.types import prompt_to_json

SAMPLES: Final = 8
"""Answers of each model to each prompt, where two are compared."""
NOW: Final = "now"
"""The suspect itself, among its stages."""
_DRAWN: Final = replace(SAMPLING, temperature=1.0, max_tokens=64, seed=None)
_FEWEST: Final = 2


def _order(case: Case, _: Any, level: float) -> Sequence[Finding]:
    found = drawn.order_of(case.run_folder)
    suspect, reference = _shown(case, found.rows, None), _reference(case, found.rows)
    with case.watching("reading", "texts") as show:
        return [training_order.of(found.order, suspect, reference, alpha=level, on_progress=show)]


def _learnt(case: Case, _: Any, level: float) -> Sequence[Finding]:
    found = _sides(case)
    suspect, reference = _shown(case, found.rows, None), _reference(case, found.rows)
    with case.watching("reading", "texts") as show:
        return [dataset_inference.of(found.sides, suspect, reference, alpha=level, on_progress=show)]


def _not_learnt(case: Case, _: Any, level: float) -> Sequence[Finding]:
    found = _sides(case)
    suspect, reference = _shown(case, found.rows, None), _reference(case, found.rows)
    assert reference is not None, "the table asks for a reference"
    with case.watching("reading", "texts") as show:
        return [non_membership.of(found.sides, suspect, reference, alpha=level, on_progress=show)]


def _sides(case: Case) -> drawn.Sided:
    found: drawn.Sided = case.once("sides", lambda: drawn.sides_of(case.run_folder))
    return found


def _shown(case: Case, rows: Sequence[Row], weights: Weights | None) -> Shown:
    return Shown(case.reads(weights), encode(case.tokenizer(weights), rows))


def _reference(case: Case, rows: Sequence[Row]) -> Shown | None:
    weights = case.given.reference
    return None if weights is None else _shown(case, rows, weights)


def _degree(case: Case, _: Any, __: float) -> Sequence[Finding]:
    """Records are the teacher's text, ``--texts`` the control's, ``--stage`` what the suspect was before."""
    records, reference = case.given.records, case.given.reference
    assert records is not None, "the table asks for records"
    assert reference is not None, "the table asks for a reference"
    said = [Said(one.completion, one.prompt) for one in records.records]
    subject = Subject("records", records.name, records.digest)
    stages = {**case.given.stages, NOW: None}
    control = None
    if case.given.texts:
        others = case.given.texts
        told = _texts(Subject("records", "the control"), others)
        shown = {name: _of(case, others, weights) for name, weights in stages.items()}
        control = (told, shown, _of(case, others, reference))
    with case.watching("reading", "texts") as show:
        return [
            degree.of(
                {name: _of(case, said, weights) for name, weights in stages.items()},
                _of(case, said, reference),
                _texts(subject, said),
                control,
                on_progress=show,
            )
        ]


def _of(case: Case, said: Sequence[Said], weights: Weights | None) -> Shown:
    sequences = sequences_of(case.tokenizer(weights), said)
    if len(sequences) < len(said):
        raise InputError(
            expected="texts of two tokens or more",
            found=f"{len(said) - len(sequences)} shorter ones among {len(said)}",
            fix="leave them out",
        )
    return Shown(case.reads(weights), sequences)


def _texts(subject: Subject, said: Sequence[Said]) -> degree.Texts:
    sizes = tuple(len(one.text.encode()) for one in said)
    return degree.Texts(subject, degree.units_of([_asked(one, n) for n, one in enumerate(said)]), sizes)


def _asked(said: Said, number: int) -> str:
    """What two texts have in common that answer one prompt; a text without one stands alone."""
    return f"text {number}" if said.prompt is None else str(of_value(prompt_to_json(said.prompt)))


def _attribution(case: Case, _: Any, __: float) -> Sequence[Finding]:
    named = case.given.candidates
    places: dict[str, int] = {}
    candidates = {name: _candidate(name, texts, places) for name, texts in named.items()}
    subjects = {name: Subject("model", name) for name in named}
    suspect = [said.text for said in case.written()]
    return [attribution.by_style(suspect, candidates, subjects)]


def _candidate(name: str, texts: Sequence[Said], places: dict[str, int]) -> attribution.Written:
    units = [
        places.setdefault(f"{name} {key}" if said.prompt is None else key, len(places))
        for number, said in enumerate(texts)
        for key in [_asked(said, number)]
    ]
    return attribution.Written(tuple(said.text for said in texts), tuple(units))


def _equality(case: Case, _: Any, level: float) -> Sequence[Finding]:
    wanted, who = case.given.same_as, case.suspect.weights or case.suspect.model
    assert wanted is not None, "the table asks for a model"
    mine, theirs = (case.answers(one, _DRAWN, SAMPLES).answers for one in (who, wanted))
    both = [
        pair for pair in zip(mine, theirs, strict=True) if min(map(len, pair)) >= _FEWEST
    ]  # fmt: skip
    how: Mapping[str, Any] = {
        "sampling": _DRAWN.to_json(),
        "samples": SAMPLES,
        "left_out": len(mine) - len(both),
    }
    return [
        equality.judge(
            [one for one, _ in both],
            [other for _, other in both],
            name=wanted.name,
            digest=wanted.digest,
            asked=how,
            alpha=level,
        )
    ]


_RUN: Final = Ingredient("the records of a run (--records run:NAME)", lambda case: case.given.run is not None)
_RECORDS: Final = Ingredient("the teacher's records (--records)", lambda case: case.given.records is not None)
_REFERENCE: Final = Ingredient(
    "a model that did not see them (--reference)", lambda case: case.given.reference is not None
)
_CANDIDATES: Final = Ingredient(
    "texts of candidates (--candidate, twice or more)", lambda case: bool(case.given.candidates)
)
_SAME_AS: Final = Ingredient(
    "a model that it may be (--same-as)", lambda case: case.given.same_as is not None
)
_PROMPTS: Final = Ingredient(
    "prompts, and a suspect that can be asked (--prompts)",
    lambda case: bool(case.given.prompts) and case.suspect.access != "texts",
)

TRIALS: Final = (
    Trial(
        "training order",
        "The suspect was shown the records of a run, and it was tested whether those that the run learnt "
        "last are likelier to it than those that it learnt first, as against orders drawn by lot.",
        (WEIGHTS, _RUN),
        _order,
    ),
    Trial(
        "dataset inference",
        "The suspect was shown the records that a run learnt and those that a lot held out, and it was "
        "tested whether it finds the former likelier than another lot would have it.",
        (WEIGHTS, _RUN),
        _learnt,
    ),
    Trial(
        "non-membership",
        "The suspect and a reference that did not see the records were shown them, and it was tested whether "
        "the two agree on them no less than on records that were held out.",
        (WEIGHTS, _RUN, _REFERENCE),
        _not_learnt,
    ),
    Trial(
        "distillation degree",
        "It was measured how much likelier the suspect finds the teacher's text than a reference does, in "
        "nats a byte, and likewise what it was before (--stage); and the same on control text (--texts).",
        (WEIGHTS, _RECORDS, _REFERENCE),
        _degree,
    ),
    Trial(
        "attribution",
        "The suspect's texts were compared in style with those of a closed set of candidates: a score.",
        (WRITTEN, _CANDIDATES),
        _attribution,
    ),
    Trial(
        "equality",
        "Both models were asked the same prompts several times, and it was tested whether who said what "
        "could as well have been drawn by lot.",
        (_PROMPTS, _SAME_AS),
        _equality,
    ),
)
