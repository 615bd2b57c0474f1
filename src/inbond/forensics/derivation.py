"""Do one model's weights come from another's? By the order of its neurons, which training keeps and chance
does not.

In a layer's MLP neurons may stand in any order: two models that began apart have theirs in orders that have
nothing to do with each other, however alike they learn to be. A child (trained on, pruned, its layers
dropped, quantised) keeps its parent's. So each neuron of the suspect is matched with its likest in the
parent's layer, and it is counted how often the next neuron's match stands further down: that number's law
among random orders is known exactly (Eulerian numbers). The idea of exchangeable copies is Zhu et al.,
arXiv:2502.12292; the statistic is ours. Where hidden widths differ neurons cannot be compared; the hidden
channels themselves, which may stand in any order too, still can, by what they hold of each token.

Pure. Legend: H hidden width, I neurons of a layer, V vocabulary.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, final

import numpy as np
import numpy.typing as npt

from inbond.digest import Digest
from inbond.errors import InputError
from inbond.forensics.exact import log10_fisher
from inbond.forensics.finding import Finding

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]

FEWEST: Final = 8
"""Matched neurons below which a layer says nothing."""
MOST: Final = 1536
"""Neurons of a suspect's layer that are looked at, evenly spaced where there are more (which ones does not
depend on what they hold); of the parent's layer all are."""
NEEDED: Final = 64
"""Matched neurons that are plenty: a child that keeps their order has p < 1e-80."""
_GLANCE: Final = 128
"""Neurons by which a layer is guessed."""
_NOTED: Final = -2.0
_LIMITS: Final = (
    "who puts neurons into another order on purpose changes nothing that a model says, and removes the trace",
    "a trace in the weights does not say who took them over, or whether that was allowed; it says nothing of "
    "training on what a model said",
)
_ASSUMPTIONS: Final = (
    "two models that began apart have their neurons in orders that were drawn apart: they did not begin from "
    "the same random numbers, and nobody sorted the neurons of both",
)


@final
@dataclass(frozen=True)
class Matrices:
    """What of a model's weights is compared: of each layer the rows of its neurons [I, H]; of the embedding a
    row for each hidden channel [H, V], None where it was not found."""

    name: str
    digest: Digest
    layers: tuple[Floats, ...]
    channels_HV: Floats | None


@final
@dataclass(frozen=True)
class Order:
    """How much of an order was kept: of ``looked`` neurons ``matched`` have a match that has them as its
    likest, ``rises`` of whose next ones stand further down."""

    looked: int
    matched: int
    rises: int
    log10_p: float


def matched(child_IH: Floats, parent_IH: Floats) -> Ints:
    """For each neuron of the child that is its match's own likest (by cosine), in the child's order, the
    place of that match in the parent."""
    return _mutual(_unit(child_IH) @ _unit(parent_IH).T)


def _mutual(likeness_II: Floats) -> Ints:
    forth, back = likeness_II.argmax(1), likeness_II.argmax(0)
    mutual = np.flatnonzero(back[forth] == np.arange(len(forth)))
    places: Ints = forth[mutual].astype(np.int64)
    return places


def _unit(rows: Floats) -> Floats:
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    found: Floats = rows / np.maximum(norms, np.float32(1e-12))
    return found


def order_of(places: Ints, looked: int) -> Order:
    """The order that matches stand in."""
    rises = int((np.diff(places) > 0).sum()) if len(places) else 0
    return Order(looked, len(places), rises, log10_p_of_order(places))


def log10_p_of_order(places: Ints) -> float:
    """log10 of the chance that places in an order drawn by lot rise as often as these do."""
    if len(places) < FEWEST:
        return 0.0
    rises = int((np.diff(places) > 0).sum())
    return float(np.logaddexp.reduce(_rises(len(places))[rises:]) / math.log(10))


@lru_cache(maxsize=4)
def _rises(count: int) -> npt.NDArray[np.float64]:
    """Log-probabilities of 0..count-1 rises in a random order of ``count`` things: each new thing, put into
    one of n places, makes a rise or does not (Eulerian numbers by their recursion)."""
    logs = np.zeros(1)
    for n in range(2, count + 1):
        rises = np.arange(n)
        with np.errstate(divide="ignore"):
            stay = np.append(logs, -np.inf) + np.log(rises + 1)
            more = np.insert(logs, 0, -np.inf) + np.log(n - rises)
        logs = np.logaddexp(stay, more) - math.log(n)
    return logs


@final
@dataclass(frozen=True)
class Layers:
    """All layers of a child against all of a parent: of each the layer of the parent that it is likest to
    (None where its order is no likelier than by chance), and the order that was found there."""

    log10_p: float
    whose: tuple[int | None, ...]
    orders: tuple[Order, ...]


def quietly(done: int, total: int) -> None:
    """Progress that nobody watches."""


def of_layers(
    child: Sequence[Floats], parent: Sequence[Floats], on_progress: Callable[[int, int], None] = quietly
) -> Layers:
    """Which layer is whose is not known: one of the parent's is guessed for each of the child's, by a few
    neurons, and its p counts as many times as there are to guess from (Bonferroni over all of them, however
    it was guessed); the layers together by Fisher.

    Raises InputError where hidden widths differ: such neurons cannot be compared.
    """
    widths = {layer.shape[1] for layer in (*child, *parent)}
    if len(widths) > 1:
        raise InputError(
            expected="layers of one hidden width",
            found=f"hidden widths {', '.join(map(str, sorted(widths)))}",
            fix="compare the embeddings' channels instead",
        )
    units = [_unit(layer) for layer in parent]
    logs, whose, orders = list[float](), list[int | None](), list[Order]()
    for number, layer in enumerate(child, 1):
        rows = _unit(_spaced(layer))
        glance = rows[:: max(1, len(rows) // _GLANCE)]
        best = max(range(len(units)), key=lambda place: float((glance @ units[place].T).max(1).mean()))
        order = order_of(_mutual(rows @ units[best].T), len(rows))
        logs.append(min(0.0, order.log10_p + math.log10(len(units))))
        whose.append(best if logs[-1] < _NOTED else None)
        orders.append(order)
        on_progress(number, len(child))
    return Layers(log10_fisher(logs), tuple(whose), tuple(orders))


def _spaced(rows: Floats) -> Floats:
    return rows[:: -(-len(rows) // MOST)] if len(rows) > MOST else rows


def judge(child: Matrices, parent: Matrices, on_progress: Callable[[int, int], None] = quietly) -> Finding:
    """The finding. Raises InputError where nothing of the two can be compared."""
    if not child.layers or not parent.layers:
        raise InputError(
            expected="the matrices of MLP layers in both models",
            found=f"none in {child.name if not child.layers else parent.name}",
            fix="only models whose MLP matrices are known by name and not packed can be compared",
        )
    if child.layers[0].shape[1] == parent.layers[0].shape[1]:
        found = of_layers(child.layers, parent.layers, on_progress)
        kept = sum(place is not None for place in found.whose)
        return _finding(
            child, parent, found.log10_p, found.orders, "matched neurons", "neurons of MLP layers",
            {"layers": float(len(child.layers)), "layers_matched": float(kept)},
            {"whose": list(found.whose)},
        )  # fmt: skip
    return _by_channels(child, parent)


def _by_channels(child: Matrices, parent: Matrices) -> Finding:
    mine, theirs = child.channels_HV, parent.channels_HV
    if mine is None or theirs is None or mine.shape[1] != theirs.shape[1]:
        raise InputError(
            expected="one hidden width in both models, or embeddings of one vocabulary",
            found=f"hidden widths {child.layers[0].shape[1]} and {parent.layers[0].shape[1]}, and embeddings "
            f"of {_rows(mine)} and {_rows(theirs)}",
            fix="neither neurons nor channels can be compared; test what the suspect says instead",
        )
    order = order_of(matched(_centred(mine), _centred(theirs)), len(mine))
    return _finding(
        child, parent, order.log10_p, (order,), "matched channels", "hidden channels of the embedding",
        {"hidden": float(len(mine)), "hidden_parent": float(len(theirs))}, {"by": "channels"},
    )  # fmt: skip


def _rows(channels_HV: Floats | None) -> str:
    return "no tokens" if channels_HV is None else f"{channels_HV.shape[1]:,} tokens"


def _centred(channels_HV: Floats) -> Floats:
    """Each channel about its mean: a channel that is large for every token is like all others that are."""
    found: Floats = channels_HV - channels_HV.mean(1, keepdims=True)
    return found


def _finding(
    child: Matrices,
    parent: Matrices,
    log10_p: float,
    orders: Sequence[Order],
    unit: str,
    what: str,
    statistic: dict[str, float],
    facts: dict[str, object],
) -> Finding:
    looked, matches = sum(one.looked for one in orders), sum(one.matched for one in orders)
    steps = sum(max(0, one.matched - 1) for one in orders)
    rises = sum(one.rises for one in orders)
    return Finding(
        test="weight-derivation",
        question=f"weights of the suspect were taken over from {parent.name}",
        null=f"the two models began apart; then the {what} stand in orders that have nothing to do with each "
        "other, however alike they learnt to be",
        statistic={
            "matched": matches / looked if looked else 0.0,
            "in_order": rises / steps if steps else 0.0,
            **statistic,
        },
        log10_p=log10_p,
        size=matches,
        unit=unit,
        needed=NEEDED,
        effect="an order that was kept",
        assumptions=_ASSUMPTIONS,
        limits=_LIMITS,
        facts={
            "child": child.digest,
            "parent": parent.digest,
            "orders": [[one.looked, one.matched, one.rises] for one in orders],
            **facts,
        },
        about={"kind": "model", "name": parent.name, "id": parent.digest},
    )
