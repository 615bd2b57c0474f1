"""A model server for tests of a whole table: it speaks OpenAI's HTTP, and each model that is asked for does
as it is told. A seat is told apart by its model's name."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Answer = Callable[[dict[str, Any]], Any]
"""From the request's body to the reply: a value is sent as JSON text, a string as it is, an int a status."""


@contextmanager
def serving(answers: dict[str, Answer]) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Yields the host (``127.0.0.1:port``) and the bodies that it was asked, in order."""
    asked: list[dict[str, Any]] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            asked.append(body)
            said = answers[body["model"]](body)
            if isinstance(said, int):
                self._send(said, {"error": {"message": "this model is out of order", "type": "server_error"}})
                return
            text = said if isinstance(said, str) else json.dumps(said, ensure_ascii=False)
            message = {"role": "assistant", "content": text}
            usage = {"prompt_tokens": 100, "completion_tokens": 50}
            choice = {"index": 0, "message": message, "finish_reason": "stop"}
            self._send(200, {"model": f"{body['model']}-2026", "choices": [choice], "usage": usage})

        def do_GET(self) -> None:
            self._send(200, {"object": "list", "data": []})

        def _send(self, status: int, value: dict[str, Any]) -> None:
            data = json.dumps(value).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            with suppress(ConnectionError):  # who asked may have been killed
                self.wfile.write(data)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_address[1]}", asked
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


# What models say -----------------------------------------------------------------------------------------


def data_of(body: dict[str, Any]) -> dict[str, Any]:
    """What stands in the fence of the first user message."""
    told = next(each["content"] for each in body["messages"] if each["role"] == "user")
    found = re.search(r"<<<(\w+)\n(.*)\n\1>>>", told, re.DOTALL)
    assert found is not None, "every request has a fence"
    value: dict[str, Any] = json.loads(found[2])
    return value


def votes(label: str, second: str | None = None) -> Answer:
    """Votes for the option of this label; in round 2 for ``second``, adopting the first claim for it."""

    def answer(body: dict[str, Any]) -> Any:
        data = data_of(body)
        if "discussion" in data:
            return _summary(data)
        ids = {each["label"]: each["id"] for each in data["options"]}
        wanted = ids[second if second is not None and "answers" in data else label]
        return {
            "reasoning": f"{label}と考える理由を、ここに短く述べる。",
            "claims": [{"id": "c1", "text": f"{label}を支える事実は、誰にでも確かめることができる。"}],
            "influenced_by": _adopting(data, wanted) if second is not None else [],
            "rebuttal": {"seat": "", "claim": "", "text": ""},
            "vote": wanted,
            "abstain_reason": "",
            "confidence": 0.8,
            "would_change_if": "反例が示されれば。",
            "question_is_sound": True,
            "ill_posed": "",
        }

    return answer


def _adopting(data: dict[str, Any], vote: str) -> list[dict[str, str]]:
    for each in data.get("answers", ()):
        if each["vote"] == vote and each["claims"]:
            claim = each["claims"][0]
            return [{"seat": each["seat"], "claim": claim["id"], "quote": claim["text"], "effect": "adopted"}]
    return []


def _summary(data: dict[str, Any]) -> dict[str, Any]:
    sentences = []
    for each in data["discussion"][:2]:
        claims = each.get("claims") or []
        if claims:
            cites = [{"seat": each["seat"], "claim": claims[0]["id"]}]
            sentences.append({"text": "ある席は、事実を確かめることができると述べた。", "cites": cites})
    return {"sentences": sentences}


def broken(_: dict[str, Any]) -> int:
    """Always HTTP 500."""
    return 500
