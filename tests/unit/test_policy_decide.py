"""The gate, case by case: each is a sentence that a lawyer could read, with its answer."""

from __future__ import annotations

import itertools
import json
import time
from dataclasses import replace
from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inbond.digest import of_value
from inbond.errors import InputError
from inbond.policy import gate, library
from inbond.policy.decide import decide
from inbond.policy.facts import Agreement, Beside, DataLicence, Descent, Facts, LicenceFinding
from inbond.policy.stances import OUTCOMES
from inbond.policy.terms import Catalogue, catalogue_of

TEACHER = "hf:maker/teacher"
OTHER = "hf:other/base"


def under(
    licence: str | None, subject: str = TEACHER, bases: tuple[LicenceFinding, ...] = ()
) -> LicenceFinding:
    evidence = "declared" if licence else "none"
    return LicenceFinding(
        subject, licence, evidence, "its model card" if licence else "no licence is declared", bases
    )


def plan(licence: str | None = "Apache-2.0", base: str = "teacher", **changes) -> Facts:
    """A student pruned from a self-hosted teacher, commercial, weights released, unless changed."""
    other = None if base in ("teacher", "scratch") else under(base, OTHER)
    return replace(Facts(TEACHER, under(licence), base == "teacher", other), **changes)


AGREEMENT = Agreement(
    ("Maker Inc.", "We"), TEACHER, ("commercial",), ("weights",), ("outputs", "derived_weights"), (),
    "2026-01-01", None, of_value("signed"), True,
)  # fmt: skip


def outcome(facts: Facts, catalogue: Catalogue | None = None) -> str:
    return decide(facts, catalogue or library.shipped().terms).verdict.outcome


CASES = [
    (
        "A student pruned from an Apache-2.0 teacher may be released if the conditions are kept.",
        plan("Apache-2.0"),
        "permit-with-obligations",
    ),
    (
        "A student pruned from an MIT teacher may be released if the notices are kept.",
        plan("MIT"),
        "permit-with-obligations",
    ),
    (
        "A student pruned from an Apache-2.0 teacher and only offered as a service owes nothing yet.",
        plan(release="service"),
        "permit",
    ),
    (
        "A student pruned from an Apache-2.0 teacher and kept in house owes nothing yet.",
        plan(release="none"),
        "permit",
    ),
    (
        "A student from scratch that learns from an Apache-2.0 teacher's outputs is free.",
        plan(base="scratch"),
        "permit",
    ),
    (
        "A student from scratch that learns from an MIT teacher's outputs is free.",
        plan("MIT", base="scratch"),
        "permit",
    ),
    (
        "An MIT base under an Apache-2.0 teacher owes the base's notices.",
        plan("Apache-2.0", base="MIT"),
        "permit-with-obligations",
    ),
    (
        "A base of unknown licence under an Apache-2.0 teacher is a person's decision.",
        plan(base="LicenseRef-unheard-of"),
        "review",
    ),
    ("A teacher without a licence is a person's decision.", plan(None), "review"),
    (
        "A teacher without a licence is a person's decision even for research kept in house.",
        plan(None, base="scratch", use="research", release="none"),
        "review",
    ),
    ("A teacher under a text that is not on file is a person's decision.", plan("GPL-3.0-only"), "review"),
    ("A licence field that says only 'other' is a person's decision.", plan("other"), "review"),
    ("A licence field that says llama9 is a person's decision.", plan("llama9"), "review"),
    ("What is not a licence expression is a person's decision.", plan("MIT, or so"), "review"),
    (
        "Apache-2.0 with an exception is another text, and a person's decision.",
        plan("Apache-2.0 WITH LLVM-exception"),
        "review",
    ),
    (
        "A choice between MIT and Apache-2.0 is settled by the milder.",
        plan("MIT OR Apache-2.0"),
        "permit-with-obligations",
    ),
    ("A choice with an unknown text is a person's decision.", plan("MIT OR LicenseRef-x"), "review"),
    (
        "MIT and Apache-2.0 together: the conditions of both.",
        plan("MIT AND Apache-2.0"),
        "permit-with-obligations",
    ),
    ("MIT together with an unknown text is a person's decision.", plan("MIT AND LicenseRef-x"), "review"),
    (
        "An Apache-2.0 teacher behind an unknown host is a person's decision.",
        plan(base="scratch", channel="api.example.com"),
        "review",
    ),
    (
        "A host under a licence's name instead of its own terms is a person's decision.",
        plan(base="scratch", channel="api.example.com", host_terms="Apache-2.0"),
        "review",
    ),
    (
        "A host under terms that are not on file is a person's decision.",
        plan(base="scratch", channel="api.example.com", host_terms="example-api"),
        "review",
    ),
    (
        "MIT weights that descend from weights of unknown licence are a person's decision.",
        plan(weights=under("MIT", bases=(under(None, "hf:meta-llama/Llama-3.1-8B"),))),
        "review",
    ),
    (
        "Apache-2.0 weights that descend from MIT weights carry both notices.",
        plan(weights=under("Apache-2.0", bases=(under("MIT", OTHER),))),
        "permit-with-obligations",
    ),
    (
        "Own data beside a permitted teacher changes nothing.",
        plan(release="none", data=(DataLicence("mine.jsonl", "LicenseRef-inbond-own-work"),)),
        "permit",
    ),
    (
        "Data under MIT beside a permitted teacher changes nothing.",
        plan(release="none", data=(DataLicence("hf:x/y", "MIT"),)),
        "permit",
    ),
    (
        "Data without a licence is a person's decision.",
        plan(data=(DataLicence("web.jsonl", None),)),
        "review",
    ),
    (
        "Data under a text that is not on file is a person's decision.",
        plan(data=(DataLicence("hf:x/alpaca", "CC-BY-NC-SA-2.0-FR"),)),
        "review",
    ),
    (
        "Weights declared as one's own work: that declaration is for data only.",
        plan("LicenseRef-inbond-own-work"),
        "review",
    ),
    (
        "Without the teacher's outputs only the weights edge is judged.",
        plan(outputs_used=False),
        "permit-with-obligations",
    ),
    (
        "A student made from nothing that is named is a person's decision.",
        plan(base="scratch", outputs_used=False),
        "review",
    ),
    ("A use that these rules do not know is a person's decision.", plan(use="military"), "review"),
    ("A release that these rules do not know is a person's decision.", plan(release="leak"), "review"),
    (
        "An answer about competition that these rules do not know is a person's decision.",
        plan(competes="perhaps"),
        "review",
    ),
    ("A plan dated before the licence existed is a person's decision.", plan(date="2003-12-31"), "review"),
    ("A plan dated today is judged by today's text.", plan(date="2026-11-21"), "permit-with-obligations"),
    ("A date that cannot be read is a person's decision.", plan(date="soon"), "review"),
]


@pytest.mark.parametrize(("sentence", "facts", "expected"), CASES, ids=[case[0] for case in CASES])
def test_case(sentence: str, facts: Facts, expected: str) -> None:
    assert outcome(facts) == expected, sentence


def test_apache_obligations_of_a_pruned_student_are_those_of_section_4() -> None:
    due = decide(plan(), library.shipped().terms).obligations
    assert [(item.kind, item.source.split(",")[0]) for item in due] == [
        ("licence-copy", "Apache-2.0 s.4(a)"),
        ("change-notice", "Apache-2.0 s.4(b)"),
        ("notice", "Apache-2.0 s.4(c)"),
        ("notice", "Apache-2.0 s.4(d)"),
    ]
    assert {item.when for item in due} == {"when the weights are handed out"}


def test_both_edges_are_judged_and_silence_stays_silence() -> None:
    for licence in ("Apache-2.0", "MIT"):
        reasons = decide(plan(licence), library.shipped().terms).verdict.reasons
        assert [(r.detail["edge"], r.detail["stance"]) for r in reasons] == [
            ("weights", "conditional"),
            ("outputs", "silent"),
        ]


def test_the_json_is_what_the_command_line_promises() -> None:
    value = decide(plan(), library.shipped().terms).to_json()
    assert set(value) == {"outcome", "reasons", "obligations", "missing", "bound_by", "facts", "decider"}
    for reason in value["reasons"]:
        assert set(reason) == {
            "rule",
            "stance",
            "edge",
            "finding",
            "clause",
            "paraphrase",
            "source",
            "version",
            "read_on",
            "evidence",
        }
    assert set(value["obligations"][0]) == {"kind", "text", "when", "from", "because"}
    assert value["reasons"][0]["clause"] == "s.4"
    said = {
        clause.number: clause.paraphrase for clause in library.shipped().terms.terms["Apache-2.0"].clauses
    }
    assert value["reasons"][0]["paraphrase"] == said["s.4"]
    assert value["reasons"][0]["version"] == "2.0"
    assert value["reasons"][0]["read_on"] == "2026-11-21"
    assert value["reasons"][0]["evidence"] == "F"


def test_a_review_names_what_is_unknown_and_what_would_settle_it() -> None:
    decision = decide(plan(None, base="scratch", channel="api.example.com"), library.shipped().terms)
    findings = [reason.finding for reason in decision.verdict.reasons]
    assert findings[0].startswith(f"The licence of {TEACHER} is not known: no licence is declared.")
    assert "the terms of that host are not known. To settle it: the terms of api.example.com;" in findings[1]
    assert len(decision.missing) == 2
    unheard = decide(plan("LicenseRef-x"), library.shipped().terms)
    assert "is under LicenseRef-x (declared: its model card), a text that Inbond has no terms for." in (
        unheard.verdict.reasons[0].finding
    )


def test_obligations_of_a_choice_are_those_of_the_chosen_text_alone() -> None:
    kinds = [due.kind for due in decide(plan("Apache-2.0 OR MIT"), library.shipped().terms).obligations]
    assert kinds == ["notice"]


def test_the_same_obligation_is_not_listed_twice() -> None:
    due = decide(plan("MIT AND MIT"), library.shipped().terms).obligations
    assert len(due) == 1


# Stances that the shipped texts do not have yet ---------------------------------------------------------


def catalogue(stance: str, obligations: str = "", evidence: str = "F", kind: str = "licence") -> Catalogue:
    text = f'''
id = "T"
kind = "{kind}"
title = "T"
version = "1"
read_on = 2026-01-01
evidence = "{evidence}"
source = "a test"
[[clauses]]
number = "1"
paraphrase = "p"
[outputs]
stance = "{stance}"
clause = "1"
finding = "F."
obligations = [{obligations}]
'''
    return catalogue_of([("t.toml", text.encode())])


FIELDS = {
    "display": ', show = ["Do it."]',
    "name-prefix": ', prefix = "X"',
    "threshold": ', metric = "monthly-active-users", above = 100, then = "deny"',
    "territory": ', excluded = ["EU"]',
    "no-compete": ', scope = "models"',
    "field-of-use": ', forbidden = ["medical"]',
}


def duty(kind: str, when: str = "distributed", more: str = "") -> str:
    more = more or FIELDS.get(kind, "")
    return f'{{kind = "{kind}", text = "Do it.", when = "{when}", clause = "1"{more}}}'


@pytest.mark.parametrize(
    ("sentence", "terms", "changes", "expected"),
    [
        ("An express grant permits.", catalogue("express"), {}, "permit"),
        ("A prohibition denies.", catalogue("prohibited"), {}, "deny"),
        ("A prohibition denies research too.", catalogue("prohibited"), {"use": "research"}, "deny"),
        ("What is unclear is reviewed.", catalogue("unclear"), {}, "review"),
        (
            "A condition on release binds the one who releases.",
            catalogue("conditional", duty("display")),
            {},
            "permit-with-obligations",
        ),
        (
            "A condition on release does not bind the one who does not.",
            catalogue("conditional", duty("display")),
            {"release": "none"},
            "permit",
        ),
        (
            "A condition on offering binds a service.",
            catalogue("conditional", duty("display", "offered")),
            {"release": "service"},
            "permit-with-obligations",
        ),
        (
            "A condition that is always due is due in house.",
            catalogue("conditional", duty("register", "always")),
            {"release": "none"},
            "permit-with-obligations",
        ),
        (
            "An unstated threshold becomes an obligation.",
            catalogue("conditional", duty("threshold")),
            {},
            "permit-with-obligations",
        ),
        (
            "A territory that the plan does not name is a person's decision.",
            catalogue("conditional", duty("territory")),
            {},
            "review",
        ),
        (
            "A name prefix is an obligation.",
            catalogue("conditional", duty("name-prefix")),
            {},
            "permit-with-obligations",
        ),
        (
            "Non-commercial terms deny commercial use.",
            catalogue("non-commercial", duty("non-commercial", "always")),
            {},
            "deny",
        ),
        (
            "Non-commercial terms allow research.",
            catalogue("non-commercial", duty("non-commercial", "always")),
            {"use": "research"},
            "permit-with-obligations",
        ),
        (
            "Internal use under non-commercial terms is a person's decision.",
            catalogue("non-commercial", duty("non-commercial", "always")),
            {"use": "internal"},
            "review",
        ),
        (
            "No-compete terms deny a competing model.",
            catalogue("competing-only", duty("no-compete", "always")),
            {"competes": "yes"},
            "deny",
        ),
        (
            "Under no-compete terms one's own word is not enough.",
            catalogue("competing-only", duty("no-compete", "always")),
            {"competes": "no"},
            "review",
        ),
        (
            "Under no-compete terms silence is not enough.",
            catalogue("competing-only", duty("no-compete", "always")),
            {},
            "review",
        ),
    ],
)
def test_stance(sentence: str, terms: Catalogue, changes: dict, expected: str) -> None:
    assert outcome(plan("T", base="scratch", **changes), terms) == expected, sentence


def test_a_hosts_terms_join_those_of_the_weights() -> None:
    api = catalogue("prohibited", kind="service")
    both = Catalogue({**library.shipped().terms.terms, **api.terms}, api.digest, {}, {})
    facts = plan(base="scratch", channel="api.maker.com", host_terms="T")
    assert outcome(facts, both) == "deny"
    assert [r.rule for r in decide(facts, both).verdict.reasons] == ["weights-licence", "channel-terms"]
    assert outcome(replace(facts, channel="self-hosted", host_terms=None), both) == "permit"


def test_a_choice_escapes_a_prohibition_only_into_a_text_that_is_known() -> None:
    terms = Catalogue(
        {**library.shipped().terms.terms, **catalogue("prohibited").terms},
        library.shipped().terms.digest,
        {},
        {},
    )
    assert outcome(plan("T OR MIT", base="scratch"), terms) == "permit"
    assert outcome(plan("T AND MIT", base="scratch"), terms) == "deny"
    assert outcome(plan("T OR LicenseRef-x", base="scratch"), terms) == "review"


def test_weak_evidence_is_printed_and_changes_nothing() -> None:
    sure, weak = (decide(plan("T", base="scratch"), catalogue("express", evidence=mark)) for mark in "FS")
    assert sure.verdict.outcome == weak.verdict.outcome == "permit"
    assert "the text itself was not read" in weak.verdict.reasons[0].finding
    assert "the text itself was not read" not in sure.verdict.reasons[0].finding


# Properties ---------------------------------------------------------------------------------------------

UNKNOWN = st.sampled_from(
    [
        None,
        "other",
        "unknown",
        "NOASSERTION",
        "LicenseRef-x",
        "llama9",
        "MIT OR other",
        "other AND MIT",
        "((",
        "MIT+",
    ]
)
KNOWN = st.sampled_from(["MIT", "Apache-2.0", "MIT OR Apache-2.0", "MIT AND Apache-2.0"])
ANY = st.one_of(UNKNOWN, KNOWN)


@st.composite
def plans(draw: st.DrawFn, teacher=ANY, base=ANY, data=ANY, host=st.booleans()) -> Facts:
    which = draw(st.sampled_from(["teacher", "scratch", "other"]))
    weights = under(
        draw(teacher), bases=tuple(under(draw(base), OTHER) for _ in range(draw(st.integers(0, 1))))
    )
    return Facts(
        TEACHER,
        weights,
        which == "teacher",
        under(draw(base), OTHER) if which == "other" else None,
        channel="api.example.com" if draw(host) else "self-hosted",
        host_terms=draw(st.sampled_from([None, "MIT", "nobody's terms"])),
        data=tuple(DataLicence(f"d{i}", draw(data)) for i in range(draw(st.integers(0, 2)))),
        use=draw(st.sampled_from(["research", "internal", "commercial"])),
        release=draw(st.sampled_from(["none", "service", "weights"])),
        competes=draw(st.sampled_from(["yes", "no", "unknown"])),
        domains=tuple(draw(st.lists(st.text(max_size=5), max_size=2))),
        date=draw(st.sampled_from([None, "2026-11-21"])),
    )


@given(plans(teacher=UNKNOWN))
def test_an_unknown_teacher_never_permits(facts: Facts) -> None:
    decision = decide(facts, library.shipped().terms)
    assert decision.verdict.outcome in ("review", "deny")
    assert decision.missing


@given(plans(teacher=KNOWN, base=KNOWN, data=UNKNOWN, host=st.just(False)))
def test_unknown_data_never_permits(facts: Facts) -> None:
    assert (outcome(facts) == "review") == bool(facts.data)


@given(plans(host=st.just(True)))
def test_an_unknown_host_never_permits(facts: Facts) -> None:
    assert outcome(facts) == "review"


@given(plans())
def test_the_same_facts_get_the_same_verdict(facts: Facts) -> None:
    once, again = decide(facts, library.shipped().terms), decide(replace(facts), library.shipped().terms)
    assert once == again
    assert once.verdict.facts == facts.digest


@given(plans(), st.sampled_from(["use", "release", "competes"]), st.text(max_size=12))
def test_an_unrecognised_word_never_permits(facts: Facts, field: str, word: str) -> None:
    known = {"research", "internal", "commercial", "none", "service", "weights", "yes", "no", "unknown"}
    if word not in known:
        assert outcome(replace(facts, **{field: word})) in ("review", "deny")


@given(plans(), plans())
def test_more_to_judge_never_makes_it_milder(facts: Facts, other: Facts) -> None:
    more = replace(facts, data=facts.data + other.data)
    assert OUTCOMES.index(outcome(more)) >= OUTCOMES.index(outcome(facts))


LATER = catalogue_of(
    [
        (
            "t.toml",
            b"""
id = "T"
kind = "licence"
title = "T"
version = "2"
effective = 2099-01-01
read_on = 2026-01-01
evidence = "F"
source = "a test"
clauses = [{number = "1", paraphrase = "p"}]
[outputs]
stance = "express"
clause = "1"
finding = "F."
""",
        )
    ]
)


@pytest.mark.parametrize(
    ("day", "not_yet", "expected"),
    [
        (None, None, "review"), (None, ("T",), "review"), (None, (), "permit"),
        ("2098-12-31", None, "review"), ("2099-01-01", None, "permit"), ("soon", None, "review"),
        ("2098-12-31", (), "review"), ("2099-01-01", ("T",), "permit"),
    ],
)  # fmt: skip
def test_a_text_permits_nothing_before_it_is_in_force(
    day: str | None, not_yet: tuple[str, ...] | None, expected: str
) -> None:
    facts = plan("T", base="scratch", date=day, not_yet=not_yet)
    assert outcome(facts, LATER) == expected
    assert ("in force from 2099-01-01" in decide(facts, LATER).verdict.reasons[0].finding) == (
        expected == "review"
    )


def test_which_texts_are_not_in_force_yet_is_told_of_a_day() -> None:
    assert LATER.not_yet(date(2098, 12, 31)) == ("T",)
    assert LATER.not_yet(date(2099, 1, 1)) == ()
    known = library.shipped().terms
    assert known.not_yet(date(2026, 11, 21)) == ()
    assert "LicenseRef-inbond-anthropic-api-2026-11-12" in known.not_yet(date(2026, 11, 11))


def test_a_text_replaces_one_that_is_on_file_and_was_in_force_before() -> None:
    text = LATER.terms["T"].model_dump(mode="json", exclude_none=True) | {"id": "T-2"}
    for id_ in ("T-9", "T"):
        with pytest.raises(
            InputError, match=rf"replaces in u\.toml .*'{id_}', which is no such text on file"
        ):
            catalogue_of([("u.toml", toml_of({**text, "replaces": id_}))], LATER)
    later = catalogue_of([("u.toml", toml_of({**text, "replaces": "T", "effective": "2100-01-01"}))], LATER)
    newest = later.terms["T-2"]
    found = later.standing(newest, lambda each: (each.effective or date.max) < date(2099, 6, 1))
    assert found is later.terms["T"]


def toml_of(values: dict[str, Any]) -> bytes:
    """A terms file of these values, its tables inline."""

    def text(value: Any) -> str:
        if isinstance(value, dict):
            return "{" + ", ".join(f"{key} = {text(each)}" for key, each in value.items()) + "}"
        return json.dumps(value) if not isinstance(value, list) else f"[{', '.join(map(text, value))}]"

    return "\n".join(f"{key} = {text(value)}" for key, value in values.items()).encode()


@pytest.mark.parametrize(
    "odd",
    [
        {"mau": float("nan")}, {"revenue_usd": float("nan")}, {"revenue_usd": float("inf")},
        {"mau": float("-inf")}, {"mau": 10**40}, {"name": "\ud800"}, {"domains": ("\udfff",)},
        {"date": "\ud800"}, {"channel": "\ud800"}, {"territory": "\ud800"},
    ],
)  # fmt: skip
def test_no_value_of_a_fact_makes_deciding_fail(odd: dict[str, Any]) -> None:
    facts = plan("llama4", **odd)
    decision = decide(facts, library.shipped().terms)
    assert decision.verdict.outcome in OUTCOMES
    assert decision.verdict.facts not in (plan("llama4").digest, plan("MIT").digest)
    assert "mau" not in odd or decision.verdict.outcome in ("review", "deny")


def test_every_field_of_the_plan_is_in_its_digest() -> None:
    changes = [
        {"teacher": "hf:a/b"},
        {"weights": under("MIT")},
        {"base_is_teacher": False},
        {"channel": "h"},
        {"host_terms": "t"},
        {"outputs_used": False},
        {"data": (DataLicence("d", "MIT"),)},
        {"use": "research"},
        {"release": "none"},
        {"name": "n"},
        {"domains": ("x",)},
        {"competes": "no"},
        {"date": "2026-01-01"},
        {"not_yet": ()},
        {"host_models": "own"},
        {"kind": "classifier"},
        {"mau": 1},
        {"revenue_usd": 1.0},
        {"territory": "JP"},
        {"agreements": (AGREEMENT,)},
        {"descent": (Descent(under("MIT"), "outputs", "indirect", "run:a"),)},
        {"beside": (Beside("path:b", under("MIT")),)},
        {"reasoning": True},
        {"base_is_teacher": False, "base": under("MIT", OTHER)},
    ]
    digests = [plan().digest, *(replace(plan(), **change).digest for change in changes)]
    assert len(set(digests)) == len(digests)
    assert {name for change in changes for name in change} == set(Facts.__dataclass_fields__)


def test_a_decision_takes_less_than_a_millisecond() -> None:
    facts = [plan(name=str(i), data=(DataLicence("d", "MIT OR Apache-2.0"),)) for i in range(500)]
    decide(facts[0], library.shipped().terms)
    best = min(_seconds(facts) for _ in itertools.repeat(None, 3))
    assert best / len(facts) < 1e-3


def _seconds(facts: list[Facts]) -> float:
    start = time.process_time()
    for item in facts:
        decide(item, library.shipped().terms)
    return time.process_time() - start


# What the ledger is told --------------------------------------------------------------------------------


def test_the_ledger_is_told_the_whole_question_and_answer() -> None:
    facts = plan(None)
    decision = decide(facts, library.shipped().terms)
    body = gate.decided(facts, decision)
    assert body["question"] == f"May a student be made from {TEACHER} as planned?"
    assert body["plan"]["weights"]["licence"] is None
    assert body["verdict"]["outcome"] == "review"
    assert gate.accepted(decision, " I asked counsel. ") == {
        "facts": facts.digest,
        "findings": gate.findings(decision),
        "outcome": "review",
        "reason": "I asked counsel.",
    }


def test_an_acceptance_needs_a_reason() -> None:
    with pytest.raises(InputError) as caught:
        gate.accepted(decide(plan(None), library.shipped().terms), "  ")
    assert "a reason for accepting what the gate could not decide; found an empty one" in str(caught.value)
