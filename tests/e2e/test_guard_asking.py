"""What may be asked of a real llama.cpp server through the guard, and that each of its tokens is counted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import openai
import pytest

from tests.contract.test_guard_asking import SAMPLING
from tests.e2e.test_guard_gateway import eventually, guarding
from tests.real_model import server_apart

MESSAGES = [{"role": "user", "content": "Count to a hundred."}]


def requests(guard: Any) -> list[dict[str, Any]]:
    """The log's lines of requests; it has others."""
    return [line for line in guard.lines() if line.get("completion_tokens") is not None]


@pytest.mark.slow
def test_a_real_server_answers_no_longer_and_no_more_than_was_held(
    tmp_path: Path, smollm2_gguf: Path
) -> None:
    held = {"default_max_tokens": 8}
    with server_apart(smollm2_gguf) as host, guarding(tmp_path, f"http://{host}", unlisted=held) as guard:
        with guard.client() as client:
            (model,) = (each.id for each in client.models.list())
            assert "/" not in model

            def counted(**more: object) -> tuple[int, object]:
                before = len(requests(guard))
                asked = {"model": model, "temperature": 0, "messages": MESSAGES, **more}
                found = client.chat.completions.create(**asked)
                answer = list(found) if more.get("stream") else found
                eventually(lambda: len(requests(guard)) > before)
                return requests(guard)[-1]["completion_tokens"], answer

            tokens, answer = counted()
            assert tokens == answer.usage.completion_tokens <= 8
            for name in ("max_tokens", "max_completion_tokens"):
                assert counted(**{name: 3})[0] == 3
            for more in SAMPLING:
                assert counted(max_tokens=2, extra_body=more)[0] <= 2
            for name in ("n_predict", "n_cmpl", "prompt_logprobs"):
                with pytest.raises(openai.BadRequestError, match=f"{name} is not served"):
                    counted(max_tokens=1, extra_body={name: 40})
            tokens, answer = counted(n=2, max_tokens=6)
            assert (len(answer.choices), answer.usage.completion_tokens) == (2, 6), (
                "its own count is the first's"
            )
            assert tokens == 12
            assert counted(n=2, max_tokens=6, stream=True)[0] == 12
            response = client.responses.create(model=model, input="Count to a hundred.")
            assert response.usage.output_tokens <= 8
        assert guard.end() == 0
