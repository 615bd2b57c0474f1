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

from inbond.edge.runner import Alternatives, Runner
from inbond.errors import DeniedError

TOLD: Final = 64
TIE: Final = 0.1
"""Nats within which the student itself hardly prefers one token to another."""
_FLOOR: Final = 1e-9
_LEAST_LOGP: Final = -87.0
"""What float32 can still tell from nothing: runtimes say -inf or its lowest number below."""
_TOLD_SHARE: Final = 0.5
"""Share of tokens whose likelihoods must be told, for KL to mean anything."""
_TEXTS: Final = (
    "12 345,67 in 1999", "it's I'LL they've", "a\n\n\tb   c \n", "🙂👩‍👩‍👧 é e\u0301", "川は水の流れです。",
    "def f(x):\n    return x**2 # no", "Привет, мир! ¿Qué?",
)  # fmt: skip
"""Texts on which tokenizers differ where they differ at all."""


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
    told: int = 0
    """Tokens of whose likelihoods the file said something: KL is over these."""


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
    assert not model.training, "a student is compared as it answers"
    for done, prompt in enumerate(prompts, 1):
        steps = runner.steps(prompt, tokens, TOLD)
        if not steps.ids:
            continue  # nothing said is nothing to compare; a file that never says anything is refused
        ids_BT = torch.tensor([[*prompt, *steps.ids[:-1]]], device=model.device)
        logp_TV = model(input_ids=ids_BT).logits[0, len(prompt) - 1 :].double().log_softmax(1).cpu()
        chosen_T = logp_TV.gather(1, torch.tensor(steps.ids).unsqueeze(1)).squeeze(1)
        agreed += (logp_TV.argmax(1) == torch.tensor(steps.ids)).tolist()
        alike += (logp_TV.amax(1) - chosen_T <= TIE).tolist()
        kls += _divergences(logp_TV, steps.top)
        on_progress(done, len(prompts))
    return Faithfulness(_mean(agreed), _mean(alike), _mean(kls), len(agreed), len(prompts), len(kls))


@torch.inference_mode()
def compare_together(runner: Runner, model: Any, prompts: Sequence[Sequence[int]]) -> Faithfulness | None:
    """The same for the first token after each prompt, where all prompts are one batch filled up on the left
    and read in two parts. None where the runtime fills up no batch. Raises InputError as ``Runner``."""
    top = runner.together(prompts, TOLD)
    if top is None:
        return None
    last = [model(input_ids=torch.tensor([[*ids]], device=model.device)).logits[0, -1] for ids in prompts]
    logp_NV = torch.stack(last).double().log_softmax(1).cpu()
    first_N = torch.tensor([row[0][0] for row in top])
    chosen_N = logp_NV.gather(1, first_N.unsqueeze(1)).squeeze(1)
    agreed = (logp_NV.argmax(1) == first_N).tolist()
    alike = (logp_NV.amax(1) - chosen_N <= TIE).tolist()
    kls, count = _divergences(logp_NV, top), len(prompts)
    return Faithfulness(_mean(agreed), _mean(alike), _mean(kls), count, count, len(kls))


def _mean(values: Sequence[float]) -> float:
    return sum(values) / max(1, len(values))


def _divergences(logp_TV: Tensor, top: Sequence[Alternatives]) -> list[float]:
    """KL at each token of which something was told."""
    found = []
    for logp_V, told in zip(logp_TV, top, strict=True):
        if not told:
            continue
        ids, values = zip(*told, strict=True)
        logp_K = logp_V[list(ids)]
        p_K, logq_K = logp_K.exp(), torch.tensor(values, dtype=torch.float64).clamp_min(_LEAST_LOGP)
        p_rest, q_rest = (max(_FLOOR, 1.0 - float(x.sum())) for x in (p_K, logq_K.exp()))
        kept = float((p_K * (logp_K - logq_K)).sum())
        found.append(kept + p_rest * (math.log(p_rest) - math.log(q_rest)))
    return found


def check(found: Faithfulness, kind: str, *, fix: str = "") -> None:
    """Raises DeniedError when a file of this type is not faithful enough to be handed out. ``fix``: what to
    do, where more is known than the type."""
    limit = LIMITS[kind]
    known = found.tokens > 0 and found.told >= _TOLD_SHARE * found.tokens
    # Rounded up: of few tokens one may always be another.
    misses, most = (1 - found.alike) * found.tokens, math.ceil((1 - limit.agreement) * found.tokens)
    if known and misses <= most + _FLOOR and found.kl <= limit.kl:
        return
    raise DeniedError(
        expected=f"a {kind} file that chooses the student's token in at least {limit.agreement:.0%} of "
        f"cases, at most {limit.kl:g} nats off",
        found=f"{found.alike:.1%}, {found.kl:.4f} nats, over {found.tokens} tokens"
        + ("" if known else f", of which only {found.told} came with likelihoods"),
        fix=fix
        or "export a wider type (q8_0 beside four bits), or train the student longer; the file was removed",
    )


def check_template(runner: Runner, render: Callable[[Any], str], messages: Any) -> bool:
    """Whether there is a chat template to compare. Raises DeniedError where the file's writes a conversation
    in another way than the student's."""
    text = runner.template(messages)
    if text is None:
        return False
    if text != render(messages):
        raise DeniedError(
            expected="the runtime to write a conversation as the student's chat template does",
            found=f"{text!r:.120} and not {render(messages)!r:.120}",
            fix="leave gguf out of export, or give the student's teacher a plainer chat template",
        )
    return True


def check_tokens(runner: Runner, encode: Callable[[str], Sequence[int]], texts: Sequence[str]) -> int:
    """How many texts the file's tokenizer and the student's were compared on, some odd ones among them.
    Raises DeniedError where they differ."""
    compared = 0
    for text in (*texts, *_TEXTS):
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
