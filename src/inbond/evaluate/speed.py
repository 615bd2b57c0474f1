"""Speed, memory and size of two models, measured side by side."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

NEW_TOKENS = 24
ROUNDS = 3
_CHILD = """
import json, sys, torch
from transformers import AutoModelForCausalLM
from transformers.utils import logging
def kib(field):
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith(field))
logging.disable_progress_bar()
with open("/proc/self/clear_refs", "w") as file:
    file.write("5")  # the peak counts from here: importing may have peaked higher
empty = kib("VmRSS")
model = AutoModelForCausalLM.from_pretrained(sys.argv[1], dtype=torch.float32, use_safetensors=True)
ids = torch.tensor([json.loads(sys.argv[2])])
with torch.inference_mode():
    mask = torch.ones_like(ids)
    model.generate(ids, attention_mask=mask, max_new_tokens=8, do_sample=False, pad_token_id=0)
print(json.dumps((kib("VmHWM") - empty) * 1024))
"""


@dataclass(frozen=True)
class Size:
    """Parameters (tied ones once), bytes of the weights on disk."""

    parameters: int
    file_bytes: int


def size(model: Any, files: Sequence[Path]) -> Size:
    """Counts parameters, and the bytes of the weight files."""
    return Size(sum(p.numel() for p in model.parameters()), sum(path.stat().st_size for path in files))


@torch.inference_mode()
def decode_speeds(models: Sequence[Any], prompt: Sequence[int]) -> list[float]:
    """Tokens a second of greedy decoding, batch 1, for each model: the median of interleaved rounds,
    so that a machine that slows down slows all of them."""
    rounds: list[list[float]] = [[] for _ in models]
    for number in range(ROUNDS + 1):
        for model, speeds in zip(models, rounds, strict=True):
            ids_BT = torch.tensor([list(prompt)], device=model.device)
            started = time.perf_counter()
            model.generate(
                ids_BT, attention_mask=torch.ones_like(ids_BT), do_sample=False, pad_token_id=0,
                max_new_tokens=NEW_TOKENS, min_new_tokens=NEW_TOKENS,
            )  # fmt: skip
            if number:  # the first round warms up
                speeds.append(NEW_TOKENS / (time.perf_counter() - started))
    return [statistics.median(speeds) for speeds in rounds]


def peak_memory(folders: Sequence[Path], prompt: Sequence[int]) -> list[int | None]:
    """For each model, bytes of peak resident memory that loading it and answering once adds to a fresh
    process; all processes run at once, which makes none larger.

    None where the child process fails or the platform does not tell (Linux does).
    """
    children = [
        subprocess.Popen(
            [sys.executable, "-c", _CHILD, str(folder), json.dumps(list(prompt))],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        )
        for folder in folders
    ]  # fmt: skip
    return [_last_number(child.communicate()[0]) for child in children]


def _last_number(output: str) -> int | None:
    try:
        return int(json.loads(output.splitlines()[-1]))
    except (IndexError, ValueError):
        return None
