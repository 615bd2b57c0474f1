"""The saving of a student's other files, in words."""

from __future__ import annotations

from dataclasses import replace

from inbond.report.small_file import SmallFile
from inbond.report.small_files import COLUMNS, shown

FILE = SmallFile(
    "edge-q8_0.gguf", "llama.cpp", 42_900_000, 0.967, 0.0025, 181, 440.0, 75_000_000, "cannot be read here",
    teacher="big.gguf", teacher_bytes=98_400_000, teacher_tokens_per_s=110.0,
    teacher_memory_bytes=150_000_000, teacher_energy="cannot be read here",
    speedup=4.0, speedup_rounds=(3.5, 4.25),
)  # fmt: skip


def _row(file: SmallFile) -> dict[str, object]:
    told = shown([file])
    assert told is not None
    return dict(zip(COLUMNS, told["table"].rows[0], strict=True))


def test_size_memory_speed_and_energy_stand_beside_the_teachers() -> None:
    row = _row(FILE)
    assert row["#Size"] == "42.9 MB beside 98.4 MB (0.44×)"
    assert row["#Memory"] == "75.0 MB beside 150.0 MB (0.50×)"
    assert row["#Tokens/s"] == "440 tokens/s beside 110 tokens/s (4.00×)"
    assert row["#Times its teacher"] == "4.00× (3.50 to 4.25 by rounds, big.gguf)"
    assert row["Energy"] == "cannot be read here; teacher: cannot be read here"


def test_a_teacher_that_is_only_an_api_is_said_to_be_one() -> None:
    alone = replace(
        FILE, teacher=None, teacher_bytes=None, teacher_tokens_per_s=None, teacher_memory_bytes=None,
        speedup=None, alone="the weights of api:x/y are not here, only its API", memory_bytes=None,
    )  # fmt: skip
    row = _row(alone)
    assert row["#Times its teacher"] == "not measured: the weights of api:x/y are not here, only its API"
    assert row["#Size"] == "42.9 MB"
    assert row["#Memory"] == "not measured"
    assert shown([]) is None
