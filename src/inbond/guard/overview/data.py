"""What the report says, as the objects that --json prints. Pure."""

from __future__ import annotations

from typing import Any

from inbond.guard.appeals import case_of
from inbond.guard.detect.judge import FDR
from inbond.guard.overview.cases import appeal_json
from inbond.guard.overview.groups import of_interest
from inbond.guard.overview.numbers import Sources
from inbond.guard.overview.sightings import resembling
from inbond.report.guard_view import View


def report_json(sources: Sources, shown: View) -> dict[str, Any]:
    """All accounts that there is anything to say of, not cut; or the one asked about, with its history."""
    names = {*sources.standing, *sources.cases} if sources.only is None else {sources.only}
    told = sorted(name for name in names if sources.matters(name) or name == sources.only)
    return {
        "sentence": shown.sentence,
        "as_of": shown.as_of,
        **shown.counts,
        "false_discovery_rate": float(FDR),
        "by_tenant": {
            each.name: {
                "accounts": each.accounts,
                "requests": each.requests,
                "tier": each.tier,
                "past_tier_0": each.past,
                "suspended": each.suspended,
            }
            for each in shown.tenants
        },
        "standing": {name: _standing(sources, name) for name in told},
        "clusters": [each.to_json() for each in of_interest(sources)],
        "sightings": [each.to_json() for each in resembling(sources.sighted, sources.now, sources.only)],
        "history": list(sources.judged) if sources.only is not None else [],
    }


def _standing(sources: Sources, name: str) -> dict[str, Any]:
    kept, ceiling = sources.standing.get(name, {}), sources.ceiling(name)
    return {
        "tier": sources.tier(name),
        "enforced": sources.enforced(name),
        "suspended": sources.suspended(name),
        "since": kept.get("since"),
        "window": kept.get("window"),
        "verdict": kept.get("verdict"),
        "lifted_until": ceiling.until.isoformat() if ceiling is not None else None,
        "appeals": [appeal_json(each) for each in case_of(sources.cases, name).appeals],
    }
