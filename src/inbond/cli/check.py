"""``inbond check``: may this distillation be done, and what follows from it?"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Annotated, Any, get_args

import typer

from inbond.cli.output import HomeOption, JsonOption, Output, QuietOption, open_workspace
from inbond.errors import InputError
from inbond.policy import gate, terms, weights
from inbond.policy.decide import Decision, decide
from inbond.policy.declared import find_licence
from inbond.policy.facts import SELF_HOSTED, Competes, DataLicence, Facts, LicenceFinding, Release, Use
from inbond.policy.licences import of_data
from inbond.types import ModelName, parse_model_name

_EXIT = {"permit": 0, "permit-with-obligations": 0, "review": 3, "deny": 4}
_HEADLINE = {
    "permit": "PERMITTED",
    "permit-with-obligations": "PERMITTED, WITH OBLIGATIONS",
    "review": "A PERSON MUST DECIDE",
    "deny": "DENIED",
}
_RELEASE_TEXT = {
    "none": "nothing released",
    "service": "offered as a service",
    "weights": "weights handed out",
}
_WIDTH = 96


def check(
    recipe: Annotated[
        str | None, typer.Argument(help="A recipe file or the name of a built-in one; or give --teacher.")
    ] = None,
    teacher: Annotated[
        str | None, typer.Option(help="The teacher: hf:org/name, gguf:file, api:host/model, ...")
    ] = None,
    channel: Annotated[
        str | None,
        typer.Option(help="The host it is reached by, or self-hosted. Default: what its name says."),
    ] = None,
    base: Annotated[
        str | None,
        typer.Option(
            help="What the student's weights start from: teacher, none (from scratch) or a model's name. "
            "Default: the teacher when its weights are at hand, else none."
        ),
    ] = None,
    data: Annotated[
        list[str] | None,
        typer.Option(help="Other training data as URI=LICENCE (own: it is yours). May be repeated."),
    ] = None,
    use: Annotated[str, typer.Option(help="research, internal or commercial.")] = "commercial",
    release: Annotated[str, typer.Option(help="none, service or weights.")] = "weights",
    name: Annotated[str | None, typer.Option(help="The student's name.")] = None,
    domain: Annotated[list[str] | None, typer.Option(help="A field of use. May be repeated.")] = None,
    competes: Annotated[
        str, typer.Option(help="Does the student compete with its teacher's provider? yes, no or unknown.")
    ] = "unknown",
    on: Annotated[
        str | None, typer.Option("--date", help="The plan's date, YYYY-MM-DD. Default: now.")
    ] = None,
    accept: Annotated[
        str | None, typer.Option(help="Take a review upon yourself, with a reason; it is recorded.")
    ] = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> int:
    """Judge a plan before anything is made or paid for: both edges, weights and outputs.

    Exit code 0: permitted; 3: a person must decide; 4: denied. Nothing is asked of any network.

    Examples: inbond check demo; inbond check --teacher hf:HuggingFaceTB/SmolLM2-135M-Instruct
    """
    if (recipe is None) == (teacher is None):
        raise InputError(
            expected="a recipe, or a plan that starts with --teacher",
            found="both" if recipe else "neither",
            fix="for example inbond check demo",
        )
    if teacher is None:
        from inbond.recipes.gate import facts_from_recipe
        from inbond.recipes.reading import load

        assert recipe is not None, "one of the two is given"
        planned = facts_from_recipe(load(recipe)[0], open_workspace(home))
        return check_facts(planned, Output(as_json, quiet), home, accept)
    facts = facts_from_options(
        teacher=teacher,
        channel=channel,
        base=base,
        data=data or [],
        use=use,
        release=release,
        name=name,
        domains=domain or [],
        competes=competes,
        on=on,
    )
    return check_facts(facts, Output(as_json, quiet), home, accept)


def check_facts(facts: Facts, out: Output, home: Path | None, accept: str | None) -> int:
    """Judges, prints, records an acceptance if there is one, and returns the exit code."""
    decision = decide(facts, terms.shipped())
    value, text = decision.to_json(), render(facts, decision)
    code = _EXIT[decision.verdict.outcome]
    if accept is not None and decision.verdict.outcome == "review":
        value["accepted"] = _record(facts, decision, accept, home)
        text += f'\n\nAccepted and recorded in the ledger: "{accept.strip()}"'
        code = 0
    elif accept is not None and decision.verdict.outcome == "deny":
        text += "\n\nA denial cannot be accepted away: it takes a written agreement with the other side."
    out.result(value, text)
    return code


def _record(facts: Facts, decision: Decision, reason: str, home: Path | None) -> dict[str, Any]:
    from inbond.ledger.attest import KeyStore
    from inbond.ledger.ledger import Ledger

    body = gate.accepted(decision, reason)
    with Ledger.open(open_workspace(home), KeyStore.default()) as ledger:
        events = ledger.record_many([(gate.DECIDED, gate.decided(facts, decision)), (gate.ACCEPTED, body)])
    return {"reason": body["reason"], "event": events[-1].digest}


# From options to facts ------------------------------------------------------------------------------


def facts_from_options(
    *,
    teacher: str,
    channel: str | None,
    base: str | None,
    data: Sequence[str],
    use: str,
    release: str,
    name: str | None,
    domains: Sequence[str],
    competes: str,
    on: str | None,
) -> Facts:
    """The plan that the options describe. Raises InputError for an option that cannot be read."""
    from inbond.recipes.gate import host_terms  # here: it brings all of recipes to the start of every verb

    model = parse_model_name(teacher)
    found = find_licence(model, weights.shipped())
    from_teacher, other = _base(base, model)
    host = (channel or model.channel).lower()
    return Facts(
        teacher=teacher,
        weights=found,
        base_is_teacher=from_teacher,
        base=other,
        channel=host,
        host_terms=host_terms(host),
        data=tuple(_data(item) for item in data),
        use=_one_of("--use", use, get_args(Use)),
        release=_one_of("--release", release, get_args(Release)),
        name=name,
        domains=tuple(domains),
        competes=_one_of("--competes", competes, get_args(Competes)),
        date=_date(on),
    )


def _base(base: str | None, teacher: ModelName) -> tuple[bool, LicenceFinding | None]:
    if base == "teacher" or base == str(teacher) or (base is None and teacher.self_hosted):
        return True, None
    if base in (None, "none"):
        return False, None
    return False, find_licence(parse_model_name(base), weights.shipped())


def _data(text: str) -> DataLicence:
    uri, equals, licence = text.rpartition("=")
    if not equals or not uri or not licence:
        raise InputError(
            expected="--data URI=LICENCE",
            found=repr(text),
            fix="for example --data prompts.jsonl=MIT, or --data prompts.jsonl=own when it is yours",
        )
    return DataLicence(uri, of_data(licence))


def _one_of(option: str, value: str, allowed: Sequence[Any]) -> Any:
    if value not in allowed:
        raise InputError(
            expected=f"{option} to be one of {', '.join(allowed)}",
            found=repr(value),
            fix="choose one of them",
        )
    return value


def _date(text: str | None) -> str | None:
    if text is None:
        return None
    try:
        return date.fromisoformat(text).isoformat()
    except ValueError as error:
        raise InputError(
            expected="--date as YYYY-MM-DD", found=repr(text), fix="for example --date 2026-11-21"
        ) from error


# For a person ---------------------------------------------------------------------------------------


def render(facts: Facts, decision: Decision) -> str:
    """The verdict as plain text: outcome, why on each edge, what to do, what is missing."""
    verdict = decision.verdict
    lines = [_HEADLINE[verdict.outcome], ""]
    lines += _field("Teacher", f"{facts.teacher}, {_channel_text(facts)}")
    lines += _field("Student", f"{facts.name or 'not named yet'}, {_base_text(facts)}")
    lines += _field("Plan", f"{facts.use} use, {_RELEASE_TEXT.get(facts.release, facts.release)}")
    lines += ["", "Why"]
    for reason in verdict.reasons:
        detail = reason.detail
        clause = f"{reason.source} {detail['clause']}" if detail["clause"] else reason.source
        lines += _field(str(detail["edge"]).capitalize(), f"{detail['stance']} ({clause})")
        lines += _field("", reason.finding)
    if not facts.base_is_teacher and facts.base is None:
        lines += _field("Weights", "no edge: the student starts from scratch")
    if decision.obligations:
        lines += ["", "What you must do"]
    for due in decision.obligations:
        lines += _item(f"{due.text} [{due.kind}; {due.when}; {due.source}]")
    if verdict.outcome == "review":
        lines += ["", 'If you decide it yourself: --accept "who, and why" (recorded in the ledger).']
    read = sorted({str(r.detail["read_on"]) for r in verdict.reasons if r.detail["read_on"]})
    when = f"Terms as read on {', '.join(read)}. " if read else ""
    return "\n".join([*lines, "", f"{when}A reading of published text, not legal advice."])


def _channel_text(facts: Facts) -> str:
    return SELF_HOSTED if facts.channel == SELF_HOSTED else f"reached through {facts.channel}"


def _base_text(facts: Facts) -> str:
    if facts.base_is_teacher:
        return "its weights start from the teacher's"
    return f"its weights start from {facts.base.subject}" if facts.base else "made from scratch"


def _field(label: str, text: str) -> list[str]:
    return textwrap.wrap(
        text,
        _WIDTH,
        initial_indent=f"  {label:<9} ",
        subsequent_indent=" " * 12,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _item(text: str) -> list[str]:
    return textwrap.wrap(
        text,
        _WIDTH,
        initial_indent="  - ",
        subsequent_indent="    ",
        break_long_words=False,
        break_on_hyphens=False,
    )
