"""The stage ``pairs``: chosen and rejected answers to the prompts that a run learns from.

Where they come from is a ``Source`` (``revision``, ``comparing``, ``preference_source``); which are kept is
``engine.preferences``, the same for all. ``data/pairs`` is a record set: of each pair i, row 2i is the chosen
answer and row 2i + 1 the rejected one. Their parents say who wrote, judged and rewrote them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, final

from inbond.digest import Digest
from inbond.engine import preferences
from inbond.engine.preferences import Preferred, Rules
from inbond.errors import InputError
from inbond.ledger.manifest import Identity
from inbond.ledger.records import Row, write_rows
from inbond.recipes.answers import Datasets
from inbond.recipes.planned import Planned
from inbond.recipes.sections.preferences import Preferences
from inbond.recipes.trail import Artifact, Made, Trail

PAIRS_VERSION = 1
PAIRS = "data/pairs"


@final
@dataclass(frozen=True)
class Candidate:
    """A pair before the rules: rows whose parents are row numbers among the source's sets."""

    chosen: Row
    rejected: Row
    margin: float = 1.0

    @property
    def preferred(self) -> Preferred:
        return Preferred(
            self.chosen.record.prompt, self.chosen.record.completion, self.rejected.record.completion,
            self.margin,
        )  # fmt: skip


@final
@dataclass(frozen=True)
class Gathered:
    """A source's pairs, and by reason how much came to none."""

    pairs: tuple[Candidate, ...]
    without: Mapping[str, int] = field(default_factory=dict)


@final
@dataclass(frozen=True)
class Source:
    """Where pairs come from. ``sets`` are the record sets that their rows descend from, by what the source
    calls them, in the order of row numbers; ``config`` is what else decides them. ``gather`` is called only
    when the pairs are made."""

    config: Mapping[str, Any]
    sets: Mapping[str, Artifact]
    gather: Callable[[], Gathered]


@final
@dataclass(frozen=True)
class Setting:
    """What every source works with. ``terms`` is the digest of the facts that the teacher was allowed by,
    ``judges`` that of each judge's by name, ``folder`` where the recipe's relative paths start."""

    trail: Trail
    plan: Planned
    data: Datasets
    terms: Digest
    judges: Mapping[str, Digest]
    folder: Path

    @property
    def section(self) -> Preferences:
        """The recipe's, which a run without preferences never asks for."""
        section = self.plan.recipe.preferences
        assert section is not None, "asked for only where there is one"
        return section


def prefer(setting: Setting) -> Artifact | None:
    """The run's pairs; None where its recipe has no preferences. Raises InputError when no pair is left."""
    if setting.plan.recipe.preferences is None:
        return None
    if setting.plan.recipe.train.dpo is None:
        setting.trail.watcher.say("pairs: kept; nothing is learnt from them without train.dpo")
    source = _source(setting)
    rules = rules_of(setting.section)
    weigh = setting.section.weigh
    config = {"source": setting.section.source, **source.config, "rules": rules.to_json(), "weigh": weigh}
    inputs = {name: artifact.id for name, artifact in source.sets.items()}
    identity = Identity("pairs", PAIRS_VERSION, config, inputs)

    def make(folder: Path) -> Made:
        found = source.gather()
        kept = preferences.choose([pair.preferred for pair in found.pairs], rules)
        if not kept.rows:
            raise _none_left(found, kept.dropped)
        pairs = [found.pairs[number] for number in kept.rows]
        rows = [
            replace(row, weight=pair.margin if weigh else 1.0)
            for pair in pairs
            for row in (pair.chosen, pair.rejected)
        ]
        facts = {
            **kept.to_json(),
            "without": dict(found.without),
            "margin": round(sum(pair.margin for pair in pairs) / len(pairs), 4),
            "parents": list(inputs.values()),
            "rows": len(rows),
        }
        return Made(facts, write_rows(folder, rows))

    return setting.trail.stage("pairs", PAIRS, identity, make)


def rules_of(section: Preferences) -> Rules:
    """Which pairs are kept, as the recipe says."""
    return Rules(section.margin_least, section.most_length_ratio, section.balance)


def _source(setting: Setting) -> Source:
    """Imported here: each is of use to one kind of recipe alone, and needs this module."""
    match setting.section.source:
        case "revision":
            from inbond.recipes.revision import revised

            return revised(setting)
        case "judges":
            from inbond.recipes.comparing import compared

            return compared(setting)
        case "file":
            from inbond.recipes.preference_source import from_file

            return from_file(setting)
        case "verified":
            from inbond.recipes.verified_pairs import from_verdicts

            return from_verdicts(setting)


def _none_left(found: Gathered, dropped: Mapping[str, int]) -> InputError:
    without = [f"{count:,} {reason}" for reason, count in found.without.items()]
    left_out = [preferences.in_words(dropped)] if dropped else []
    return InputError(
        expected="at least one pair of a chosen and a rejected answer to learn from",
        found=f"none of {len(found.pairs):,} pairs kept; " + "; ".join([*without, *left_out]),
        fix="add prompts or samples, choose other judges or principles, or loosen preferences.margin_least, "
        "most_length_ratio and balance",
    )
