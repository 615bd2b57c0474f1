"""``inbond check``: may this distillation be done, and what follows from it?"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from inbond.cli.advising import Advice, advice_lines, read_advice
from inbond.cli.checking_stages import check_stages
from inbond.cli.output import HomeOption, JsonOption, Output, QuietOption, open_workspace
from inbond.errors import InputError
from inbond.policy import gate
from inbond.policy.decide import Decision, decide
from inbond.policy.facts import SELF_HOSTED, Facts, plan_words
from inbond.policy.terms import Catalogue
from inbond.recipes.options import PlanOptions, read_options

_EXIT = {"permit": 0, "permit-with-obligations": 0, "review": 3, "deny": 4}
_HEADLINE = {
    "permit": "PERMITTED",
    "permit-with-obligations": "PERMITTED, WITH OBLIGATIONS",
    "review": "A PERSON MUST DECIDE",
    "deny": "DENIED",
}
_NOT_KEPT = "; AS PLANNED, NOT ALL ARE KEPT"
_WIDTH = 96
_ALWAYS = frozenset({"accept", "advice", "home", "as_json", "quiet"})
_WITH_RECIPE = _ALWAYS | {"recipe", "changes"}


def check(
    context: typer.Context,
    recipe: Annotated[
        str | None, typer.Argument(help="A recipe file or the name of a built-in one; or give --teacher.")
    ] = None,
    changes: Annotated[
        list[str] | None,
        typer.Option("--set", help="Change a field of the recipe: --set purpose.use=research. Repeatable."),
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
    kind: Annotated[str, typer.Option(help="The student: general, classifier or embedding.")] = "general",
    name: Annotated[str | None, typer.Option(help="The name it is handed out under.")] = None,
    domain: Annotated[
        list[str] | None, typer.Option(help="A field of use, such as medical. May be repeated.")
    ] = None,
    competes: Annotated[
        str, typer.Option(help="Does the student compete with its teacher's provider? yes, no or unknown.")
    ] = "unknown",
    mau: Annotated[float | None, typer.Option(help="Your monthly active users today.")] = None,
    revenue: Annotated[float | None, typer.Option(help="Your revenue in US dollars a year.")] = None,
    territory: Annotated[
        str | None, typer.Option(help="Where you are based (domicile, principal place of business): JP, DE.")
    ] = None,
    on: Annotated[
        str | None, typer.Option("--date", help="The plan's date, YYYY-MM-DD. Default: now.")
    ] = None,
    agreement: Annotated[
        list[Path] | None,
        typer.Option(help="A file that describes a written agreement with the other side. May be repeated."),
    ] = None,
    accept: Annotated[
        str | None, typer.Option(help="Take a review upon yourself, with a reason; it is recorded.")
    ] = None,
    advice: Annotated[
        str | None,
        typer.Option(
            metavar="SESSION", help="Show what a roundtable found beside the verdict, which it never changes."
        ),
    ] = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> int:
    """Judge a plan before anything is made or paid for: both edges, weights and outputs.

    Exit code 0: permitted; 3: a person must decide; 4: denied. Nothing is asked of any network.

    Examples: inbond check demo; inbond check --teacher hf:HuggingFaceTB/SmolLM2-135M-Instruct
    """
    from inbond.recipes.pipeline import Pipeline, load
    from inbond.recipes.plan import facts_of, my_library, plan_of

    _check_alone(context, recipe, teacher)
    if recipe is not None:
        loaded, folder = load(recipe, tuple(changes or ()))
        if isinstance(loaded, Pipeline):
            return _EXIT[check_stages(loaded, folder, open_workspace(home), Output(as_json, quiet), accept)]
        plan = plan_of(loaded, folder)
    else:
        assert teacher is not None, "one of the two is given"
        options = PlanOptions(
            teacher, channel, base, data or (), use, release, kind, name, domain or (), competes, mau,
            revenue, territory, on, agreement or (),
        )  # fmt: skip
        plan = read_options(options)
    known = my_library()
    workspace = open_workspace(home)
    facts = facts_of(plan, workspace, known)
    heard = None if advice is None else read_advice(advice, workspace)
    return check_facts(facts, known.terms, Output(as_json, quiet), home, accept, heard)


def _check_alone(context: typer.Context, recipe: str | None, teacher: str | None) -> None:
    """Raises InputError unless there is a recipe or a plan, and nothing that the other alone would read."""
    if (recipe is None) == (teacher is None):
        raise InputError(
            expected="a recipe, or a plan that starts with --teacher",
            found="both" if recipe else "neither",
            fix="for example inbond check demo",
        )
    sources = ((each, context.get_parameter_source(each.name or "")) for each in context.command.params)
    given = {each.name: each.opts[0] for each, source in sources if source and source.name != "DEFAULT"}
    stray = [option for name, option in given.items() if name not in _WITH_RECIPE]
    if recipe is not None and stray:
        raise InputError(
            expected="the plan to be the recipe's own",
            found=f"{', '.join(stray)} beside the recipe",
            fix="change the recipe's field instead, such as --set purpose.use=research",
        )
    if recipe is None and "changes" in given:
        raise InputError(
            expected="--set with a recipe",
            found="--set with --teacher",
            fix="say it by its own option; inbond check --help lists them",
        )


def check_facts(
    facts: Facts,
    catalogue: Catalogue,
    out: Output,
    home: Path | None,
    accept: str | None,
    advice: Advice | None = None,
) -> int:
    """Judges, prints, records an acceptance if there is one, and returns the exit code. A decision under
    a written agreement is recorded too. ``advice`` is shown and recorded beside it, and decides nothing."""
    decision = decide(facts, catalogue)
    value, text = decision.to_json(), render(facts, decision)
    if advice is not None:
        value["reasons"].append(advice.reason.to_json())
        text += "\n" + "\n".join(advice_lines(advice.reason, _WIDTH))
    body = gate.decided(facts, decision) | ({} if advice is None else {"advice": dict(advice.kept)})
    code = _EXIT[decision.verdict.outcome]
    if accept is not None and decision.verdict.outcome == "review":
        value["accepted"] = _record_acceptance(body, decision, accept, home)
        text += f'\n\nAccepted and recorded in the ledger: "{accept.strip()}"'
        code = 0
    elif accept is not None and decision.verdict.outcome == "deny":
        text += "\n\nA denial cannot be accepted away: it takes a written agreement with the other side."
    elif any(reason.rule == "agreement" for reason in decision.verdict.reasons):
        value["event"] = _record(home, [(gate.DECIDED, body)])
        text += "\n\nRecorded in the ledger with the agreement."
    out.result(value, text)
    return code


def _record_acceptance(
    decided: dict[str, Any], decision: Decision, reason: str, home: Path | None
) -> dict[str, Any]:
    body = gate.accepted(decision, reason)
    event = _record(home, [(gate.DECIDED, decided), (gate.ACCEPTED, body)])
    return {"reason": body["reason"], "event": event}


def _record(home: Path | None, bodies: Sequence[tuple[str, dict[str, Any]]]) -> str:
    """Signs events into the ledger; the digest of the last."""
    from inbond.ledger.attest import KeyStore
    from inbond.ledger.ledger import Ledger

    with Ledger.open(open_workspace(home), KeyStore.default()) as ledger:
        return ledger.record_many(list(bodies))[-1].digest


# For a person ---------------------------------------------------------------------------------------


def render(facts: Facts, decision: Decision) -> str:
    """The verdict as plain text: outcome, why on each edge, what to do, what is missing."""
    verdict = decision.verdict
    lines = [_HEADLINE[verdict.outcome] + (_NOT_KEPT if _breaks_one(decision) else ""), ""]
    lines += _field("Teacher", f"{facts.teacher}, {_channel_text(facts)}")
    lines += _field("Student", f"{facts.name or 'not named yet'}, {_base_text(facts)}")
    lines += _field("Plan", plan_words(facts.use, facts.release))
    lines += ["", "Why"]
    for reason in verdict.reasons:
        detail = reason.detail
        clause = f"{reason.source} {detail['clause']}" if detail["clause"] else reason.source
        lines += _field(str(detail["edge"]).capitalize(), f"{detail['stance']} ({clause})")
        lines += _field("", reason.finding)
    if not facts.base_is_teacher and facts.base is None:
        lines += _field("Weights", "no edge: the student starts from scratch")
    lines += _duties(decision)
    if verdict.outcome == "review":
        lines += ["", 'If you decide it yourself: --accept "who, and why" (recorded in the ledger).']
    read = sorted({str(r.detail["read_on"]) for r in verdict.reasons if r.detail["read_on"]})
    when = f"Terms as read on {', '.join(read)}. " if read else ""
    return "\n".join([*lines, "", f"{when}A reading of published text, not legal advice."])


def _breaks_one(decision: Decision) -> bool:
    """Whether the plan is allowed once it is changed: a name that has to begin otherwise."""
    return decision.verdict.outcome == "permit-with-obligations" and bool(decision.missing)


def _duties(decision: Decision) -> list[str]:
    """What to do; under a denial there is nothing to be kept."""
    heading = "What you would have to do" if decision.verdict.outcome == "review" else "What you must do"
    if not decision.obligations or decision.verdict.outcome == "deny":
        return []
    alike: dict[tuple[str, str, str, str], list[str]] = {}
    for due in decision.obligations:
        alike.setdefault((due.text, due.kind, due.when, due.source), []).append(due.because)
    items = (
        _item(f"{text} [{kind}; {when}; {source}, for {', '.join(dict.fromkeys(because))}]")
        for (text, kind, when, source), because in alike.items()
    )
    return ["", heading, *(line for item in items for line in item)]


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
