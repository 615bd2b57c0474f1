"""In which other formats a student is handed out: the section ``export`` of a recipe."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from inbond.recipes.sections.base import Positive, Section


class Export(Section):
    """Each file is checked against the student, measured beside its teacher, and signed."""

    gguf: tuple[Literal["q8_0", "q4_0", "q4_1", "f16"], ...] = Field(
        (), description="types of GGUF files, for llama.cpp and what is built on it"
    )
    onnx: bool = Field(False, description="an ONNX file, for onnxruntime")
    prompts: Positive = Field(8, description="held-out prompts on which a file is compared with the student")
    tokens: Annotated[int, Field(ge=4)] = Field(24, description="tokens of each answer to them")
