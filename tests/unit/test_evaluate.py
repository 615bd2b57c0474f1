"""Evaluation: agreement by the written-out formula, samples, speeds."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from inbond.evaluate import agreement, samples, speed
from inbond.evaluate.intervals import RecordSums
from inbond.teachers.tokens import encode_record
from inbond.types import Message, Record
from tests.tiny import make_model, make_tokenizer, save_tiny

TOKENIZER = make_tokenizer()
V = len(TOKENIZER)
SEQUENCES = [
    encode_record(TOKENIZER, Record((Message("user", f"w {i}"),), "a river is water " * (1 + i % 3)))
    for i in range(20)
]


def written_out(teacher: torch.nn.Module, student: torch.nn.Module) -> tuple[float, float]:
    kls, agrees = [], []
    with torch.inference_mode():
        for sequence in SEQUENCES:
            rows = slice(sequence.prompt_length - 1, -1)
            logp, logq = (
                model(torch.tensor([sequence.ids])).logits[0, rows, :V].double().log_softmax(1)
                for model in (teacher, student)
            )
            kls.append((logp.exp() * (logp - logq)).sum(1))
            agrees.append(logp.argmax(1) == logq.argmax(1))
    return torch.cat(kls).mean().item(), torch.cat(agrees).double().mean().item()


def test_the_standard_error_takes_records_for_units() -> None:
    """Repeating each record's tokens adds nothing that was not known: the error stays as it is."""
    values = (1.0, 2.0, 4.0, 3.0)
    by_token = RecordSums(values, (0,) * 4, (1,) * 4).stderr
    assert by_token == pytest.approx(torch.tensor(values).std().item() / 2)
    repeated = RecordSums(tuple(5 * value for value in values), (0,) * 4, (5,) * 4)
    assert repeated.stderr == pytest.approx(by_token)
    assert RecordSums((10.0,), (0,), (4,)).stderr == 0


def test_answers_to_one_prompt_count_as_one() -> None:
    """Measuring every record twice under its prompt's name shows nothing new: the same error, not a smaller
    one."""
    teacher, student = make_model(V), make_model(V, layers=2, seed=1)
    names, settings = [f"prompt {row}" for row in range(len(SEQUENCES))], {"vocabulary": V, "pad_id": 0}
    once = agreement.measure(agreement.prepare(teacher, SEQUENCES, **settings), student)
    twice = agreement.measure(
        agreement.prepare(teacher, [*SEQUENCES, *SEQUENCES], **settings, units=[*names, *names]), student
    )
    assert len(twice.records) == len(SEQUENCES)
    assert twice.records.tokens == tuple(2 * tokens for tokens in once.records.tokens)
    assert twice.records.kl == pytest.approx([2 * kl for kl in once.records.kl], rel=1e-4)
    assert twice.kl_stderr == pytest.approx(once.kl_stderr, rel=1e-4)
    apart = agreement.measure(agreement.prepare(teacher, [*SEQUENCES, *SEQUENCES], **settings), student)
    assert apart.kl_stderr < 0.8 * once.kl_stderr


@pytest.mark.parametrize("padding", [0, 9])
def test_agreement_is_the_written_out_one(padding: int) -> None:
    teacher, student = make_model(V, padding=padding), make_model(V, layers=2, seed=1)
    held = agreement.prepare(teacher, SEQUENCES, vocabulary=V, pad_id=0)
    found = agreement.measure(held, student)
    kl, agree = written_out(teacher, student)
    assert found.kl == pytest.approx(kl, rel=1e-4)
    assert found.agreement == pytest.approx(agree, abs=2 / found.tokens)
    assert found.tokens == sum(sequence.labels for sequence in SEQUENCES)
    assert 0 < found.kl_stderr < found.kl
    itself = agreement.measure(held, teacher)
    assert itself.kl == pytest.approx(0, abs=1e-5)
    assert itself.agreement == 1


def test_text_loss_is_the_cross_entropy_of_the_labels() -> None:
    student = make_model(V)
    losses = []
    with torch.inference_mode():
        for sequence in SEQUENCES:
            logits = student(torch.tensor([sequence.ids])).logits[0, sequence.prompt_length - 1 : -1]
            labels = torch.tensor(sequence.ids[sequence.prompt_length :])
            losses.append(torch.nn.functional.cross_entropy(logits, labels, reduction="none"))
    found = agreement.text_loss(student, SEQUENCES, vocabulary=V, pad_id=0)
    assert found == pytest.approx(torch.cat(losses).mean().item(), rel=1e-4)


def test_greedy_samples_do_not_depend_on_their_company() -> None:
    model = make_model(V)
    prompts = [sequence.ids[: sequence.prompt_length] for sequence in SEQUENCES[:3]]
    prompts[1] = (*prompts[1], 7, 8, 9)
    together = samples.greedy(model, TOKENIZER, prompts, 6)
    apart = [samples.greedy(model, TOKENIZER, [prompt], 6)[0] for prompt in prompts]
    assert together == apart


def test_speeds_and_sizes(tmp_path: Path) -> None:
    small, large = make_model(V, layers=1), make_model(V, layers=12)
    speeds = speed.decode_speeds([small, large], SEQUENCES[0].ids[:4])
    assert speeds[0] > speeds[1] > 0
    folder = save_tiny(tmp_path / "tiny")
    size = speed.size(make_model(V), [folder / "model.safetensors"])
    assert size.parameters == sum(p.numel() for p in make_model(V).parameters())
    assert size.file_bytes == (folder / "model.safetensors").stat().st_size


@pytest.mark.slow
def test_memory_is_measured_in_a_process_of_its_own(tmp_path: Path) -> None:
    model = make_model(200_000, layers=1)  # 25.6 MB of embeddings
    model.save_pretrained(tmp_path / "wide")
    folders = [tmp_path / "wide", save_tiny(tmp_path / "tiny"), tmp_path / "nothing"]
    used, tiny, nothing = speed.peak_memory(folders, [1, 5, 6])
    assert used is not None
    assert tiny is not None
    assert 20e6 < used - tiny < 200e6
    assert nothing is None
