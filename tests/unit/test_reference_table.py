"""The reference's table, line by line: every text is on file with its version, its evidence mark and its
stance towards training on outputs; every name and every host leads to the text that the table gives."""

from __future__ import annotations

from datetime import date

import pytest

from inbond.policy import library, weights
from inbond.policy.licences import ids, parse
from inbond.policy.obligations import (
    Display,
    FieldOfUse,
    NamePrefix,
    NoCompete,
    Obligation,
    Territory,
    Threshold,
)
from inbond.policy.schema import Reading, Terms
from inbond.types import parse_model_name

S, L = "LicenseRef-scancode-", "LicenseRef-inbond-"
SILENT, EXPRESS, COMP, NC, NO = "silent", "express", "competing-only", "non-commercial", "prohibited"
COND, UNCLEAR, SERVICE = "conditional", "unclear", "service"

# row of the reference, id, version (its beginning), evidence mark and quoters, stance on outputs
ROWS = [
    ("1", S + "llama-2-license-2023", "2023-07-18", "F", NO),
    ("2", L + "llama-3-license-2024", "2024-04-18", "F", NO),
    ("3", S + "llama-3.1-license-2024", "2024-07-23", "F", COND),
    ("3", S + "llama-3.2-license-2024", "2024-09-25", "F", COND),
    ("3", S + "llama-3.3-license-2024", "2024-12-06", "F", COND),
    ("4", S + "llama-4-cla-2025", "2025-04-05", "F", COND),
    ("5", S + "bigscience-rail-1.0", "1.0 (2022-05-19)", "F", COND),
    ("6", S + "bigscience-open-rail-m", "OpenRAIL-M", "F", COND),
    ("7", S + "bigcode-open-rail-m-v1", "v1", "F", COND),
    ("8", S + "gemma-tou-2024-04-01", "2024-04-01", "F", COND),
    ("8", S + "gemma-tou-2025-03-24", "2025-03-24", "F", COND),
    ("8", L + "gemma-tou-2026-04-01", "2026-04-01", "S3", COND),
    ("9, 10, 17, 21, 38, 39", "Apache-2.0", "2.0", "F", SILENT),
    ("11", S + "qwen-2024", "2024-09-19", "F", COND),
    ("12", L + "qwen-research", "as quoted", "S3", NC),
    ("13", L + "qwen3.8-max", "2026-08", "S2", UNCLEAR),
    ("13", L + "qwen-community-1.0", "2026-08", "S2", UNCLEAR),
    ("14", S + "deepseek-la-1.0", "1.0 (2023-10-23)", "F", COND),
    ("15, 29, 38", "MIT", "the one text", "F", SILENT),
    ("15", L + "deepseek-r1-card", "as read", "D", EXPRESS),
    ("16", L + "deepseek-open-platform-2026-04-29", "2026-04-29", "S10", EXPRESS),
    ("18", L + "mistral-mrl-0.1", "0.1", "S2", NC),
    ("18", L + "mistral-mnpl-0.1", "0.1", "S2", NC),
    ("19", L + "mistral-medium-3.5", "as quoted", "S1", UNCLEAR),
    ("20", L + "mistral-commercial-2026-09-25", "2026-09-25", "S1", COND),
    ("21", L + "gpt-oss-usage-policy", "2025-08", "S3", SILENT),
    ("22", L + "openai-api-2026-01-01", "2026-01-01", "S8", COMP),
    ("23", S + "openai-tou-20241211", "2024-12-11", "F", COMP),
    ("23", L + "chatgpt-tou-2026-01-01", "2026-01-01", "S", COMP),
    ("24", L + "anthropic-api-2025-09-15", "Commercial Terms 2025-06-17, Usage Policy 2025-09-15", "S6", NO),
    ("24", L + "anthropic-api-2026-11-12", "Commercial Terms 2025-06-17, Usage Policy as re-worded", "S", NO),
    ("25", L + "gemini-api-2024-02-15", "2024-02-15", "D", COMP),
    ("25", L + "gemini-api-2024-12-13", "2024-12-13", "D", COMP),
    ("25", L + "gemini-api-2026-03-23", "2026-03-23", "S5", COMP),
    ("26", L + "xai-enterprise", "undated", "S2", NO),
    ("26", L + "xai-consumer", "undated", "D", NO),
    ("26", L + "grok2-community", "as quoted", "S2", NO),
    ("27", L + "alibaba-model-studio-2026-09-23", "2026-09-23", "S2", COMP),
    ("28", S + "moonshot-ai-modified-mit-2025", "2025", "F", SILENT),
    ("28b", L + "kimi-k3", "as quoted", "S3", UNCLEAR),
    ("28b", L + "kimi-openplatform-2026-07-30", "2026-07-30", "S3", COMP),
    ("29", L + "glm-5.3", "as quoted", "S2", COND),
    ("29", L + "zai-api-2026-04-14", "2026-04-14", "S2", NO),
    ("30", L + "minimax-m3", "as quoted", "S2", UNCLEAR),
    ("30", L + "minimax-api-2026-03-30", "2026-03-30", "S2", UNCLEAR),
    ("31", S + "nvidia-open-model-2025-04-28", "2025-04-28", "F", COND),
    ("31b", L + "nvidia-nemotron-open-model-2025-12-15", "2025-12-15", "S3", SILENT),
    ("32", S + "falcon-2-11b-1.0", "1.0", "F", COND),
    ("33", S + "exaone-ai-model-1.1-nc", "1.1-NC", "F", NO),
    ("34", S + "tencent-hunyuan-3d-2.0-cla", "3D 2.0", "F", NO),
    ("34", L + "tencent-hunyuan-llm", "as quoted", "S1", NO),
    ("35", S + "stability-ai-community-2024", "2024", "F", COND),
    ("36", "CC-BY-NC-4.0", "4.0", "R", NC),
    ("36", L + "cohere-aup", "as listed", "R", COND),
    ("36", L + "cohere-api", "not read", "R", UNCLEAR),
    ("37", "OpenMDW-1.0", "1.0", "F", EXPRESS),
    ("40", L + "amazon-bedrock", "undated", "D", COMP),
    ("40", L + "ai21-api", "undated", "D", COMP),
    ("41", L + "openrouter-tos-2026-08-31", "2026-08-31", "D", COND),
    ("42", L + "baidu-ai-cloud-2026-08", "2026-08", "S1", COMP),
]

DATA = [
    "ODC-By-1.0", "CC0-1.0", "CDLA-Permissive-2.0", "CC-BY-3.0", "CC-BY-4.0", "CC-BY-SA-3.0", "CC-BY-SA-4.0",
    "CC-BY-NC-3.0", "CC-BY-NC-4.0", "CC-BY-NC-SA-3.0", "CC-BY-NC-SA-4.0", "CC-BY-ND-4.0", "CC-BY-NC-ND-4.0",
    "Unlicense", "BSD-2-Clause", "BSD-3-Clause", "Apache-2.0", "MIT",
]  # fmt: skip

HOSTS = {
    "api.openai.com": "openai-api-2026-01-01",
    "chatgpt.com": "chatgpt-tou-2026-01-01",
    "api.anthropic.com": "anthropic-api-2026-11-12",
    "generativelanguage.googleapis.com": "gemini-api-2026-03-23",
    "api.x.ai": "xai-enterprise",
    "api.deepseek.com": "deepseek-open-platform-2026-04-29",
    "dashscope.aliyuncs.com": "alibaba-model-studio-2026-09-23",
    "dashscope-intl.aliyuncs.com": "alibaba-model-studio-2026-09-23",
    "qianfan.baidubce.com": "baidu-ai-cloud-2026-08",
    "api.mistral.ai": "mistral-commercial-2026-09-25",
    "api.z.ai": "zai-api-2026-04-14",
    "open.bigmodel.cn": "zai-api-2026-04-14",
    "api.moonshot.ai": "kimi-openplatform-2026-07-30",
    "api.moonshot.cn": "kimi-openplatform-2026-07-30",
    "api.minimax.io": "minimax-api-2026-03-30",
    "openrouter.ai": "openrouter-tos-2026-08-31",
    "bedrock-runtime.eu-central-1.amazonaws.com": "amazon-bedrock",
    "api.ai21.com": "ai21-api",
}

DIFFERS = weights.DIFFERS
G24, G25 = S + "gemma-tou-2024-04-01", S + "gemma-tou-2025-03-24"
DSLA, DS_CARD = S + "deepseek-la-1.0", f"MIT AND {L}deepseek-r1-card"
# a name as the Hub has it, its licence
NAMES = {
    "meta-llama/Llama-2-70b-chat-hf": S + "llama-2-license-2023",
    "meta-llama/Meta-Llama-3-70B": L + "llama-3-license-2024",
    "meta-llama/Llama-3.1-405B": S + "llama-3.1-license-2024",
    "meta-llama/Meta-Llama-3.1-8B": S + "llama-3.1-license-2024",
    "meta-llama/Llama-3.2-3B": S + "llama-3.2-license-2024",
    "meta-llama/Llama-3.2-90B-Vision": S + "llama-3.2-license-2024",
    "meta-llama/Llama-3.3-70B-Instruct": S + "llama-3.3-license-2024",
    "meta-llama/Llama-4-Maverick-17B-128E": S + "llama-4-cla-2025",
    "bigscience/bloom": S + "bigscience-rail-1.0",
    "bigscience/bloomz-560m": S + "bigscience-rail-1.0",
    "bigcode/starcoder": S + "bigcode-open-rail-m-v1",
    "bigcode/starcoder2-3b": S + "bigcode-open-rail-m-v1",
    "google/gemma-2b": G24,
    "google/gemma-7b-it": G24,
    "google/gemma-2-2b": G24,
    "google/gemma-3-1b-it": G25,
    "google/gemma-3n-E4B-it": G25,
    "google/embeddinggemma-300m": G25,
    "google/gemma-4-27b-it": "Apache-2.0",
    **{f"Qwen/Qwen2.5-{size}": "Apache-2.0" for size in ("0.5B", "1.5B", "7B", "14B-Instruct", "32B")},
    "Qwen/Qwen3-0.6B": "Apache-2.0",
    "Qwen/Qwen3.5-9B": "Apache-2.0",
    "Qwen/Qwen3.6-27B": "Apache-2.0",
    "Qwen/Qwen3.8-27B": "Apache-2.0",
    "Qwen/Qwen2.5-72B-Instruct": S + "qwen-2024",
    "Qwen/Qwen2.5-3B-Instruct": L + "qwen-research",
    "Qwen/Qwen2.5-Coder-3B": L + "qwen-research",
    **{f"Qwen/Qwen2.5-Coder-{size}": "Apache-2.0" for size in ("0.5B", "1.5B", "7B-Instruct", "14B", "32B")},
    "Qwen/Qwen2.5-VL-7B-Instruct": "Apache-2.0",
    "Qwen/Qwen2.5-VL-3B-Instruct": L + "qwen-research",
    "Qwen/Qwen-Image-2.1": L + "qwen-research",
    "Qwen/Qwen3.8-Max": L + "qwen3.8-max",
    "deepseek-ai/DeepSeek-V2": DSLA,
    "deepseek-ai/DeepSeek-V3": DSLA,
    "deepseek-ai/DeepSeek-V3-Base": DSLA,
    "deepseek-ai/deepseek-coder-6.7b-base": DSLA,
    "deepseek-ai/DeepSeek-V3-0324": "MIT",
    "deepseek-ai/DeepSeek-V3.1": "MIT",
    "deepseek-ai/DeepSeek-V4": "MIT",
    "deepseek-ai/DeepSeek-R1": DS_CARD,
    "deepseek-ai/DeepSeek-R1-0528": DS_CARD,
    "mistralai/Mistral-Large-Instruct-2407": L + "mistral-mrl-0.1",
    "mistralai/Mistral-Large-Instruct-2411": L + "mistral-mrl-0.1",
    "mistralai/Codestral-22B-v0.1": L + "mistral-mnpl-0.1",
    "mistralai/Mistral-Medium-3.5-128B": L + "mistral-medium-3.5",
    "mistralai/Mistral-Small-3.2-24B-Instruct-2506": "Apache-2.0",
    "mistralai/Mistral-Small-4-119B-2603": "Apache-2.0",
    "mistralai/Mistral-Large-3-675B-Instruct-2512": "Apache-2.0",
    "mistralai/Ministral-3-14B-Base-2512": "Apache-2.0",
    "openai/gpt-oss-20b": f"Apache-2.0 AND {L}gpt-oss-usage-policy",
    "xai-org/grok-2": L + "grok2-community",
    "moonshotai/Kimi-K2-Thinking": S + "moonshot-ai-modified-mit-2025",
    "moonshotai/Kimi-K3": L + "kimi-k3",
    "zai-org/GLM-4.5-Air": "MIT",
    "zai-org/GLM-4.6": "MIT",
    "zai-org/GLM-5.3": L + "glm-5.3",
    "zai-org/GLM-5.3-Flash": "MIT",
    "MiniMaxAI/MiniMax-M3": L + "minimax-m3",
    "nvidia/Nemotron-4-340B-Base": DIFFERS,
    "nvidia/Cosmos-Reason1-7B": S + "nvidia-open-model-2025-04-28",
    "tiiuae/falcon-11B": S + "falcon-2-11b-1.0",
    "LGAI-EXAONE/EXAONE-3.5-2.4B-Instruct": S + "exaone-ai-model-1.1-nc",
    "LGAI-EXAONE/EXAONE-4.0-32B": DIFFERS,
    "tencent/Hunyuan-A13B-Instruct": L + "tencent-hunyuan-llm",
    "tencent/Hunyuan3D-2mini": S + "tencent-hunyuan-3d-2.0-cla",
    "stabilityai/stablelm-zephyr-3b": DIFFERS,
    "CohereForAI/c4ai-command-r-plus": f"CC-BY-NC-4.0 AND {L}cohere-aup",
    "microsoft/phi-2": "MIT",
    "microsoft/Phi-3-mini-4k-instruct": "MIT",
    "microsoft/phi-4": "MIT",
    "microsoft/Phi-4-mini-instruct": "MIT",
    "HuggingFaceTB/SmolLM-135M": "Apache-2.0",
    "HuggingFaceTB/SmolLM2-360M-Instruct": "Apache-2.0",
    "HuggingFaceTB/SmolLM3-3B": "Apache-2.0",
    "allenai/OLMo-2-1124-7B": "Apache-2.0",
    "allenai/OLMo-2-1124-7B-Instruct": f"Apache-2.0 AND {G24}",
    "allenai/OLMoE-1B-7B-0924-Instruct": f"Apache-2.0 AND {G24}",
    "ibm-granite/granite-3.3-8b-instruct": "Apache-2.0",
    "mosaicml/mpt-30b-chat": "CC-BY-NC-SA-4.0",
    "mosaicml/mpt-30b-instruct": "CC-BY-SA-3.0",
}

BASES = {
    "DeepSeek-R1-Distill-Llama-8B": "hf:meta-llama/Llama-3.1-8B",
    "DeepSeek-R1-Distill-Llama-70B": "hf:meta-llama/Llama-3.3-70B-Instruct",
    "DeepSeek-R1-Distill-Qwen-1.5B": "hf:Qwen/Qwen2.5-Math-1.5B",
    "DeepSeek-R1-Distill-Qwen-7B": "hf:Qwen/Qwen2.5-Math-7B",
    "DeepSeek-R1-Distill-Qwen-14B": "hf:Qwen/Qwen2.5-14B",
    "DeepSeek-R1-Distill-Qwen-32B": "hf:Qwen/Qwen2.5-32B",
}

# the clauses whose numbers the reference gives
CLAUSES = [
    (S + "llama-2-license-2023", "s.1.b.v"), (L + "llama-3-license-2024", "s.1.b.v"),
    (L + "llama-3-license-2024", "s.2"),
    (S + "bigscience-rail-1.0", "para. 5"), (S + "bigscience-rail-1.0", "Att. A(8)"),
    (S + "bigscience-rail-1.0", "Att. A(12)"), (S + "bigscience-rail-1.0", "Att. A(13)"),
    (S + "bigscience-open-rail-m", "Att. A(l)"), (S + "bigscience-open-rail-m", "Att. A(m)"),
    (S + "bigcode-open-rail-m-v1", "para. 4"), (S + "gemma-tou-2024-04-01", "s.3.2"),
    (S + "gemma-tou-2025-03-24", "s.3.2"), (S + "qwen-2024", "s.4"), (S + "qwen-2024", "s.5.b"),
    (L + "deepseek-open-platform-2026-04-29", "s.4.2(2)"),
    (L + "deepseek-open-platform-2026-04-29", "s.4.2(3)"), (L + "mistral-mnpl-0.1", "s.3.2"),
    (L + "mistral-commercial-2026-09-25", "s.3.3"), (L + "openai-api-2026-01-01", "s.3.3(e)"),
    (L + "anthropic-api-2026-11-12", "Commercial Terms D.4"), (L + "xai-enterprise", "s.3.2"),
    (L + "alibaba-model-studio-2026-09-23", "4.48(d)(v)"), (L + "kimi-openplatform-2026-07-30", "3.4(5)"),
    (L + "zai-api-2026-04-14", "additional terms 1.xii"), (S + "exaone-ai-model-1.1-nc", "s.3.1"),
    (S + "exaone-ai-model-1.1-nc", "s.4.2"), (S + "tencent-hunyuan-3d-2.0-cla", "s.5.b"),
    (L + "openrouter-tos-2026-08-31", "s.5.1"), (L + "baidu-ai-cloud-2026-08", "3A.5"),
]  # fmt: skip

COPIED = {"s.3.2", "s.5.b"}
"""Numbers of the same clause in the version, or the sister text, that was read: Gemma, Hunyuan."""

MAU, MONTH, YEAR = "monthly-active-users", "monthly-revenue-usd", "annual-revenue-usd"
META, FALCON_LINE = (MAU, 700_000_000, "deny"), "built using Falcon LLM technology from TII"
QWEN_LINES = ("Built with Qwen", "Improved using Qwen")
# every typed value among the obligations of a text, on any topic
VALUES = {
    S + "llama-2-license-2023": {META},
    L + "llama-3-license-2024": {META, "Llama 3", ("Built with Meta Llama 3",)},  # META: s.2 of the text
    S + "llama-3.1-license-2024": {META, "Llama", ("Built with Llama",)},
    **{
        S + id_: {META, "Llama", ("Built with Llama",), (("EU",), "multimodal")}
        for id_ in ("llama-3.2-license-2024", "llama-3.3-license-2024", "llama-4-cla-2025")
    },
    S + "qwen-2024": {QWEN_LINES, (MAU, 100_000_000, "deny")},
    L + "qwen-research": {QWEN_LINES},
    L + "qwen3.8-max": {
        (MAU, 100_000_000, "obligation"), (MONTH, 20_000_000, "obligation"), (YEAR, 50_000_000, "review"),
    },
    L + "qwen-community-1.0": {(MAU, 100_000_000, "obligation"), (MONTH, 20_000_000, "obligation")},
    L + "mistral-medium-3.5": {(MONTH, 20_000_000, "deny")},
    S + "moonshot-ai-modified-mit-2025": {
        (MAU, 100_000_000, "obligation"), (MONTH, 20_000_000, "obligation"),
    },
    L + "kimi-k3": {(YEAR, 20_000_000, "review")},
    L + "glm-5.3": {(YEAR, 10_000_000_000, "review")},
    L + "minimax-m3": {("Built with MiniMax M3",)},
    S + "nvidia-open-model-2025-04-28": {("Built on NVIDIA Cosmos",)},
    S + "falcon-2-11b-1.0": {(FALCON_LINE,)},
    S + "stability-ai-community-2024": {(YEAR, 1_000_000, "review"), ("Powered by Stability AI",)},
    S + "tencent-hunyuan-3d-2.0-cla": {(("EU", "GB", "KR"), None)},
    L + "tencent-hunyuan-llm": {(("EU", "GB", "KR"), None)},
    S + "bigscience-rail-1.0": {
        frozenset({"automated-decisions", "medical", "justice", "law-enforcement", "immigration", "asylum"})
    },
    S + "bigscience-open-rail-m": {frozenset({"medical", "justice"})},
    S + "deepseek-la-1.0": {frozenset({"military"})},
    L + "alibaba-model-studio-2026-09-23": {"products-and-services"},
    **{
        id_: {"models"}
        for _, id_, _, _, stance in ROWS
        if stance == COMP and id_ != L + "alibaba-model-studio-2026-09-23"
    },
}  # fmt: skip


def readings(text: Terms) -> list[Reading]:
    positions = [p for p in (text.outputs, text.derived_weights, text.training_data) if p is not None]
    return [reading for p in positions for reading in (p, *p.exceptions)]


def value_of(item: Obligation) -> object:
    match item:
        case NamePrefix():
            return item.prefix
        case Display():
            return item.show
        case Threshold():
            return item.metric, item.above, item.then
        case Territory():
            return item.excluded, item.only_for
        case FieldOfUse():
            return frozenset(item.forbidden) or None
        case NoCompete():
            return item.scope
    return None


@pytest.mark.parametrize("id_", library.shipped().terms.terms)
def test_every_number_place_name_and_line_is_the_references(id_: str) -> None:
    text = library.shipped().terms.terms[id_]
    found = {value_of(item) for each in readings(text) for item in each.obligations}
    assert found - {None} == VALUES.get(id_, set())


@pytest.mark.parametrize(("id_", "number"), CLAUSES)
def test_every_clause_that_the_reference_numbers_is_listed(id_: str, number: str) -> None:
    assert number in {clause.number for clause in library.shipped().terms.terms[id_].clauses}


def test_no_other_clause_of_a_text_that_was_not_read_has_a_number() -> None:
    for id_, text in library.shipped().terms.terms.items():
        if text.evidence in ("S", "R"):
            numbered = {clause.number for clause in text.clauses if clause.number.startswith(("s.", "Att"))}
            assert numbered <= {number for known, number in CLAUSES if known == id_} | COPIED, id_


@pytest.mark.parametrize("row", ROWS, ids=[f"{row[0]}: {row[1]}" for row in ROWS])
def test_every_row_is_on_file_as_the_reference_has_it(row: tuple[str, str, str, str, str]) -> None:
    _, id_, version, mark, stance = row
    text = library.shipped().terms.terms[id_]
    assert text.version.startswith(version)
    assert f"{text.evidence}{text.quoted_by or ''}" == mark
    assert text.outputs is not None
    assert text.outputs.stance == stance
    assert text.read_on == date(2026, 11, 21)
    if text.effective is not None and text.kind == SERVICE:
        assert text.effective.isoformat() in text.version


def test_no_text_is_on_file_that_no_row_accounts_for() -> None:
    ours = {L + "own-work", DIFFERS}
    assert set(library.shipped().terms.terms) == {row[1] for row in ROWS} | set(DATA) | ours


def test_every_number_of_the_table_has_a_row() -> None:
    numbers = {number for row in ROWS for number in row[0].split(", ")}
    assert numbers == {*(str(n) for n in range(1, 43)), "28b", "31b"}


@pytest.mark.parametrize("id_", DATA)
def test_every_data_licence_speaks_of_training_on_the_text(id_: str) -> None:
    assert library.shipped().terms.terms[id_].training_data is not None


def test_a_services_terms_speak_of_outputs_alone() -> None:
    """The reference is silent on what they say of weights and of text as data: those are reviews."""
    for text in library.shipped().terms.terms.values():
        if text.kind == SERVICE:
            assert text.outputs is not None
            assert (text.derived_weights, text.training_data) == (None, None)


@pytest.mark.parametrize(("host", "id_"), HOSTS.items())
def test_every_host_has_its_terms(host: str, id_: str) -> None:
    row = library.shipped().hosts.find(host)
    assert row is not None
    assert row.terms == L + id_
    assert library.shipped().terms.terms[row.terms].kind == SERVICE


@pytest.mark.parametrize(("name", "licence"), NAMES.items())
def test_every_name_in_the_wild_has_its_licence(name: str, licence: str) -> None:
    model = weights.shipped().named(parse_model_name(f"hf:{name}"))
    assert model is not None
    assert model.licence == licence
    expression = parse(licence)
    assert expression is not None
    assert all(id_ in library.shipped().terms.terms for id_ in ids(expression))


@pytest.mark.parametrize(("name", "base"), BASES.items())
def test_a_distilled_r1_is_mit_on_the_base_that_its_card_names(name: str, base: str) -> None:
    model = weights.shipped().named(parse_model_name(f"hf:deepseek-ai/{name}"))
    assert model is not None
    assert (model.licence, model.bases) == ("MIT", (base,))


def test_every_licence_in_the_registry_is_a_text_on_file() -> None:
    registry = weights.shipped()
    for model in (*registry.by_name.values(), *registry.by_prefix.values(), *registry.by_digest.values()):
        expression = parse(model.licence)
        assert expression is not None
        assert all(id_ in library.shipped().terms.terms for id_ in ids(expression)), model.title
