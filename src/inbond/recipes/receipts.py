"""A host's receipts for its answers, laid beside them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

from inbond.engine.results import Failure
from inbond.ledger import issuer_keys
from inbond.ledger.attest import PublicKey
from inbond.ledger.receipt_file import Collected, Got, collect
from inbond.ledger.receipts import HEADER, KEY
from inbond.teachers import wire
from inbond.teachers.protocols import Reply, Request
from inbond.types import ModelName, Record


def collected(
    teacher: ModelName, requests: Sequence[Request], outcomes: Sequence[Reply | Failure], top_logprobs: int
) -> Collected:
    """The receipts that fit, by the row that each answer has among the answers. A host that gives none, or
    wrong ones, costs no answer; how many were not kept is counted."""
    return collect(_got(teacher, requests, outcomes, top_logprobs))


def _got(
    teacher: ModelName, requests: Sequence[Request], outcomes: Sequence[Reply | Failure], top_logprobs: int
) -> Iterator[Got]:
    replies = [
        (request, one) for request, one in zip(requests, outcomes, strict=True) if isinstance(one, Reply)
    ]
    for row, (request, reply) in enumerate(replies):
        token = reply.headers.get(HEADER)
        if token is not None:
            body = wire.body_of(request, model=teacher.name, top_logprobs=top_logprobs)
            sent = {name: value for name, value in body.items() if name not in ("prompt", "messages")}
            yield Got(row, Record(request.prompt, reply.text), sent, token, _key(reply))


def _key(reply: Reply) -> PublicKey | None:
    found = reply.headers.get(KEY)
    if found is None:
        return None
    (key,) = issuer_keys.decode(json.dumps({"keys": [json.loads(found)]}).encode()).values()
    return key
