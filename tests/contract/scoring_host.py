"""A mock host that serves a real tiny model and reports log-probabilities, honestly or not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import torch
from aiohttp import web

from inbond.teachers.pieces import Pieces
from inbond.teachers.tokens import encode_prompt
from inbond.types import Message
from tests.contract.mock_host import DONE, MockHost, chunk, event, stream

Warp = Literal["none", "temperature", "top_p", "noise"]


@dataclass
class ScoringHost:
    """``warp`` is what it reports instead of the model's own. It refuses more than ``cap`` alternatives, and
    silently gives no more than ``cut``."""

    model: Any
    tokenizer: Any
    warp: Warp = "none"
    ids: bool = True
    cap: int | None = None
    cut: int | None = None
    says_cap: bool = True
    calls: int = 0

    async def __call__(self, _: MockHost, request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
        self.calls += 1
        wanted = body.get("top_logprobs", 0)
        if self.cap is not None and wanted > self.cap:
            said = f"top_logprobs must be at most {self.cap}" if self.says_cap else "too many logprobs"
            return web.json_response({"error": {"message": said, "code": 400}}, status=400)
        prompt = tuple(Message(one["role"], one["content"]) for one in body["messages"])
        ids = encode_prompt(self.tokenizer, prompt)
        before, pieces, tokens = len(ids), Pieces.of(self.tokenizer), []
        draw = torch.Generator().manual_seed(body.get("seed", 0))
        while len(tokens) < body["max_tokens"]:
            with torch.inference_mode():
                logits_V = self.model(torch.tensor([ids])).logits[0, -1].double()[: len(self.tokenizer)]
            own = self._draw(logits_V, body, draw)
            ids.append(own)
            logp_V = self._reported(logits_V, body)
            top = logp_V.topk(min(wanted, self.cut or wanted))
            listed = [self._token(pieces, int(i), float(x)) for x, i in zip(*top, strict=True)]
            tokens.append({**self._token(pieces, own, float(logp_V[own])), "top_logprobs": listed})
        text = b"".join(map(pieces.bytes_of, ids[before:])).decode(errors="replace")
        usage = {"choices": [], "usage": {"prompt_tokens": before, "completion_tokens": len(tokens)}}
        # In two chunks, as hosts send the scores of several tokens together or apart.
        first, rest = {"content": tokens[:3]}, {"content": tokens[3:]}
        done = chunk(text, "length", logprobs=rest)
        return await stream(request, event(chunk("", logprobs=first)), event(done), event(usage), DONE)

    def _draw(self, logits_V: torch.Tensor, body: dict[str, Any], draw: torch.Generator) -> int:
        logits_V = logits_V.index_fill(0, torch.tensor([0, 1, 2]), -torch.inf)  # no special tokens
        if body["temperature"] == 0:
            return int(logits_V.argmax())
        p_V = _nucleus((logits_V / body["temperature"]).softmax(0), body["top_p"])
        return int(torch.multinomial(p_V, 1, generator=draw))

    def _reported(self, logits_V: torch.Tensor, body: dict[str, Any]) -> torch.Tensor:
        if self.warp == "temperature":
            logits_V = logits_V / (body["temperature"] or 1.0)
        elif self.warp == "top_p":
            return _nucleus(logits_V.softmax(0), body["top_p"]).log().clamp_min(-9999.0)
        elif self.warp == "noise":
            logits_V = logits_V + torch.randn(
                logits_V.shape, generator=torch.Generator().manual_seed(self.calls)
            )
        return logits_V.log_softmax(0)

    def _token(self, pieces: Pieces, id_: int, logp: float) -> dict[str, Any]:
        raw = pieces.bytes_of(id_)
        token = {"token": raw.decode(errors="replace"), "logprob": logp, "bytes": list(raw)}
        return {"id": id_, **token} if self.ids else token


def _nucleus(p_V: torch.Tensor, top_p: float) -> torch.Tensor:
    order = p_V.argsort(descending=True)
    before = p_V[order].cumsum(0) - p_V[order]
    kept = torch.zeros_like(p_V).scatter(0, order, (before < top_p).to(p_V.dtype))
    return p_V * kept / (p_V * kept).sum()
