"""The whole idea in one file: a teacher answers, a pruned copy of it learns the answers' distributions.

    python examples/flat_distill.py path/to/model.gguf-or-folder

Needs torch and transformers, nothing of Inbond. It has none of what makes a run safe to rely on: no
terms checked, no lineage, no journal, no filters, no resume, no memory bound. Read it to understand;
use ``inbond run`` to distil. Shapes: B sequences, T positions, N label tokens, K kept tokens, V vocabulary.
"""

import copy
import random
import sys
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

WORDS = """apple bridge candle desert eagle forest garden hammer island jacket kettle ladder mirror needle
ocean pencil queen river spoon table umbrella valley window yogurt zebra anchor basket cloud drum engine
feather glove honey iron jungle knife lemon mountain nest orchestra piano quilt rain shadow tower village
whale bread castle dream factory harbor judge king lake magnet novel oven palace rabbit sugar""".split()


def load(name: str) -> tuple[torch.nn.Module, AutoTokenizer]:
    path = Path(name)
    where = {"gguf_file": path.name} if path.suffix == ".gguf" else {}
    folder = path.parent if where else path
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, **where)
    return model.eval(), AutoTokenizer.from_pretrained(folder, **where)


@torch.no_grad()
def answer(model, tokenizer, words: list[str], max_new_tokens: int) -> list[tuple[list[int], int]]:
    """(token ids of prompt and answer, length of the prompt) for each word."""
    examples = []
    for word in words:
        messages = [{"role": "user", "content": f"Define the word '{word}' in one sentence."}]
        text = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
        prompt = tokenizer(text, return_tensors="pt", add_special_tokens=False)
        output = model.generate(
            **prompt, max_new_tokens=max_new_tokens, do_sample=True, temperature=0.7, top_k=0,
            pad_token_id=tokenizer.eos_token_id,
        )  # fmt: skip
        examples.append((output[0].tolist(), prompt["input_ids"].shape[1]))
    return examples


def label_logits(model, ids: list[int], prompt_length: int) -> torch.Tensor:
    """Logits [N, V] from which the answer's N tokens are predicted."""
    hidden = model.model(torch.tensor([ids[:-1]])).last_hidden_state[0, prompt_length - 1 :]
    return model.lm_head(hidden)


@torch.no_grad()
def targets(teacher, ids: list[int], prompt_length: int, k: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Ids [N, K] of the K likeliest tokens, and probabilities [N, K + 1]: theirs, and the tail's."""
    top = label_logits(teacher, ids, prompt_length).softmax(1).topk(k, dim=1)
    tail = (1 - top.values.sum(1, keepdim=True)).clamp_min(0)
    return top.indices, torch.cat([top.values, tail], 1)


def sparse_kl(logits: torch.Tensor, ids_NK: torch.Tensor, p: torch.Tensor) -> torch.Tensor:
    """Forward KL with a tail bucket: the rest of the vocabulary counts as one event on both sides."""
    logq = logits.log_softmax(1)
    tail = logq.scatter(1, ids_NK, -torch.inf).logsumexp(1, keepdim=True)
    logq = torch.cat([logq.gather(1, ids_NK), tail], 1)
    return (torch.special.xlogy(p, p) - p * logq).sum(1)


def prune(teacher, keep: list[int]):
    """A copy of the teacher with only the layers ``keep``."""
    student = copy.deepcopy(teacher)
    student.model.layers = torch.nn.ModuleList([student.model.layers[i] for i in keep])
    for number, layer in enumerate(student.model.layers):
        layer.self_attn.layer_idx = number
    student.config.num_hidden_layers = len(keep)
    return student


@torch.no_grad()
def held_out_kl(teacher, student, examples) -> float:
    """Mean forward KL over the full vocabulary, in nats a label token."""
    kls = []
    for ids, prompt_length in examples:
        logp = label_logits(teacher, ids, prompt_length).log_softmax(1)
        logq = label_logits(student, ids, prompt_length).log_softmax(1)
        kls.append((logp.exp() * (logp - logq)).sum(1))
    return torch.cat(kls).mean().item()


def main(
    name: str, words: int = 64, epochs: int = 3, k: int = 64, max_new_tokens: int = 40
) -> tuple[float, float]:
    random.seed(0)
    torch.manual_seed(0)
    teacher, tokenizer = load(name)
    examples = answer(teacher, tokenizer, WORDS[:words], max_new_tokens)
    held_out, train = examples[: words // 8], examples[words // 8 :]
    cached = [targets(teacher, ids, length, k) for ids, length in train]

    layers = len(teacher.model.layers)
    student = prune(teacher, sorted({0, 1, 2, *range(3, layers, 2), layers - 2, layers - 1}))
    before = held_out_kl(teacher, student, held_out)
    optimizer = torch.optim.AdamW(student.parameters(), lr=3e-4, weight_decay=0)
    for epoch in range(epochs):
        order = random.sample(range(len(train)), len(train))
        for start in range(0, len(order), 4):
            batch = order[start : start + 4]
            tokens = sum(len(cached[i][0]) for i in batch)  # every label token counts the same
            for i in batch:
                loss = sparse_kl(label_logits(student, *train[i]), *cached[i]).sum() / tokens
                loss.backward()
            torch.nn.utils.clip_grad_norm_(student.parameters(), 1.0)
            optimizer.step()
            optimizer.zero_grad()
        print(
            f"epoch {epoch + 1}: held-out KL {held_out_kl(teacher, student, held_out):.2f}, was {before:.2f}"
        )
    return before, held_out_kl(teacher, student, held_out)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(sys.argv[1])
