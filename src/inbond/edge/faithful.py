"""Does an exported file say what the student says? Compared along the file's own greedy answers.

Legend: T answer tokens, V vocabulary, K told alternatives. The file tells its K likeliest tokens, so KL is
over those and the rest as one event: a lower bound of the full one (losses.targets.TopK).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, final

import torch
from torch import Tensor

from inbond.edge.runner import Runner, Steps
from inbond.errors import DeniedError

TOLD: Final = 64
TIE: Final = 0.1
"""Nats within which the student itself hardly prefers one token to another."""
_FLOOR: Final = 1e-9


@final
@dataclass(frozen=True)
class Limit:
    """What a file of a type must hold: share of tokens chosen alike (ties too), nats a token."""

    agreement: float
    kl: float


LIMITS: Final[Mapping[str, Limit]] = {
    "f16": Limit(0.98, 0.005),
    "q8_0": Limit(0.95, 0.02),
    "q4_1": Limit(0.7, 0.4),
    "q4_0": Limit(0.65, 0.5),
    "onnx": Limit(0.99, 0.001),
}
"""From what was measured with a small student (docs/LOG.md), where four bits cost most."""


@final
@dataclass(frozen=True)
class Faithfulness:
    """Over T answer tokens: ``agreement`` the share where the file chose the student's likeliest token,
    ``alike`` that and where the student gives the chosen one as good as the same odds (``TIE``),
    KL(student || file) in nats a token over the told tokens and the rest."""

    agreement: float
    alike: float
    kl: float
    tokens: int
    texts: int


@torch.inference_mode()
def compare(
    runner: Runner,
    model: Any,
    prompts: Sequence[Sequence[int]],
    tokens: int,
    on_progress: Callable[[int, int], None],
) -> Faithfulness:
    """Lets the file answer every prompt with up to ``tokens`` tokens, and asks the student about each.

    Raises InputError as ``Runner`` does.
    """
    agreed: list[bool] = []
    alike: list[bool] = []
    kls: list[float] = []
    for done, prompt in enumerate(prompts, 1):
        steps = runner.steps(prompt, tokens, TOLD)
        ids_BT = torch.tensor([[*prompt, *steps.ids[:-1]]], device=model.device)
        logp_TV = model(input_ids=ids_BT).logits[0, len(prompt) - 1 :].double().log_softmax(1).cpu()
        chosen_T = logp_TV.gather(1, torch.tensor(steps.ids).unsqueeze(1)).squeeze(1)
        agreed += (logp_TV.argmax(1) == torch.tensor(steps.ids)).tolist()
        alike += (logp_TV.amax(1) - chosen_T <= TIE).tolist()
        kls += _divergences(logp_TV, steps)
        on_progress(done, len(prompts))
    return Faithfulness(_mean(agreed), _mean(alike), _mean(kls), len(agreed), len(prompts))


def _mean(values: Sequence[float]) -> float:
    return sum(values) / max(1, len(values))


def _divergences(logp_TV: Tensor, steps: Steps) -> list[float]:
    """KL at each token of which something was told."""
    found = []
    for logp_V, told in zip(logp_TV, steps.top, strict=True):
        if not told:
            continue
        ids, values = zip(*told, strict=True)
        p_K, logq_K = logp_V[list(ids)].exp(), torch.tensor(values, dtype=torch.float64)
        p_rest, q_rest = (max(_FLOOR, 1.0 - float(x.sum())) for x in (p_K, logq_K.exp()))
        kept = float((p_K * (p_K.log() - logq_K)).sum())
        found.append(kept + p_rest * (math.log(p_rest) - math.log(q_rest)))
    return found


def check(found: Faithfulness, kind: str) -> None:
    """Raises DeniedError when a file of this type is not faithful enough to be handed out."""
    limit = LIMITS[kind]
    if found.alike >= limit.agreement and found.kl <= limit.kl:
        return
    raise DeniedError(
        expected=f"a {kind} file that chooses the student's token in at least {limit.agreement:.0%} of "
        f"cases, at most {limit.kl:g} nats off",
        found=f"{found.alike:.1%}, {found.kl:.4f} nats, over {found.tokens} tokens",
        fix="export a wider type (q8_0 beside four bits), or train the student longer; nothing was written",
    )


def check_tokens(runner: Runner, encode: Callable[[str], Sequence[int]], texts: Sequence[str]) -> int:
    """How many texts the file's tokenizer and the student's were compared on. Raises DeniedError where they
    differ."""
    compared = 0
    for text in texts:
        ids = runner.tokenize(text)
        if ids is None:
            return 0
        compared += 1
        if list(ids) != list(encode(text)):
            raise DeniedError(
                expected="the file's tokenizer to cut text as the student's does",
                found=f"{text!r:.80}: {list(ids)[:12]} and not {list(encode(text))[:12]}",
                fix="this is a fault of ours: please report it with the name of the teacher",
            )
    return compared
