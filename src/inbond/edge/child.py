"""The process that runs one exported file: a question a line in, an answer a line out. See ``runner``."""

from __future__ import annotations

import json
import os
import secrets
import signal
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, final

import numpy as np

from inbond.llama_cpp import parameters


@final
class _LlamaCpp:
    """A GGUF file under llama.cpp."""

    def __init__(self, path: Path, threads: int, context: int, patience: int) -> None:
        import xllamacpp

        self._key, self._patience = secrets.token_hex(32), patience
        params = parameters(path, context=context, parallel=1, threads=threads, key=self._key)
        self._server = xllamacpp.Server(params)

    def steps(self, prompt: Sequence[int], tokens: int, k: int) -> dict[str, Any]:
        said = self._post(
            "/completion",
            {
                "prompt": list(prompt), "n_predict": tokens, "temperature": 0, "n_probs": k,
                "cache_prompt": False, "return_tokens": True, "ignore_eos": not k,
            },
        )  # fmt: skip
        ids: list[int] = said["tokens"]
        seconds = said["timings"]["predicted_ms"] / 1000
        return {
            "ids": ids,
            "top": _aligned(ids, said.get("completion_probabilities", ())),
            "seconds": seconds,
        }

    def tokenize(self, text: str) -> list[int] | None:
        body = {"content": text, "add_special": False, "parse_special": True}
        ids: list[int] = self._post("/tokenize", body)["tokens"]
        return ids

    def template(self, messages: Sequence[dict[str, str]]) -> str | None:
        text: str = self._post("/apply-template", {"messages": list(messages)})["prompt"]
        return text

    def together(self, _: Sequence[Sequence[int]], __: int) -> None:
        return None

    def _post(self, place: str, body: dict[str, Any]) -> Any:
        """Asks llama.cpp's own server on loopback: its answers tell more than the wheel's calls do."""
        request = urllib.request.Request(
            f"{self._server.listening_address}{place}",
            json.dumps(body).encode(),
            {"content-type": "application/json", "authorization": f"Bearer {self._key}"},
        )
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=self._patience) as answer:
                return json.loads(answer.read())
        except urllib.error.HTTPError as error:
            raise ValueError(error.read().decode(errors="replace")) from error


def _aligned(ids: Sequence[int], told: Sequence[dict[str, Any]]) -> list[list[tuple[int, float]]]:
    """What is told of each token. llama.cpp tells nothing of one that ends within a character, nor which
    it left out: what may belong to either of two places belongs to none."""
    wanted = [one["id"] for one in told]
    first = _places(ids, wanted)
    last = [len(ids) - 1 - place for place in reversed(_places(ids[::-1], wanted[::-1]))]
    rows: list[list[tuple[int, float]]] = [[] for _ in ids]
    for one, early, late in zip(told, first, last, strict=False):
        if early == late:
            rows[early] = [(other["id"], other["logprob"]) for other in one["top_logprobs"]]
    return rows


def _places(ids: Sequence[int], wanted: Sequence[int]) -> list[int]:
    """The first places at which ``wanted`` stand among ``ids`` in their order."""
    places, at = [], 0
    for id_ in wanted:
        while at < len(ids) and ids[at] != id_:
            at += 1
        places.append(at)
        at += 1
    return places


@final
class _OnnxRuntime:
    """An ONNX file with its keys and values kept between steps."""

    def __init__(self, path: Path, threads: int, _context: int, _patience: int) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 3
        self._session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        meta = self._session.get_modelmeta().custom_metadata_map
        self._ends = set(json.loads(meta.get("ends", "[]")))
        self._past = {
            given.name: np.zeros((1, given.shape[1], 0, given.shape[3]), np.float32)
            for given in self._session.get_inputs()
            if given.name.startswith("past_key_values.")
        }

    def steps(self, prompt: Sequence[int], tokens: int, k: int) -> dict[str, Any]:
        past, ids_BT, read = dict(self._past), np.array([list(prompt)], np.int64), 0
        ids: list[int] = []
        top: list[list[tuple[int, float]]] = []
        started = time.perf_counter()
        while len(ids) < tokens:
            read += ids_BT.shape[1]
            logits_V, past = self._step(ids_BT, read, past)
            if not ids:
                started = time.perf_counter()
            ids.append(int(logits_V.argmax()))
            top.append(_likeliest(logits_V, k) if k else [])
            ids_BT = np.array([[ids[-1]]], np.int64)
            if k and ids[-1] in self._ends:
                break
        return {"ids": ids, "top": top, "seconds": time.perf_counter() - started}

    def together(self, prompts: Sequence[Sequence[int]], k: int) -> list[list[tuple[int, float]]] | None:
        """All prompts at once, filled up on the left, read in two parts."""
        longest = max(map(len, prompts))
        fill = np.array([[longest - len(prompt)] for prompt in prompts])
        ids_BT = np.array([[*[0] * (longest - len(prompt)), *prompt] for prompt in prompts], np.int64)
        mask_BT = (np.arange(longest)[None] >= fill).astype(np.int64)
        places_BT = np.maximum(np.arange(longest)[None] - fill, 0).astype(np.int64)
        shape = {name: (len(prompts), *value.shape[1:]) for name, value in self._past.items()}
        past: dict[str, Any] = {name: np.zeros(size, np.float32) for name, size in shape.items()}
        logits_BTV: Any = None
        for part in (slice(0, longest // 2), slice(longest // 2, longest)):
            if part.start < part.stop:
                given = {"input_ids": ids_BT[:, part], "position_ids": places_BT[:, part]}
                given["attention_mask"] = mask_BT[:, : part.stop]
                logits_BTV, *present = self._session.run(None, {**given, **past})
                past = dict(zip(past, present, strict=True))
        return [_likeliest(logits_TV[-1], k) for logits_TV in logits_BTV]

    def template(self, _: Sequence[dict[str, str]]) -> str | None:
        return None

    def _step(self, ids_BT: Any, read: int, past: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        new = ids_BT.shape[1]
        feeds = {
            "input_ids": ids_BT,
            "attention_mask": np.ones((1, read), np.int64),
            "position_ids": np.arange(read - new, read, dtype=np.int64)[None],
        }
        logits_BTV, *present = self._session.run(None, {**feeds, **past})
        return logits_BTV[0, -1], dict(zip(past, present, strict=True))

    def tokenize(self, _: str) -> list[int] | None:
        return None


def _likeliest(logits_V: Any, k: int) -> list[tuple[int, float]]:
    wide_V = logits_V.astype(np.float64)
    logp_V = wide_V - wide_V.max() - np.log(np.exp(wide_V - wide_V.max()).sum())
    order = np.argsort(-logp_V)[:k]
    return [(int(id_), float(logp_V[id_])) for id_ in order]


def _kib(field: str) -> int | None:
    try:
        with open("/proc/self/status") as file:
            return next(int(line.split()[1]) for line in file if line.startswith(field))
    except (OSError, StopIteration):
        return None


def _from_here() -> int | None:
    """Resident memory now, from which peaks count: importing may have peaked higher."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return None
    return _kib("VmRSS")


def main(
    runtime: str, path: Path, threads: int, context: int, patience: int, say: Callable[[dict[str, Any]], None]
) -> None:
    """Answers until its input ends. Opening and each answer end the process when they take longer than
    ``patience`` seconds: an alarm ends a loop inside the runtime, also when nobody waits any more."""
    opened = _LlamaCpp if runtime == "llama.cpp" else _OnnxRuntime
    extra, package = ("local", "xllamacpp") if runtime == "llama.cpp" else ("onnx", "onnxruntime")
    model = None
    signal.alarm(patience)
    try:
        __import__(package)
        empty = _from_here()
        model = opened(path, threads, context, patience)
    except ImportError as error:
        failed = {"missing": error.name or package, "extra": extra}
    except Exception as error:  # whatever a reader of files may raise
        failed = {"error": f"{type(error).__name__}: {error!s:.300}"}
    signal.alarm(0)
    for line in sys.stdin:
        signal.alarm(patience)
        if model is None:
            say(failed)
            continue
        question = json.loads(line)
        try:
            say(_answer(model, question, empty))
        except Exception as error:  # whatever a runtime may raise
            say({"error": f"{type(error).__name__}: {error!s:.300}"})
        signal.alarm(0)


def _answer(model: Any, question: dict[str, Any], empty: int | None) -> dict[str, Any]:
    if question["do"] == "steps":
        answer: dict[str, Any] = model.steps(question["prompt"], question["tokens"], question["k"])
        return answer
    if question["do"] == "tokenize":
        return {"ids": model.tokenize(question["text"])}
    if question["do"] == "template":
        return {"text": model.template(question["messages"])}
    if question["do"] == "together":
        return {"top": model.together(question["prompts"], question["k"])}
    peak = _kib("VmHWM")
    return {"bytes": None if peak is None or empty is None else (peak - empty) * 1024}


def _started() -> None:
    """Keeps our answers apart from what a runtime prints: that goes to the error output."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)

    def say(value: dict[str, Any]) -> None:
        answers.write(json.dumps(value) + "\n")
        answers.flush()

    threads, context, patience = map(int, sys.argv[3:])
    main(sys.argv[1], Path(sys.argv[2]), threads, context, patience, say)
    os._exit(0)  # a runtime's threads may hold a normal exit up


if __name__ == "__main__":
    _started()
