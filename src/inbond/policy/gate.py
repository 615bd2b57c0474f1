"""What the gate writes into the ledger: the bodies of ``gate.decided`` and ``gate.accepted``.

Pure. Recipes and ``inbond check --accept`` record them, so both say the same thing.
"""

from __future__ import annotations

from typing import Any, Final

from inbond.digest import Digest, of_value
from inbond.errors import InputError
from inbond.policy.decide import Decision
from inbond.policy.facts import Facts

DECIDED: Final = "gate.decided"
ACCEPTED: Final = "gate.accepted"


def decided(facts: Facts, decision: Decision) -> dict[str, Any]:
    """The whole question and the whole answer: whoever reads the ledger can judge it again."""
    return {
        "question": f"May a student be made from {facts.teacher} as planned?",
        "plan": facts.to_json(),
        "verdict": decision.to_json(),
    }


def accepted(decision: Decision, reason: str) -> dict[str, Any]:
    """A person takes a review upon themselves. Raises InputError when they give no reason.

    Only a review can be accepted: a denial is lifted by a written agreement, not by a reason.
    """
    assert decision.verdict.outcome == "review", "only a review can be accepted"
    given = reason_given(reason, "accepting what the gate could not decide")
    return {
        "facts": decision.verdict.facts,
        "findings": findings(decision),
        "outcome": "review",
        "reason": given,
    }


def findings(decision: Decision) -> Digest:
    """What a person accepts besides the facts: what was found, text by text."""
    return of_value([reason.to_json() for reason in decision.verdict.reasons])


def reason_given(reason: str, what: str, option: str = '--accept "REASON"') -> str:
    """A person's reason for ``what``, without spaces around it. Raises InputError when there is none."""
    if reason.strip():
        return reason.strip()
    raise InputError(
        expected=f"a reason for {what}",
        found="an empty one",
        fix=f"{option}: who decided, and why; it is recorded in the ledger",
    )
