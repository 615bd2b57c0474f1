"""A teacher in this process, through transformers: completes prompts and scores tokens.

Only safetensors weights are read and no code that a model brings is run. torch and transformers
are imported when a model is loaded, not with this module's import of the command line.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer
from transformers.utils import logging as transformers_logging

from inbond.digest import Digest
from inbond.errors import InputError, TeacherError
from inbond.losses.batches import by_length, make_batch
from inbond.losses.heads import broken_tensor, head_weight, logit_chunks
from inbond.losses.hidden import label_hidden
from inbond.losses.sampling import MOST, draw, evened, uniforms
from inbond.teachers.protocols import FinishReason, Form, Keep, Price, Reply, Request, Scores, TokenSequence
from inbond.teachers.tokens import encode_prompt, end_ids, pad_id, vocabulary_digest

CHUNK = 256
"""Label tokens whose logits exist at once."""


def load_tokenizer(folder: Path) -> Any:
    """The tokenizer in ``folder``. Raises InputError when there is none that transformers can read."""
    try:
        return AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
    except Exception as error:  # a broken tokenizer.json raises just that
        raise InputError(
            expected=f"a tokenizer (tokenizer.json) in {folder}",
            found=_first_line(error),
            fix="name a folder that transformers can load, or pull the model again",
        ) from error


def device() -> torch.device:
    """Where models run: the first CUDA device, else the processor. (Apple's have no float64, which intervals
    and draws need.)"""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def load_model(folder: Path, dtype: torch.dtype = torch.float32) -> Any:
    """The causal language model in ``folder``, from safetensors, in evaluation mode, on ``device()``.

    Raises InputError when it cannot be loaded, or not whole (transformers itself would fill what is
    missing with random numbers and go on), or holds what is no number.
    """
    transformers_logging.disable_progress_bar()
    try:
        model, info = AutoModelForCausalLM.from_pretrained(
            folder, dtype=dtype, use_safetensors=True, trust_remote_code=False, output_loading_info=True
        )
    except Exception as error:  # whatever readers of foreign files may raise
        raise _unloadable(folder, error) from error
    missing = sorted(info["missing_keys"])
    if missing:
        raise InputError(
            expected=f"all weights of {type(model).__name__} in {folder}",
            found=f"{len(missing)} missing, such as {missing[0]}",
            fix="find the rest of its files, or correct config.json",
        )
    broken = broken_tensor(model)
    if broken is not None:
        raise InputError(
            expected=f"finite weights in {folder}",
            found=f"NaN or infinity in {broken}",
            fix="get the model again: its file is broken",
        )
    return model.to(device()).eval()


def _unloadable(folder: Path, error: Exception) -> InputError:
    return InputError(
        expected=f"a causal language model in safetensors form in {folder}",
        found=_first_line(error),
        fix="name a folder that transformers can load without code of its own, or pull the model again",
    )


def _first_line(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".splitlines()[0][:300]


class Marks(Protocol):
    """A mark that answers are drawn with, so that they can be known again."""

    @property
    def id(self) -> Digest:
        """Names the mark: a part of the teacher's identity, as answers with it are other answers."""
        ...

    def processor(self) -> Any:
        """A ``LogitsProcessor`` of transformers for one answer, which it sees from its first token on."""
        ...


class Local:
    """A transformers model as a teacher. Implements Completes and ScoresTokens. Final.

    ``digest`` pins the weights (of the file or folder they came from). With a ``mark`` its answers are drawn
    with that; its scores are the model's own all the same.
    """

    concurrency = 1
    price = Price()

    def __init__(
        self,
        name: str,
        digest: Digest,
        model: Any,
        tokenizer: Any,
        *,
        batch: int = 16,
        mark: Marks | None = None,
    ) -> None:
        self.model: Any = model
        self.tokenizer: Any = tokenizer
        self._name = name
        self._digest = digest
        self._batch = batch
        self._mark = mark
        self._lock = threading.Lock()

    @property
    def identity(self) -> str:
        plain = f"{self._name} {self._digest} transformers"
        return plain if self._mark is None else f"{plain} marked {self._mark.id}"

    @property
    def vocabulary(self) -> Digest:
        return vocabulary_digest(self.tokenizer)

    @property
    def vocabulary_size(self) -> int:
        return len(self.tokenizer)

    async def complete(self, request: Request) -> Reply:
        """See Completes. One at a time: generation holds the model. In no form: nothing constrains it."""
        if request.form is not None:
            raise _no_form(self._name, request.form)
        stop = threading.Event()
        try:
            return await asyncio.to_thread(self._complete, request, stop)
        finally:
            stop.set()

    async def close(self) -> None:
        self.model = None

    def _complete(self, request: Request, stop: threading.Event) -> Reply:
        started = time.monotonic()
        prompt_ids = encode_prompt(self.tokenizer, request.prompt)
        sampling = request.sampling
        with self._lock, torch.inference_mode():
            if sampling.seed is not None:
                torch.manual_seed(sampling.seed + request.sample)
            output = self.model.generate(
                torch.tensor([prompt_ids], device=self.model.device),
                attention_mask=torch.ones(1, len(prompt_ids), dtype=torch.int64, device=self.model.device),
                max_new_tokens=sampling.max_tokens,
                do_sample=sampling.temperature > 0,
                **({"temperature": sampling.temperature} if sampling.temperature > 0 else {}),
                **({"top_p": sampling.top_p, "top_k": 0} if sampling.temperature > 0 else {}),
                pad_token_id=self.tokenizer.pad_token_id or self.tokenizer.eos_token_id,
                stopping_criteria=[lambda *_: torch.tensor([stop.is_set()])],
                logits_processor=[] if self._mark is None else [self._mark.processor()],
            )
        answer = output[0, len(prompt_ids) :].tolist()
        finish: FinishReason = "stop" if len(answer) < sampling.max_tokens else "length"
        if answer and answer[-1] in end_ids(self.model, self.tokenizer):
            answer, finish = answer[:-1], "stop"
        text = self.tokenizer.decode(answer, skip_special_tokens=True)
        cuts = [text.index(mark) for mark in sampling.stop if mark in text]
        if cuts:
            text, finish = text[: min(cuts)], "stop"
        if not text.strip():
            raise TeacherError(
                expected="an answer with text", found="an empty one", fix="change the prompt or the sampling",
                reason="empty", retryable=False,
            )  # fmt: skip
        seconds = time.monotonic() - started
        return Reply(text, finish, len(prompt_ids), len(answer), self._name, seconds)

    def score(self, sequences: Sequence[TokenSequence], keep: Keep) -> Scores:
        """See ScoresTokens. Batches of like length; the head runs at label positions alone."""
        _check_size(keep, self.vocabulary_size)
        check_lengths(self.model, sequences)
        order, parts = [], [_nothing(keep)]
        with self._lock, torch.inference_mode():
            weight_VH = head_weight(self.model, self.vocabulary_size)
            for rows in by_length([len(sequence.ids) for sequence in sequences], self._batch):
                batch = [sequences[row] for row in rows]
                hidden_NH = batch_hidden(self.model, self.tokenizer, batch)
                parts += _kept(hidden_NH, weight_VH, keep, batch)
                order += rows
        return _in_order(sequences, order, parts)


def _no_form(name: str, form: Form) -> TeacherError:
    return TeacherError(
        expected=f"a request that {name} can answer",
        found=f"the form {form.name!r} asked for as {form.kind}, which transformers does not constrain to",
        fix="ask in words, or use the model as a GGUF file or behind a server",
        reason="rejected",
        retryable=False,
    )


def _check_size(keep: Keep, vocabulary: int) -> None:
    name, most = "capture.k", vocabulary
    if keep.kind == "sampled":
        name, most = "capture.draws", min(MOST, vocabulary)
    if not 1 <= keep.size <= most:
        raise InputError(
            expected=f"{name} from 1 to {most}, with a vocabulary of {vocabulary}",
            found=f"{name} = {keep.size}",
            fix=f"set {name} " + ("lower" if keep.size > most else "to 1 at least"),
        )


def check_lengths(model: Any, sequences: Sequence[TokenSequence]) -> None:
    """Raises InputError when a sequence is longer than the model's context."""
    limit = getattr(model.config, "max_position_embeddings", None)
    longest = max((len(sequence.ids) for sequence in sequences), default=0)
    if limit is not None and longest > limit:
        raise InputError(
            expected=f"sequences of at most {limit} tokens, the model's context",
            found=f"one of {longest}",
            fix="shorten the prompts or set generate.max_tokens lower",
        )


def batch_hidden(model: Any, tokenizer: Any, sequences: Sequence[TokenSequence]) -> torch.Tensor:
    """Hidden states [N, H] at the label positions of one batch."""
    return label_hidden(model, make_batch(sequences, pad_id(tokenizer), model.device))


def _nothing(keep: Keep) -> Scores:
    """The scores of no label token at all."""
    sure_N = np.empty(0, np.uint8) if keep.kind == "sampled" else None
    return Scores(np.empty((0, keep.size), np.int32), np.empty((0, keep.size), np.float32), sure_N)


def _kept(
    hidden_NH: torch.Tensor, weight_VH: torch.Tensor, keep: Keep, batch: Sequence[TokenSequence]
) -> Iterator[Scores]:
    """What is kept of the batch's label tokens, a chunk at a time."""
    u_N = _uniforms(keep, batch) if keep.kind == "sampled" else None
    labels = [label for row in batch for label in row.ids[row.prompt_length :]]
    for start, logits_NV in logit_chunks(hidden_NH, weight_VH, CHUNK):
        wide_NV = logits_NV.float() / keep.temperature
        if u_N is None:
            top = wide_NV.topk(keep.size, dim=1)
            ids_NK, logp_NK, sure_N = top.indices, top.values - wide_NV.logsumexp(1, keepdim=True), None
            if keep.own:
                labels_N1 = torch.tensor(labels[start : start + CHUNK], device=wide_NV.device).unsqueeze(1)
                _with_own(ids_NK, logp_NK, labels_N1, wide_NV)
        else:
            chunk_u_N = u_N[start : start + CHUNK].to(wide_NV.device)
            ids_NK, logp_NK, sure_N = draw(wide_NV.log_softmax(1), keep.size, chunk_u_N)
            logp_NK = evened(logp_NK, sure_N) if keep.drawn == "mean" else logp_NK
        yield Scores(
            ids_NK.to(torch.int32).cpu().numpy(),
            logp_NK.cpu().numpy(),
            None if sure_N is None else sure_N.cpu().numpy(),
        )


def _with_own(
    ids_NK: torch.Tensor, logp_NK: torch.Tensor, labels_N1: torch.Tensor, logits_NV: torch.Tensor
) -> None:
    """Puts each row's label into its last place, in place, where the row lacks it."""
    lacks_N1 = (ids_NK != labels_N1).all(1, keepdim=True)
    own_N1 = logits_NV.gather(1, labels_N1) - logits_NV.logsumexp(1, keepdim=True)
    ids_NK[:, -1:] = torch.where(lacks_N1, labels_N1, ids_NK[:, -1:])
    logp_NK[:, -1:] = torch.where(lacks_N1, own_N1, logp_NK[:, -1:])


def _uniforms(keep: Keep, batch: Sequence[TokenSequence]) -> torch.Tensor:
    """A number for each label token, float64 [N]."""
    return torch.cat([uniforms(keep.seed, row.ids)[row.prompt_length :] for row in batch])


def _in_order(sequences: Sequence[TokenSequence], order: Sequence[int], parts: Sequence[Scores]) -> Scores:
    """Puts rows that were computed in ``order`` back in the order of the sequences."""
    firsts = np.cumsum([0, *(sequence.labels for sequence in sequences)])
    places = [np.arange(firsts[row], firsts[row + 1]) for row in order]
    back_N = np.argsort(np.concatenate([*places, np.empty(0, np.int64)]))
    sure = [part.sure_N for part in parts if part.sure_N is not None]
    return Scores(
        np.concatenate([part.ids_NK for part in parts])[back_N],
        np.concatenate([part.logp_NK for part in parts])[back_N],
        np.concatenate(sure)[back_N] if sure else None,
    )
