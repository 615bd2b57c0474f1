"""What came of a run's preferences, for its result and its report."""

from __future__ import annotations

from typing import Any

from inbond.engine import preferences
from inbond.recipes.trail import Artifact
from inbond.report.data import PreferenceFacts

_SOURCES = {
    "judges": "samples that judges compared",
    "revision": "answers and their revisions",
    "verified": "answers that a verifier passed before those that it failed",
    "file": "out of a file",
}


def told(pairs: Artifact) -> dict[str, Any]:
    """What came of the recipe's preferences: pairs, what was dropped and why, lengths in characters."""
    facts = pairs.facts
    return {
        "source": pairs.manifest.identity.config["source"],
        "pairs": facts["kept"],
        "dropped": facts["dropped"],
        "without": facts["without"],
        "margin": facts["margin"],
        "lengths": facts["lengths"],
    }


def facts(pairs: Artifact) -> PreferenceFacts:
    """The same for the report, its reasons in words."""
    found = told(pairs)
    after = found["lengths"]["after"]
    dropped = {preferences.REASONS.get(reason, reason): n for reason, n in found["dropped"].items()}
    return PreferenceFacts(
        _SOURCES[found["source"]],
        found["pairs"],
        after["chosen"],
        after["rejected"],
        after["longer"],
        {**found["without"], **dropped},
    )
