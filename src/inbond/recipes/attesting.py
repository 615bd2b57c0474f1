"""The signed statements that go with a student: what it is, how it was made, what its gates said.

All are in-toto statements about the same files: every file of the student's folder but the statements
themselves. The student's own comes first (``ledger.attested.MODEL``); then one of SLSA provenance for the
run; then a Simple Verification Result for each gate. Such a result lists only what was passed: a verdict
that is a review, a fail or a cannot-tell lists nothing, and says what it is in the field ``inbond``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final
from urllib.parse import quote

from inbond import __version__
from inbond.digest import Digest, of_bytes
from inbond.ledger import envelope, events, manifest
from inbond.ledger.attested import MODEL, PROVENANCE, VERIFICATION
from inbond.ledger.envelope import digest_set, statement
from inbond.ledger.ledger import now
from inbond.ledger.manifest import Manifest
from inbond.policy import gate as policy_gate
from inbond.recipes import probing
from inbond.recipes.finished import Finished
from inbond.recipes.recipe import Recipe
from inbond.recipes.summary import without_items
from inbond.recipes.trail import Artifact
from inbond.teachers.opening import Weights

BUILD_TYPE: Final = "urn:inbond:recipe:1"
_BUILDER: Final = "urn:inbond:builder:local:1"
_URI_MARKS: Final = ":/?#[]@!$&'()*+,;=%"
_WITHHELD: Final = ("mau", "revenue_usd", "agreements")
_WITHHELD_OF_PROMPTS: Final = ("system", "template", "context")
_PASSES: Final = {
    "permit": "PERMITTED",
    "permit-with-obligations": "PERMITTED_WITH_OBLIGATIONS",
    "pass": "PASSED",
    "agree": "AGREED",
}


def attestation(finished: Finished, student: Manifest) -> bytes:
    """The student's statements, signed with the user's key, one envelope a line.

    ``student`` is the manifest about to be written. Raises as ``Ledger.seal``.
    """
    ledger = finished.trail.ledger
    files = {**student.files, manifest.NAME: student.digest}
    others = [
        ledger.seal(statement(files, PROVENANCE, provenance(finished))),
        *(ledger.seal(statement(files, VERIFICATION, found)) for found in verdicts(finished)),
    ]
    model = {
        "name": finished.recipe.name,
        "artifact": student.id,
        "created": now(),
        "inbond": __version__,
        "ledger": ledger.head().to_json(),
        "keys": [entry.to_json() for entry in ledger.introductions()],
        "statements": [of_bytes(each.payload) for each in others],
    }
    return envelope.encode([ledger.seal(statement(files, MODEL, model)), *others])


def provenance(finished: Finished) -> dict[str, Any]:
    """The predicate slsa.dev/provenance/v1 of the run. The recipe is what somebody outside decided; what is
    nobody else's business is withheld from it, and says so."""
    trail, recipe = finished.trail, finished.recipe
    return {
        "buildDefinition": {
            "buildType": BUILD_TYPE,
            "externalParameters": {"recipe": _shown(recipe)},
            "internalParameters": {},
            "resolvedDependencies": list(_dependencies(finished)),
        },
        "runDetails": {
            "builder": {"id": _BUILDER, "version": {"inbond": __version__}},
            "metadata": {"invocationId": f"{recipe.name}/{finished.trained.id}", "finishedOn": now()},
            "byproducts": [
                {
                    "name": f"{made.folder.relative_to(trail.workspace.home).as_posix()}/{manifest.NAME}",
                    "digest": digest_set(made.manifest.digest),
                    "annotations": {"stage": made.stage, "artifact": made.id},
                }
                for made in trail.artifacts
            ],
        },
    }


def _shown(recipe: Recipe) -> dict[str, Any]:
    """The recipe as a student's folder shows it to everybody: without the text of prompts, which can be
    erased, and without its maker's figures and agreements."""
    shown = without_items(recipe).model_dump(mode="json")
    _withhold(shown["purpose"], _WITHHELD)
    for prompts in (shown["prompts"], *(each["prompts"] for each in shown["teachers"])):
        _withhold(prompts or {}, _WITHHELD_OF_PROMPTS)
    return shown


def _withhold(part: dict[str, Any], names: Sequence[str]) -> None:
    part |= {name: "(not shown)" for name in names if part.get(name)}


def _dependencies(finished: Finished) -> Iterator[dict[str, Any]]:
    teacher = finished.teacher
    yield _model("teacher", str(teacher.name), teacher.weights) | {
        "annotations": {"channel": teacher.channel}
    }
    if finished.base is not None:
        yield _model("base", finished.base.name, finished.base)
    yield {"name": "prompts", "digest": digest_set(finished.answers.manifest.identity.inputs["prompts"])}
    for made in finished.data.further:
        yield from _further(made)


def _further(answers: Artifact) -> Iterator[dict[str, Any]]:
    """A further teacher, and what it was asked."""
    identity, number = answers.manifest.identity, answers.stage.rpartition(" ")[2]
    name, _, pin = str(identity.config["teacher"]).rpartition(" sha256:")
    teacher = {"name": f"teacher {number}", "uri": quote(name or pin, safe=_URI_MARKS)}
    yield teacher | ({"digest": {"sha256": pin}} if name else {})
    yield {"name": f"prompts {number}", "digest": digest_set(identity.inputs["prompts"])}


def _model(role: str, name: str, weights: Weights | None) -> dict[str, Any]:
    """A folder's digest is that of its files' digests, in canonical JSON."""
    return {
        "name": role,
        "uri": quote(name, safe=_URI_MARKS),
        **({"digest": digest_set(weights.digest)} if weights else {}),
    }


def verdicts(finished: Finished) -> Iterator[dict[str, Any]]:
    """The predicate in-toto.io/attestation/svr/v0.2 of each gate that judged the run."""
    decision, times = finished.decision, _times(finished)
    told = {**decision.to_json(), "accepted": finished.accepted}
    yield _result("policy", told, times[decision.verdict.facts])
    for gate in finished.gates:
        told = {**gate.verdict, "action": gate.action, "accepted": gate.accepted}
        yield _result(gate.name, told, times[finished.judged.manifest.digest])
    if finished.probe is not None:
        verdict = probing.read_verdict(finished.probe)
        told = {**verdict.to_json(), "accepted": probing.accepted(finished.trail, verdict)}
        yield _result("probe", told, times[finished.probe.manifest.digest])


def _result(gate: str, verdict: Mapping[str, Any], at: str) -> dict[str, Any]:
    passed = _PASSES.get(str(verdict["outcome"]))
    version, _, terms = str(verdict["decider"]).partition(", terms ")
    known = re.fullmatch(r"sha256:[0-9a-f]{64}", terms)
    policies = [{"name": "terms", "digest": digest_set(Digest(terms))}] if known else []
    return {
        "verifier": {"id": f"urn:inbond:verifier:{version.replace('/', ':')}", "policies": policies},
        "timeCreated": at,
        "properties": [f"INBOND_{gate.upper()}_{passed}"] if passed else [],
        "inbond": {"gate": gate, **verdict},
    }


def _times(finished: Finished) -> dict[Digest, str]:
    """When the run's policy verdict, by its facts, and its artifacts, by their manifests, were recorded."""
    times: dict[Digest, str] = {}
    for event in finished.trail.ledger.events():
        if event.body.get("run") != finished.recipe.name:
            continue
        if event.kind == policy_gate.DECIDED:
            times[event.body["verdict"]["facts"]] = event.at
        elif event.kind == events.STAGE_COMPLETED:
            times[event.body["manifest"]] = event.at
    return times
