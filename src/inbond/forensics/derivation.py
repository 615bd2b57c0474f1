"""Do one model's weights come from another's? By the order of its neurons, which training keeps and chance
does not.

In a layer's MLP neurons may stand in any order: two models that began apart have theirs in orders that have
nothing to do with each other, however alike they learn to be. A child (trained on, pruned, its layers
dropped, quantised) keeps its parent's. So each neuron of the suspect is matched with its likest in the
parent's layer, and it is counted how often the next neuron's match stands further down: that number's law
among random orders is known exactly (Eulerian numbers). The idea of exchangeable copies is Zhu et al.,
arXiv:2502.12292; the statistic is ours.

Pure. Legend: H hidden width, I neurons of a layer.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from inbond.forensics.exact import log10_fisher

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]

FEWEST = 8
"""Matched neurons below which a layer says nothing."""


def matched(child_IH: Floats, parent_IH: Floats) -> Ints:
    """For each neuron of the child that is its match's own likest (by cosine), in the child's order, the
    place of that match in the parent."""
    likeness_II = _unit(child_IH) @ _unit(parent_IH).T
    forth, back = likeness_II.argmax(1), likeness_II.argmax(0)
    mutual = np.flatnonzero(back[forth] == np.arange(len(forth)))
    places: Ints = forth[mutual].astype(np.int64)
    return places


def _unit(rows: Floats) -> Floats:
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    found: Floats = rows / np.maximum(norms, np.float32(1e-12))
    return found


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


def log10_p_of_layers(child: Sequence[Floats], parent: Sequence[Floats]) -> tuple[float, list[int | None]]:
    """(log10 p over all layers, for each layer of the child the parent's it is likest to, None where none
    is).

    Which layer is whose is not known: each of the child's is held against all of the parent's, and its best p
    counts so many times as there are (Bonferroni); the layers together by Fisher. Raises ValueError where
    hidden widths differ: such neurons cannot be compared.
    """
    widths = {layer.shape[1] for layer in (*child, *parent)}
    if len(widths) > 1:
        raise ValueError(f"hidden widths {sorted(widths)}")
    logs, whose = [], list[int | None]()
    for layer in child:
        each = [log10_p_of_order(matched(layer, other)) for other in parent]
        best = min(range(len(each)), key=each.__getitem__)
        logs.append(min(0.0, each[best] + math.log10(len(each))))
        whose.append(best if logs[-1] < -2 else None)
    return log10_fisher(logs), whose
