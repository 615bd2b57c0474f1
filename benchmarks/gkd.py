"""TRL's GKDTrainer on our records, at its best reasonable settings, so that comparisons with it are fair.

Its own Trainer, collator and loss, off-policy (lambda 0) with forward KL (beta 0). Set in its favour: float32
(bfloat16 is slower on a CPU without AMX, and its loss then off by per cents: tests/unit/test_oracles.py);
gradient checkpointing off; no logging, evaluation, saving or progress bar; scaled-dot-product attention;
its fused AdamW; token ids ready made, so that it need not tokenise; and batches of like length in the very
order that Inbond reads them, so that it pads as little. It has no setting that would let it skip the
logits of prompts, reuse a teacher's scores or share a prefix.

``as_it_comes`` leaves two of these to its defaults, as most users will: gradient checkpointing, which is on,
and the order, which is random, so that records of unlike length share a batch.
"""

from __future__ import annotations

import random
import tempfile
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from setting import Setting

from inbond.teachers.protocols import TokenSequence
from inbond.train.lessons import step_plan
from inbond.train.loop import GRADIENT_NORM, Plan


def in_order(sequences: Sequence[TokenSequence], plan: Plan) -> list[TokenSequence]:
    """All sequences of all epochs, batch by batch as Inbond's loop reads them. Every batch must be whole."""
    steps = step_plan([len(sequence.ids) for sequence in sequences], plan)
    assert all(len(batch) == plan.batch for step in steps for batch in step), "whole batches only"
    return [sequences[row] for step in steps for batch in step for row in batch]


def at_random(sequences: Sequence[TokenSequence], plan: Plan) -> list[TokenSequence]:
    """All sequences of all epochs, in an order that minds no length."""
    draw = random.Random(plan.seed)
    return [row for _ in range(plan.epochs) for row in draw.sample(sequences, len(sequences))]


def trainer(
    setting: Setting,
    student: Any,
    plan: Plan,
    on_step: Callable[[int, Any], None],
    folder: Path | None = None,
    *,
    as_it_comes: bool = False,
) -> Any:
    """A trainer whose ``train()`` goes through ``plan``; ``on_step`` gets (steps done, model) after each.

    The learning rate rises and falls as ours does: linear warm-up, cosine down to a tenth.
    """
    warnings.simplefilter("ignore")
    from datasets import Dataset
    from transformers import PrinterCallback, TrainerCallback
    from transformers.utils import logging
    from trl.experimental.gkd import GKDConfig, GKDTrainer

    logging.set_verbosity_error()

    class Steps(TrainerCallback):  # type: ignore[misc]
        def on_step_end(self, _args: Any, state: Any, _control: Any, **given: Any) -> None:
            on_step(state.global_step, given["model"])

    rows = [
        {
            "prompt": "",
            "input_ids": list(sequence.ids),
            "completion_mask": [0] * sequence.prompt_length + [1] * sequence.labels,
        }
        for sequence in (at_random if as_it_comes else in_order)(setting.train, plan)
    ]
    arguments = GKDConfig(
        output_dir=str(folder or tempfile.gettempdir()),
        lmbda=0.0,
        beta=0.0,
        num_train_epochs=1,
        per_device_train_batch_size=plan.batch,
        gradient_accumulation_steps=plan.accumulate,
        train_sampling_strategy="sequential",
        learning_rate=plan.lr,
        lr_scheduler_type="cosine_with_min_lr",
        lr_scheduler_kwargs={"min_lr_rate": 0.1},
        warmup_steps=plan.warmup_steps,
        weight_decay=plan.weight_decay,
        max_grad_norm=GRADIENT_NORM,
        seed=plan.seed,
        bf16=False,
        use_cpu=True,
        gradient_checkpointing=as_it_comes,
        logging_strategy="no",
        eval_strategy="no",
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
        dataloader_pin_memory=False,
    )
    made = GKDTrainer(
        model=student,
        teacher_model=setting.teacher.model,
        args=arguments,
        train_dataset=Dataset.from_list(rows),
        processing_class=setting.teacher.tokenizer,
        callbacks=[Steps()],
    )
    made.remove_callback(PrinterCallback)
    return made
