"""Was a model trained on marked text? Its own choices are green more often than chance has it (radioactivity:
Sander et al., arXiv:2402.14904). Pure: what the suspect says, or would say next, is given.

**Open** (its logits are at hand): texts are read, and at each place the token that the suspect finds
likeliest is looked at, not the one that stands there. A place counts where its window is read for the first
time: what the suspect has been shown by then does not depend on which tokens are green after this window, so
that each counted place is green with chance gamma unless the suspect learnt from text with this key.
**Closed** (only its texts are): each different pair of window and token that it wrote, and that no prompt of
it held, counts once.

Where the marked records are at hand, only windows that occur in them count: nothing could be learnt of
others.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass
from typing import Final

from inbond.forensics.exact import interval, log10_upper_tail, trials_needed
from inbond.forensics.finding import ALPHA, Finding
from inbond.forensics.green import GreenKey, Tally, pairs_of

Window = tuple[int, ...]

GAIN: Final = 0.05
"""The rise of the green share that a test must be able to see before it may say "no evidence"."""

NULL: Final = (
    "the suspect was made without any text marked with this key; then each counted pair is green with chance "
    "{gamma:g}, whatever the suspect and the texts"
)
_ASSUMPTIONS = (
    "the key was secret, and was used for these records alone",
    "the suspect's tokens are those of the key's tokenizer, or its texts were cut by that tokenizer",
)
_LIMITS = (
    "paraphrasing marked text, or learning little of it, removes the trace: no evidence is not absence",
    "a trace says that marked text was learnt from, not by whom, on which way, or whether that was allowed",
    "who trained on other text that the same key marked leaves the same trace",
)


_CLOSED_LIMITS = (
    "texts that the marked model wrote itself, or that quote marked text, show the mark without any training",
)


@dataclass(frozen=True)
class Read:
    """A text as the key's tokenizer cuts it, and from ``first`` on what the suspect finds likeliest
    (``likeliest[i]`` stands where ``ids[first + i]`` does)."""

    ids: Sequence[int]
    first: int
    likeliest: Sequence[int]


@dataclass(frozen=True)
class Written:
    """A text of the suspect's own, as the key's tokenizer cuts it, and the prompt that it answers."""

    ids: Sequence[int]
    prompt: Sequence[int] = ()


def windows_of(key: GreenKey, texts: Iterable[Sequence[int]]) -> set[Window]:
    """All windows that a token follows in marked records."""
    return {window for ids in texts for window, _ in pairs_of(ids, key.window, 0)}


def tally_open(key: GreenKey, texts: Iterable[Read], known: Set[Window] | None = None) -> Tally:
    """Counts the suspect's likeliest tokens; ``known``: the windows of the marked records, if at hand."""
    met: set[Window] = set()
    pairs = green = 0
    for text in texts:
        for place in range(key.window, len(text.ids)):
            window = tuple(text.ids[place - key.window : place])
            if window in met:
                continue
            met.add(window)
            if place < text.first or (known is not None and window not in known):
                continue
            pairs += 1
            green += key.is_green(window, text.likeliest[place - text.first])
    return Tally(pairs, green)


def tally_closed(key: GreenKey, texts: Iterable[Written], known: Set[Window] | None = None) -> Tally:
    """Counts the suspect's own pairs; those of any prompt are left out, wherever they come."""
    texts = list(texts)
    shown = {pair for text in texts for pair in pairs_of(text.prompt, key.window, 0)}
    own = dict.fromkeys(pair for text in texts for pair in pairs_of(text.ids, key.window, 0))
    counted = [pair for pair in own if pair not in shown and (known is None or pair[0] in known)]
    return Tally(len(counted), sum(key.is_green(window, token) for window, token in counted))


def judge(key: GreenKey, tally: Tally, *, access: str, with_records: bool, alpha: float = ALPHA) -> Finding:
    """The finding. ``access`` is open or closed."""
    low, high = interval(tally.green, tally.pairs)
    shares = {"green": tally.share} if tally.pairs else {}
    return Finding(
        test="radioactivity",
        question=f"the suspect learnt from text marked with {key.id[:19]}",
        null=NULL.format(gamma=key.gamma),
        statistic={**shares, "low": low, "high": high, "gamma": key.gamma},
        log10_p=log10_upper_tail(tally.green, tally.pairs, key.gamma),
        size=tally.pairs,
        unit="different windows" if access == "open" else "different pairs of window and token",
        needed=trials_needed(key.gamma, min(key.gamma + GAIN, (1 + key.gamma) / 2), alpha),
        effect=f"{GAIN:.0%} more green tokens",
        assumptions=_ASSUMPTIONS,
        limits=_LIMITS if access == "open" else _LIMITS + _CLOSED_LIMITS,
        facts={
            "key": key.id,
            "access": access,
            "records": with_records,
            "pairs": tally.pairs,
            "green": tally.green,
            "gamma": key.gamma,
        },
        about={"kind": "mark", "id": key.id},
    )
