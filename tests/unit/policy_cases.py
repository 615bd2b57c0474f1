"""The gate's case law: each case is a sentence that a lawyer could read, the plan, and the right answer.

A case names the plan by the names that people use (registry and hosts included), the outcome, and what
must be found in the decision: a source with its clause or words of a finding, kinds of obligations (all
that are due, where given as ``only``), and what is missing. Defaults are the most demanding plan: a
general model from scratch, trained on the teacher's outputs, commercial, weights handed out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

Outcome = str
PERMIT, DUTIES, REVIEW, DENY = "permit", "permit-with-obligations", "review", "deny"


@dataclass(frozen=True)
class Case:
    """``said``: words of some finding; ``source``: (id, clause) of some reason; ``due``: kinds of
    obligations among those due; ``not_due``: kinds that must not be; ``missing``: words of a gap."""

    sentence: str
    plan: dict[str, Any]
    outcome: Outcome
    source: tuple[str, str] | None = None
    said: str = ""
    due: tuple[str, ...] = ()
    not_due: tuple[str, ...] = ()
    missing: str = ""


def _plan(teacher: str, **changes: Any) -> dict[str, Any]:
    return {"teacher": teacher, "base": "none", **changes}


LLAMA2, LLAMA3 = "hf:meta-llama/Llama-2-7b-hf", "hf:meta-llama/Meta-Llama-3-8B-Instruct"
LLAMA31, LLAMA33 = "hf:meta-llama/Llama-3.1-8B-Instruct", "hf:meta-llama/Llama-3.3-70B-Instruct"
LLAMA32, VISION = "hf:meta-llama/Llama-3.2-1B-Instruct", "hf:meta-llama/Llama-3.2-11B-Vision-Instruct"
LLAMA4 = "hf:meta-llama/Llama-4-Scout-17B-16E"
GEMMA2, GEMMA3, GEMMA4 = "hf:google/gemma-2-9b-it", "hf:google/gemma-3-4b-it", "hf:google/gemma-4-12b-it"
QWEN7, QWEN72, QWEN3B = "hf:Qwen/Qwen2.5-7B-Instruct", "hf:Qwen/Qwen2.5-72B-Instruct", "hf:Qwen/Qwen2.5-3B"
V3, V3LATER = "hf:deepseek-ai/DeepSeek-V3", "hf:deepseek-ai/DeepSeek-V3-0324"
R1, R1_LLAMA = "hf:deepseek-ai/DeepSeek-R1", "hf:deepseek-ai/DeepSeek-R1-Distill-Llama-8B"
R1_LLAMA70 = "hf:deepseek-ai/DeepSeek-R1-Distill-Llama-70B"
R1_QWEN = "hf:deepseek-ai/DeepSeek-R1-Distill-Qwen-14B"
BLOOM, PHI, SMOL = "hf:bigscience/bloomz-7b1", "hf:microsoft/phi-4", "hf:HuggingFaceTB/SmolLM2-1.7B-Instruct"
OLMO, OLMO_INSTRUCT = "hf:allenai/OLMo-2-1124-13B", "hf:allenai/OLMo-2-1124-13B-Instruct"
TULU, EXAONE = "hf:allenai/Llama-3.1-Tulu-3-8B", "hf:LGAI-EXAONE/EXAONE-3.5-7.8B-Instruct"
HUNYUAN, KIMI = "hf:tencent/Hunyuan-7B-Instruct", "hf:moonshotai/Kimi-K2-Instruct"
MISTRAL_LARGE, COMMAND_R = "hf:mistralai/Mistral-Large-Instruct-2411", "hf:CohereForAI/c4ai-command-r-v01"
GLM, GROK = "hf:zai-org/GLM-4.6", "hf:xai-org/grok-2"
GPT4O, CLAUDE = "api:api.openai.com/gpt-4o-2024-08-06", "api:api.anthropic.com/claude-x"
GEMINI, GROK_API = "api:generativelanguage.googleapis.com/gemini-x", "api:api.x.ai/grok-4"
DEEPSEEK_API = "api:api.deepseek.com/deepseek-chat"

L2, L3 = "LicenseRef-scancode-llama-2-license-2023", "LicenseRef-inbond-llama-3-license-2024"
L31 = "LicenseRef-scancode-llama-3.1-license-2024"
OPENAI = "LicenseRef-inbond-openai-api-2026-01-01"
ANTHROPIC = "LicenseRef-inbond-anthropic-api-2026-11-12"
RAIL, DSLA = "LicenseRef-scancode-bigscience-rail-1.0", "LicenseRef-scancode-deepseek-la-1.0"
G24, G25 = "LicenseRef-scancode-gemma-tou-2024-04-01", "LicenseRef-scancode-gemma-tou-2025-03-24"
QWEN_L = "LicenseRef-scancode-qwen-2024"
DEEPSEEK_T = "LicenseRef-inbond-deepseek-open-platform-2026-04-29"
NAMING = "naming, as summarised"

PERMISSIVE = [
    Case("Apache-2.0 says nothing of outputs: training on them is free, and the verdict calls it silence.",
         _plan(SMOL), PERMIT, ("Apache-2.0", "s.1"), "Silence is not permission in writing"),
    Case("MIT says nothing of outputs: training on them is free.", _plan(PHI), PERMIT, ("MIT", "permission")),
    Case("Whoever prunes an Apache-2.0 model hands on licence, change notice and notices with the weights.",
         _plan(SMOL, base="teacher"), DUTIES, ("Apache-2.0", "s.4"),
         due=("licence-copy", "change-notice", "notice")),
    Case("A pruned Apache-2.0 student behind a service owes nothing until its weights are handed out.",
         _plan(SMOL, base="teacher", release="service"), PERMIT, ("Apache-2.0", "s.4")),
    Case("A pruned Apache-2.0 student in house owes nothing.",
         _plan(SMOL, base="teacher", release="none"), PERMIT,
         said="the conditions begin when it is released"),
    Case("gpt-oss weights are under Apache-2.0, and whoever runs them owes OpenAI nothing for outputs.",
         _plan("hf:openai/gpt-oss-20b", competes="yes"), PERMIT, ("Apache-2.0", "s.1")),
    Case("Qwen2.5-7B is under Apache-2.0.", _plan(QWEN7), PERMIT, ("Apache-2.0", "s.1")),
    Case("Qwen3 is under Apache-2.0.", _plan("hf:Qwen/Qwen3-8B"), PERMIT, ("Apache-2.0", "s.1")),
    Case("Granite is under Apache-2.0, from memory, and the verdict says so.",
         _plan("hf:ibm-granite/granite-4.0-micro"), PERMIT, said="from memory, not checked"),
    Case("GLM-4.6 run on one's own machines is under MIT.", _plan(GLM), PERMIT, ("MIT", "permission")),
    Case("OpenMDW-1.0 says in words that outputs carry no obligations: express, not silent.",
         _plan("path:OpenMDW-1.0"), PERMIT, ("OpenMDW-1.0", "outputs, as summarised"), "expressly allowed"),
    Case("Weights made from OpenMDW materials keep the licence and the notices of origin.",
         _plan("path:OpenMDW-1.0", base="teacher"), DUTIES, due=("licence-copy", "notice")),
    Case("An Apache-2.0 teacher may feed a medical model.", _plan(SMOL, domains=["medical"]), PERMIT),
    Case("An Apache-2.0 teacher may feed a competitor.", _plan(SMOL, competes="yes"), PERMIT),
    Case("An Apache-2.0 teacher may serve a billion people.", _plan(SMOL, mau=10**9), PERMIT),
    Case("No country is asked for where no text turns on it.", _plan(SMOL, territory=None), PERMIT),
]  # fmt: skip

LLAMA = [
    Case("Llama 2 outputs may not improve another language model.",
         _plan(LLAMA2), DENY, (L2, "s.1.b.v"), "This is forbidden."),
    Case("Not even for research.", _plan(LLAMA2, use="research", release="none"), DENY, (L2, "s.1.b.v")),
    Case("Not even in house.", _plan(LLAMA2, use="internal", release="none"), DENY, (L2, "s.1.b.v")),
    Case("Llama 2 outputs may improve a student that starts from Llama 2 weights.",
         _plan(LLAMA2, base="teacher"), DUTIES, (L2, "s.1.b.v"), "is excepted from the ban",
         due=("licence-copy", "notice", "pass-through", "threshold")),
    Case("Llama 2 outputs may improve a student that starts from another Llama 2.",
         _plan(LLAMA2, base="hf:meta-llama/Llama-2-13b-hf"), DUTIES, (L2, "s.1.b.v")),
    Case("Llama 2 outputs may not improve a student that starts from Llama 3.1.",
         _plan(LLAMA2, base=LLAMA31), DENY, (L2, "s.1.b.v")),
    Case("Llama 2 outputs may not improve a student that starts from Qwen.",
         _plan(LLAMA2, base=QWEN7), DENY, (L2, "s.1.b.v")),
    Case("Whether Llama 2 outputs may train a classifier is not defined: a person decides.",
         _plan(LLAMA2, kind="classifier"), REVIEW, (L2, "s.1.b.v"), "is not defined"),
    Case("Llama 3.0 kept the ban.", _plan(LLAMA3), DENY, (L3, "s.1.b.v"), "dropped this"),
    Case("A student that starts from Llama 3 weights may learn from it, under a name that begins so.",
         _plan(LLAMA3, base="teacher"), DUTIES, (L3, NAMING),
         due=("name-prefix", "display", "licence-copy")),
    Case("One version flips the verdict: Llama 3.1 outputs may train another model that begins with Llama.",
         _plan(LLAMA31), DUTIES, (L31, NAMING), due=("name-prefix", "threshold", "field-of-use")),
    Case("Outputs of Llama 3.1 do not call for Built with Llama: that goes with the Materials.",
         _plan(LLAMA31), DUTIES, not_due=("display", "licence-copy", "notice")),
    Case("Weights made from Llama 3.1 do call for Built with Llama, the agreement and the notice.",
         _plan(LLAMA31, base="teacher"), DUTIES, due=("display", "licence-copy", "notice", "pass-through")),
    Case("Llama 3.1 outputs, distributed weights named Falcon-tiny, commercial: allowed, under another name.",
         _plan(LLAMA31, name="Falcon-tiny"), DUTIES, (L31, NAMING), "name it 'Llama-Falcon-tiny'",
         due=("name-prefix",), missing="a name that begins with 'Llama', such as 'Llama-Falcon-tiny'"),
    Case("A name that begins with Llama keeps the obligation.",
         _plan(LLAMA31, name="Llama-Falcon-tiny"), DUTIES, due=("name-prefix",)),
    Case("A name with Llama inside does not begin with it.",
         _plan(LLAMA31, name="Tiny-Llama"), DUTIES, said="does not begin with 'Llama'"),
    Case("A small l is another letter.",
         _plan(LLAMA31, name="llama-tiny"), DUTIES, said="does not begin with 'Llama'"),
    Case("A student in house needs no name.",
         _plan(LLAMA31, name="Falcon-tiny", release="none"), DUTIES, not_due=("name-prefix",)),
    Case("A student behind a service is not handed out, and needs no name.",
         _plan(LLAMA31, name="Falcon-tiny", release="service"), DUTIES, not_due=("name-prefix",)),
    Case("More than 700 million users: Meta grants nothing without a licence of its own.",
         _plan(LLAMA31, mau=700_000_001), DENY, (L31, NAMING), "above 700,000,000 monthly active users"),
    Case("700 million users are not more than 700 million.",
         _plan(LLAMA31, mau=700_000_000), DUTIES, not_due=("threshold",), said="stays within 700,000,000"),
    Case("An unstated number of users is an obligation, not a review.",
         _plan(LLAMA31), DUTIES, due=("threshold",)),
    Case("Llama 3.3 is as 3.1.", _plan(LLAMA33), DUTIES, due=("name-prefix",)),
    Case("Llama 3.3 is text alone, so its multimodal clause asks for no country.",
         _plan(LLAMA33, territory="FR"), DUTIES, not_due=("territory",)),
    Case("Llama 3.2 1B is text alone.", _plan(LLAMA32, territory="DE"), DUTIES, not_due=("territory",)),
    Case("Llama 3.2 Vision grants nothing to those domiciled in the EU.",
         _plan(VISION, territory="DE"), DENY, said="It grants nothing in EU. The plan is for DE."),
    Case("Llama 3.2 Vision in Japan: allowed.", _plan(VISION, territory="JP"), DUTIES, due=("territory",)),
    Case("Llama 3.2 Vision, and nobody says where: a person is asked for the country.",
         _plan(VISION), REVIEW, missing="the country that the plan is for"),
    Case("Llama 4 in the EU is denied.", _plan(LLAMA4, territory="IE"), DENY),
    Case("Llama 4 in the United Kingdom is not in the EU.", _plan(LLAMA4, territory="GB"), DUTIES),
    Case("Llama 4 in Norway is not in the EU.", _plan(LLAMA4, territory="NO"), DUTIES),
    Case("A folder whose card says llama3.2 may hold text or vision: in the EU a person must look.",
         _plan("path:llama3.2", territory="FR"), REVIEW,
         missing="whether the teacher is a multimodal model"),
    Case("A folder whose card says llama3.1 is under Llama 3.1.",
         _plan("path:llama3.1"), DUTIES, (L31, NAMING)),
    Case("A folder whose card says llama3 is under the ban.", _plan("path:llama3"), DENY, (L3, "s.1.b.v")),
    Case("Llama's use policy closes fields that have not been read: medical use is a person's decision.",
         _plan(LLAMA31, domains=["medical"]), REVIEW, missing="medical"),
    Case("Coding is an ordinary field.", _plan(LLAMA31, domains=["coding"]), DUTIES),
]  # fmt: skip

GEMMA_QWEN = [
    Case("A student of Gemma 3 is a Model Derivative, synthetic data included: the restrictions pass on.",
         _plan(GEMMA3), DUTIES, (G25, "definitions, as summarised"),
         due=("pass-through", "licence-copy", "change-notice", "notice", "field-of-use")),
    Case("Behind a service the restrictions of Gemma still bind users; copies are for those who get weights.",
         _plan(GEMMA3, release="service"), DUTIES, due=("pass-through",),
         not_due=("licence-copy", "notice")),
    Case("Gemma 2 is under the terms of 2024.", _plan(GEMMA2), DUTIES, (G24, "definitions, as summarised")),
    Case("One version flips the verdict: Gemma 4 is under Apache-2.0.",
         _plan(GEMMA4), PERMIT, ("Apache-2.0", "s.1")),
    Case("Gemma 4 through the Gemini API is under the terms of that API.",
         _plan(GEMMA4, channel="generativelanguage.googleapis.com"), REVIEW,
         ("LicenseRef-inbond-gemini-api-2026-03-23", "use restrictions, as summarised")),
    Case("Gemma 4 through the Gemini API for a competing model is denied.",
         _plan(GEMMA4, channel="generativelanguage.googleapis.com", competes="yes"), DENY),
    Case("Gemma for research keeps its obligations.",
         _plan(GEMMA3, use="research"), DUTIES, due=("pass-through",)),
    Case("A card that says gemma is under the Gemma terms.",
         _plan("path:gemma"), DUTIES, (G25, "definitions, as summarised")),
    Case("Qwen2.5-72B differs from its siblings: a distributed model shows where it comes from.",
         _plan(QWEN72), DUTIES, (QWEN_L, "s.5.b"), due=("display", "threshold")),
    Case("In house nothing is displayed for Qwen2.5-72B.",
         _plan(QWEN72, release="none"), DUTIES, not_due=("display",)),
    Case("Qwen2.5-72B above 100 million users needs a licence.", _plan(QWEN72, mau=100_000_001), DENY),
    Case("Qwen2.5-72B at 100 million users needs none.", _plan(QWEN72, mau=100_000_000), DUTIES),
    Case("What Qwen's licence of 2024 says of weights made from its weights has not been read.",
         _plan(QWEN72, base="teacher"), REVIEW, said="has not been read"),
    Case("Qwen2.5-3B is for research: commercial use is denied.", _plan(QWEN3B), DENY, said="Commercial use"),
    Case("Qwen2.5-3B for research: allowed, and displayed where it is handed out.",
         _plan(QWEN3B, use="research"), DUTIES, due=("non-commercial", "display")),
    Case("Whether use in a company's house is research is a person's decision.",
         _plan(QWEN3B, use="internal", release="none"), REVIEW, missing="whether the use is commercial"),
    Case("Qwen2.5-Coder-3B is research too.", _plan("hf:Qwen/Qwen2.5-Coder-3B-Instruct"), DENY),
    Case("Qwen2.5-32B is not Qwen2.5-3B.", _plan("hf:Qwen/Qwen2.5-32B-Instruct"), PERMIT),
    Case("A clause that others quote is said to be so, and changes nothing.",
         _plan(QWEN3B, use="research"), DUTIES, said="as 3 others quote it; the text itself was not read"),
]  # fmt: skip

DEEPSEEK = [
    Case("DeepSeek-V3 of December 2024 is under LICENSE-MODEL, not MIT: its restrictions pass on.",
         _plan(V3), DUTIES, (DSLA, "definitions, as summarised"),
         due=("pass-through", "licence-copy", "field-of-use")),
    Case("One version flips the verdict: DeepSeek-V3-0324 is under MIT.",
         _plan(V3LATER), PERMIT, ("MIT", "permission")),
    Case("LICENSE-MODEL closes military use.",
         _plan(V3, domains=["military"]), DENY, said="military (military use)"),
    Case("MIT does not.", _plan(V3LATER, domains=["military"]), PERMIT),
    Case("Weapons are not the word that LICENSE-MODEL is known to use: a person decides.",
         _plan(V3, domains=["weapons"]), REVIEW),
    Case("DeepSeek-R1's card allows distillation in words: express beside MIT's silence.",
         _plan(R1), PERMIT, ("LicenseRef-inbond-deepseek-r1-card", "licence section"), "expressly allowed"),
    Case("R1-Distill-Llama-8B is MIT on a Llama 3.1 base, whose name rule reaches what it writes.",
         _plan(R1_LLAMA), DUTIES, (L31, NAMING), due=("name-prefix",)),
    Case("R1-Distill-Llama-8B pruned: both licences apply to the weights.",
         _plan(R1_LLAMA, base="teacher"), DUTIES, (L31, "display, as summarised"),
         due=("display", "notice")),
    Case("R1-Distill-Llama-70B stands on Llama 3.3.",
         _plan(R1_LLAMA70), DUTIES, ("LicenseRef-scancode-llama-3.3-license-2024", NAMING)),
    Case("R1-Distill-Qwen-14B stands on Apache-2.0.", _plan(R1_QWEN), PERMIT, ("Apache-2.0", "s.1")),
    Case("DeepSeek's own API names distillation as permitted.",
         _plan(DEEPSEEK_API), PERMIT, (DEEPSEEK_T, "s.4.2(3)"), "model distillation by name"),
    Case("For a competing model too.", _plan(DEEPSEEK_API, competes="yes"), PERMIT, (DEEPSEEK_T, "s.4.2(3)")),
    Case("The API's terms are judged from the day they are in force.",
         _plan(DEEPSEEK_API, date="2026-04-28"), REVIEW, said="in force from 2026-04-29"),
    Case("On that day they are.", _plan(DEEPSEEK_API, date="2026-04-29"), PERMIT),
    Case("The same MIT weights on Baidu AI Cloud fall under its clause.",
         _plan(R1, channel="qianfan.baidubce.com"), REVIEW,
         ("LicenseRef-inbond-baidu-ai-cloud-2026-08", "3A.5"), "even for weights under MIT"),
    Case("There a competing model is denied.",
         _plan(R1, channel="qianfan.baidubce.com", competes="yes"), DENY),
    Case("A name on Baidu's host that tells no weights leaves the weights unknown as well.",
         _plan("api:qianfan.baidubce.com/deepseek-r1"), REVIEW,
         missing="a licence for api:qianfan.baidubce.com/"),
    Case("Known weights behind DeepSeek's API are judged beside its terms.",
         _plan(V3, channel="api.deepseek.com"), DUTIES, (DSLA, "definitions, as summarised"),
         due=("pass-through",)),
]  # fmt: skip

HOSTS = [
    Case("OpenAI's outputs may not train a competing model.",
         _plan(GPT4O, competes="yes"), DENY, (OPENAI, "s.3.3(e)")),
    Case("That it does not compete is only declared: the release of a general model is a person's decision.",
         _plan(GPT4O, competes="no"), REVIEW, (OPENAI, "s.3.3(e)"), "only declared not to be so"),
    Case("Nobody says whether it competes: a person's decision.",
         _plan(GPT4O), REVIEW, (OPENAI, "s.3.3(e)"), "is not said", missing="whether the model competes"),
    Case("Nor does research settle whether it competes.",
         _plan(GPT4O, use="research", competes="no"), REVIEW, (OPENAI, "s.3.3(e)")),
    Case("A classifier in house is OpenAI's permitted exception.",
         _plan(GPT4O, kind="classifier", use="internal", release="none"), DUTIES,
         (OPENAI, "Permitted Exception")),
    Case("An embedding model in house too.",
         _plan(GPT4O, kind="embedding", use="research", release="none"), DUTIES,
         (OPENAI, "Permitted Exception")),
    Case("A classifier that is handed out is not excepted.",
         _plan(GPT4O, kind="classifier", use="internal", release="weights"), REVIEW, (OPENAI, "s.3.3(e)")),
    Case("A classifier that is offered commercially is not excepted.",
         _plan(GPT4O, kind="classifier", use="commercial", release="service"), REVIEW,
         (OPENAI, "s.3.3(e)")),
    Case("A general model in house is not excepted.",
         _plan(GPT4O, use="internal", release="none"), REVIEW, (OPENAI, "s.3.3(e)")),
    Case("Before 2026 other terms of OpenAI were in force.",
         _plan(GPT4O, date="2025-12-31"), REVIEW, said="in force from 2026-01-01"),
    Case("The clause is known as eight others quote it, and that is said.",
         _plan(GPT4O, competes="yes"), DENY, said="as 8 others quote it"),
    Case("Anthropic bars training on outputs without authorisation.",
         _plan(CLAUDE), DENY, (ANTHROPIC, "Usage Policy, model training")),
    Case("For research too.", _plan(CLAUDE, use="research", release="none"), DENY),
    Case("For a model that does not compete too.", _plan(CLAUDE, competes="no"), DENY),
    Case("Its help centre speaks kindly of classifiers, its policy does not: a person decides.",
         _plan(CLAUDE, kind="classifier"), REVIEW, (ANTHROPIC, "help centre 12326764")),
    Case("The Gemini API bars competing models.", _plan(GEMINI, competes="yes"), DENY),
    Case("Whether one competes with the Gemini API is a person's finding.",
         _plan(GEMINI, competes="no"), REVIEW),
    Case("xAI bars training any AI system.",
         _plan(GROK_API), DENY, ("LicenseRef-inbond-xai-enterprise", "s.3.2")),
    Case("Grok 2 weights may not train other models.", _plan(GROK), DENY),
    Case("Whether a pruned Grok 2 is another model is unclear, its outputs are not: denied.",
         _plan(GROK, base="teacher"), DENY),
    Case("GLM weights are MIT, but Z.ai's API bars training any external model.",
         _plan(GLM, channel="api.z.ai"), DENY,
         ("LicenseRef-inbond-zai-api-2026-04-14", "additional terms 1.xii")),
    Case("Its Chinese host is under the same terms.", _plan(GLM, channel="open.bigmodel.cn"), DENY),
    Case("Qwen weights are Apache-2.0, but Model Studio's clause reaches every model that it serves.",
         _plan(QWEN7, channel="dashscope.aliyuncs.com", competes="yes"), DENY,
         ("LicenseRef-inbond-alibaba-model-studio-2026-09-23", "4.48(d)(v)")),
    Case("There, too, whether a product competes is a person's finding.",
         _plan(QWEN7, channel="dashscope-intl.aliyuncs.com", competes="no"), REVIEW),
    Case("The same Qwen weights self-hosted are free.", _plan(QWEN7, channel="self-hosted"), PERMIT),
    Case("OpenRouter leaves it to the model's own terms, which count in full.",
         _plan(R1, channel="openrouter.ai"), DUTIES,
         ("LicenseRef-inbond-openrouter-tos-2026-08-31", "s.5.1"), due=("pass-through",)),
    Case("Llama 3.0 through OpenRouter keeps its ban.",
         _plan(LLAMA3, channel="openrouter.ai"), DENY, (L3, "s.1.b.v")),
    Case("A model on OpenRouter that our registry does not know: its own terms are needed.",
         _plan("api:openrouter.ai/deepseek/deepseek-r1"), REVIEW,
         missing="a licence for api:openrouter.ai/"),
    Case("A host that is not listed is a person's decision, whatever the weights.",
         _plan(R1, channel="api.unheard-of.example"), REVIEW,
         missing="the terms of api.unheard-of.example"),
    Case("An API that only looks like OpenAI's is not.",
         _plan("api:api.openai.com.example.org/gpt-4o"), REVIEW),
    Case("A known host on another port is another service.", _plan("api:api.deepseek.com:8443/x"), REVIEW),
    Case("Port 443 is the one that all have.", _plan("api:api.deepseek.com:443/deepseek-chat"), PERMIT),
    Case("A host's letters are the same in capitals.", _plan("api:API.DeepSeek.com/deepseek-chat"), PERMIT),
    Case("A host named with a Cyrillic letter matches nothing.",
         _plan("api:арi.deepseek.com/deepseek-chat"), REVIEW),
    Case("Bedrock in a region is Bedrock: a text that is not on file, or one on competition.",
         _plan(LLAMA31, channel="bedrock-runtime.eu-west-1.amazonaws.com"), REVIEW),
    Case("A proprietary model said to be self-hosted is a model of unknown licence.",
         _plan(GPT4O, channel="self-hosted"), REVIEW, missing="a licence for api:api.openai.com"),
]  # fmt: skip

USES = [
    Case("What descends from BLOOM may not give medical advice.",
         _plan(BLOOM, domains=["medical"]), DENY, (RAIL, "definitions, as summarised"),
         "medical advice, or interpreting medical results"),
    Case("Nor serve justice.", _plan(BLOOM, domains=["justice"]), DENY),
    Case("Nor law enforcement.", _plan(BLOOM, domains=["law-enforcement"]), DENY),
    Case("Nor immigration.", _plan(BLOOM, domains=["immigration"]), DENY),
    Case("Nor asylum.", _plan(BLOOM, domains=["asylum"]), DENY),
    Case("Nor decide about people by itself.", _plan(BLOOM, domains=["automated-decisions"]), DENY),
    Case("One closed field among open ones closes the plan.",
         _plan(BLOOM, domains=["coding", "asylum"]), DENY),
    Case("A word that is on no list might be a synonym: a person decides.",
         _plan(BLOOM, domains=["health-care"]), REVIEW, missing="health-care"),
    Case("Military use is not on what was read of BLOOM's list: a person decides.",
         _plan(BLOOM, domains=["military"]), REVIEW),
    Case("Without a declared field the restriction is an obligation, passed on.",
         _plan(BLOOM), DUTIES, due=("pass-through", "field-of-use", "licence-copy", "change-notice")),
    Case("Translation is an ordinary field.", _plan(BLOOM, domains=["translation"]), DUTIES),
    Case("The restrictions of BLOOM reach a student in house too.",
         _plan(BLOOM, release="none"), DUTIES, due=("field-of-use",), not_due=("pass-through",)),
    Case("EXAONE's output may not improve other models.",
         _plan(EXAONE), DENY, ("LicenseRef-scancode-exaone-ai-model-1.1-nc", "s.3.1")),
    Case("Not for research either.", _plan(EXAONE, use="research"), DENY),
    Case("Hunyuan's output may not improve other models.", _plan(HUNYUAN, territory="JP"), DENY),
    Case("What Hunyuan's licence says of weights made from its weights has not been read.",
         _plan(HUNYUAN, base="teacher", territory="JP"), REVIEW, said="is excepted from the ban"),
    Case("Hunyuan's outputs may not be used in South Korea, not even on Hunyuan.",
         _plan(HUNYUAN, base="teacher", territory="KR"), DENY, said="The plan is for KR."),
    Case("Nor in the United Kingdom.", _plan(HUNYUAN, base="teacher", territory="GB"), DENY),
    Case("Nor in the EU.", _plan(HUNYUAN, base="teacher", territory="ES"), DENY),
    Case("Mistral Large is for research: commercial use is denied.", _plan(MISTRAL_LARGE), DENY),
    Case("Research is allowed, outputs included.",
         _plan(MISTRAL_LARGE, use="research"), DUTIES, due=("non-commercial",)),
    Case("Mistral Small 3 is under Apache-2.0.", _plan("hf:mistralai/Mistral-Small-3.1-24B"), PERMIT),
    Case("Command R is non-commercial.",
         _plan(COMMAND_R), DENY, ("CC-BY-NC-4.0", "non-commercial, as summarised")),
    Case("Command R for research is allowed, from memory, and that is said.",
         _plan(COMMAND_R, use="research"), DUTIES, said="From memory; not checked against the text."),
    Case("Kimi K2's outputs are free.", _plan(KIMI, mau=10**9), PERMIT),
    Case("A large product on Kimi K2's weights shows its name.",
         _plan(KIMI, base="teacher", mau=200_000_000), DUTIES, due=("threshold",),
         said="above 100,000,000 monthly active users"),
    Case("A small one does not.",
         _plan(KIMI, base="teacher", mau=1000, revenue_usd=1e6), DUTIES, not_due=("threshold",)),
    Case("A year's revenue above twelve times the monthly limit is above it in some month.",
         _plan(KIMI, base="teacher", mau=1, revenue_usd=240_000_001), DUTIES, due=("threshold",),
         said="above 20,000,000 US dollars of revenue a month"),
    Case("A year's revenue between the two cannot tell a month's: it stays an obligation.",
         _plan(KIMI, base="teacher", mau=1, revenue_usd=100_000_000), DUTIES, due=("threshold",)),
    Case("A year's revenue within one month's limit is below it in all.",
         _plan(KIMI, base="teacher", mau=1, revenue_usd=20_000_000), DUTIES, not_due=("threshold",)),
]  # fmt: skip

BASES_AND_CARDS = [
    Case("OLMo 2, base: Apache-2.0 alone.", _plan(OLMO), PERMIT, ("Apache-2.0", "s.1")),
    Case("OLMo 2 Instruct: the same licence field, and the Gemma terms besides.",
         _plan(OLMO_INSTRUCT), DUTIES, (G24, "definitions, as summarised"),
         due=("pass-through", "licence-copy")),
    Case("Tulu 3 carries the terms of Llama 3.1, Gemma and Qwen.",
         _plan(TULU), DUTIES, (QWEN_L, "s.5.b"), due=("name-prefix", "pass-through", "display")),
    Case("An Apache-2.0 teacher with a Llama 3.1 base: the student starts from Llama weights.",
         _plan(SMOL, base=LLAMA31), DUTIES, (L31, "display, as summarised"),
         due=("display", "name-prefix")),
    Case("An Apache-2.0 teacher with a base for research only: commercial use is denied.",
         _plan(SMOL, base=QWEN3B), DENY),
    Case("An Apache-2.0 teacher with a base of unknown licence is a person's decision.",
         _plan(SMOL, base="hf:nobody/model"), REVIEW, missing="a licence for hf:nobody/model"),
    Case("Another organisation's SmolLM2 matches nothing.",
         _plan("hf:someone/SmolLM2-1.7B-Instruct"), REVIEW),
    Case("Another organisation's Llama matches nothing.", _plan("hf:meta-llama-x/Llama-3.1-8B"), REVIEW),
    Case("Other capitals are another name.", _plan("hf:qwen/Qwen2.5-7B-Instruct"), REVIEW),
    Case("A look-alike letter is another name.", _plan("hf:Qwеn/Qwen2.5-7B-Instruct"), REVIEW),
    Case("A proposed revision is not the model.", _plan(QWEN7 + "@refs/pr/7"), REVIEW),
    Case("The main revision is.", _plan(QWEN7 + "@main"), PERMIT),
    Case("A card that says other says nothing.", _plan("path:other"), REVIEW, missing="a reading of other"),
    Case("A card that says nothing leaves the licence unknown.",
         _plan("path:"), REVIEW, missing="a licence for"),
    Case("A licence without a text on file is a person's decision.", _plan("path:GPL-3.0-only"), REVIEW),
    Case("A choice between MIT and an unknown text is a person's decision.",
         _plan("path:MIT OR LicenseRef-x"), REVIEW),
    Case("MIT and Llama 3 together: the ban holds.", _plan("path:MIT AND llama3"), DENY),
    Case("A choice between MIT and Llama 3 is settled by MIT.", _plan("path:MIT OR llama3"), PERMIT),
    Case("A service's terms are no licence of weights.",
         _plan(f"path:{OPENAI}"), REVIEW, said="only as a service's"),
]  # fmt: skip

DATA = [
    Case("One's own data changes nothing.", _plan(SMOL, data=["mine.jsonl=own"]), PERMIT),
    Case("MIT data changes nothing.", _plan(SMOL, data=["d=MIT"]), PERMIT),
    Case("Data without a known licence is a person's decision.",
         _plan(SMOL, data=["hf:x/sharegpt=unknown"]), REVIEW),
    Case("CC-BY data is attributed.",
         _plan(SMOL, data=["d=CC-BY-4.0"]), DUTIES, ("CC-BY-4.0", "attribution, as summarised"),
         due=("notice", "change-notice")),
    Case("CC-BY-SA data hands its licence on.",
         _plan(SMOL, data=["d=CC-BY-SA-4.0"]), DUTIES, ("CC-BY-SA-4.0", "share-alike, as summarised"),
         due=("pass-through", "notice")),
    Case("CC-BY-SA data in house hands on nothing.",
         _plan(SMOL, data=["d=CC-BY-SA-4.0"], release="none"), PERMIT),
    Case("CC-BY-NC data denies a commercial student.",
         _plan(SMOL, data=["hf:tatsu-lab/alpaca=CC-BY-NC-4.0"]), DENY,
         ("CC-BY-NC-4.0", "non-commercial, as summarised")),
    Case("It allows a student for research.",
         _plan(SMOL, data=["d=CC-BY-NC-4.0"], use="research"), DUTIES, due=("non-commercial",)),
    Case("In house is neither: a person decides.",
         _plan(SMOL, data=["d=CC-BY-NC-4.0"], use="internal"), REVIEW),
    Case("ODC-By covers the database, not its contents, which gpt-4o may have written: a person decides.",
         _plan(SMOL, data=["hf:allenai/olmOCR-mix-0225=ODC-By-1.0"]), REVIEW,
         ("ODC-By-1.0", "scope, as summarised"), "was written by gpt-4o"),
    Case("The worst data decides.", _plan(SMOL, data=["a=MIT", "b=CC-BY-NC-4.0"]), DENY),
    Case("Data under a text for models says nothing of data.",
         _plan(SMOL, data=["d=llama3.1"]), REVIEW, said="training on the text has not been read"),
    Case("Share-alike data and non-commercial data cannot share one outgoing licence: named, and a person's.",
         _plan(SMOL, data=["a=CC-BY-SA-4.0", "b=CC-BY-NC-4.0"], use="research"), REVIEW,
         said="CC-BY-SA-4.0, which a is under, asks for itself as the student's licence; CC-BY-NC-4.0"),
    Case("Nothing is handed out, nothing conflicts.",
         _plan(SMOL, data=["a=CC-BY-SA-4.0", "b=CC-BY-NC-4.0"], use="research", release="none"), DUTIES),
    Case("Share-alike data cannot carry Gemma's restrictions.",
         _plan(GEMMA3, data=["a=CC-BY-SA-4.0"]), REVIEW, missing="leave one of the two out"),
    Case("Share-alike goes with Apache-2.0 and with itself.",
         _plan(SMOL, base="teacher", data=["a=CC-BY-SA-4.0", "b=CC-BY-SA-4.0"]), DUTIES),
    Case("Gemma's restrictions and non-commercial data fit into one licence.",
         _plan(GEMMA3, data=["a=CC-BY-NC-4.0"], use="research"), DUTIES),
    Case("Data cannot save a denied teacher.", _plan(LLAMA2, data=["mine.jsonl=own"]), DENY),
]  # fmt: skip

_OURS = {
    "parties": ["OpenAI OpCo, LLC", "Our Company"], "teacher": GPT4O,
    "from": "2026-01-01", "until": "2026-12-31",
    "digest": "sha256:" + "0" * 64,
    "scope": {"use": ["commercial"], "release": ["weights"], "topics": ["outputs"]},
}  # fmt: skip


def _agreed(**changes: Any) -> list[dict[str, Any]]:
    scope = {**_OURS["scope"], **changes.pop("scope", {})}  # type: ignore[dict-item]
    return [{**_OURS, **changes, "scope": scope}]


AGREEMENTS = [
    Case("A written agreement with OpenAI lifts the denial of a competing model.",
         _plan(GPT4O, competes="yes", agreements=_agreed()), DUTIES, (OPENAI, "s.3.3(e)"),
         "lifts that for this plan", due=("agreement",)),
    Case("And the review.",
         _plan(GPT4O, agreements=_agreed()), DUTIES, due=("agreement",), not_due=("no-compete",)),
    Case("Not for another of its models.",
         _plan("api:api.openai.com/gpt-5", competes="yes", agreements=_agreed()), DENY,
         said=f"does not lift this: it is about {GPT4O}"),
    Case("Not for another use.",
         _plan(GPT4O, competes="yes", use="research", agreements=_agreed()), DENY,
         said="it covers commercial use"),
    Case("Not for another release.",
         _plan(GPT4O, competes="yes", release="service", agreements=_agreed()), DENY,
         said="it covers release: weights"),
    Case("Not before it begins.",
         _plan(GPT4O, competes="yes", agreements=_agreed(**{"from": "2026-12-01"})), DENY,
         said="the plan is not within that time"),
    Case("Not after it ends.",
         _plan(GPT4O, competes="yes", agreements=_agreed(until="2026-11-20")), DENY,
         said="the plan is not within that time"),
    Case("On its last day it holds.",
         _plan(GPT4O, competes="yes", agreements=_agreed(until="2026-11-21")), DUTIES),
    Case("Not for a plan of another day.",
         _plan(GPT4O, competes="yes", date="2027-01-01", agreements=_agreed()), DENY),
    Case("An agreement without OpenAI among its parties lifts nothing of OpenAI's.",
         _plan(GPT4O, competes="yes", agreements=_agreed(parties=["A friend", "Our Company"])), DENY,
         said="OpenAI is none of its parties"),
    Case("A provider's name inside another word is another name.",
         _plan(EXAONE, agreements=_agreed(parties=["Algo Inc.", "We"], teacher=EXAONE)), DENY,
         said="LG is none of its parties"),
    Case("LG's agreement lifts what its licence forbids.",
         _plan(EXAONE, agreements=_agreed(parties=["LG AI Research", "We"], teacher=EXAONE)), DUTIES,
         due=("agreement",)),
    Case("Where two texts apply, an agreement must name the one that it stands in for.",
         _plan("path:MIT AND llama3", agreements=_agreed(
             parties=["Meta", "We"], teacher="path:MIT AND llama3")),
         DENY, said=f"it does not stand in for {L3}"),
    Case("Named, it lifts that one.",
         _plan("path:MIT AND llama3", agreements=_agreed(
             parties=["Meta", "We"], teacher="path:MIT AND llama3", scope={"terms": [L3]})),
         DUTIES, (L3, "s.1.b.v"), due=("agreement",)),
    Case("An agreement that names the weights' licence lifts it behind a host as well.",
         _plan(LLAMA2, channel="openrouter.ai",
               agreements=_agreed(parties=["Meta", "We"], teacher=LLAMA2, scope={"terms": [L2]})),
         DUTIES, due=("agreement", "pass-through")),
    Case("An agreement on weights says nothing of outputs.",
         _plan(GPT4O, competes="yes", agreements=_agreed(scope={"topics": ["derived_weights"]})), DENY,
         said="it is about derived_weights"),
    Case("An agreement on other terms does not stand in for these.",
         _plan(GPT4O, competes="yes", agreements=_agreed(scope={"terms": [ANTHROPIC]})), DENY,
         said=f"it does not stand in for {OPENAI}"),
    Case("Meta's agreement lifts the ban of Llama 2.",
         _plan(LLAMA2, agreements=_agreed(parties=["Meta Platforms, Inc.", "We"], teacher=LLAMA2)), DUTIES,
         due=("agreement",)),
    Case("It does not lift what a student's other base forbids.",
         _plan(LLAMA2, base=QWEN3B, agreements=_agreed(parties=["Meta", "We"], teacher=LLAMA2)), DENY),
    Case("An agreement with the host does not lift what the weights' licence says.",
         _plan(LLAMA2, channel="qianfan.baidubce.com",
               agreements=_agreed(parties=["Baidu", "We"], teacher=LLAMA2)),
         DENY, (L2, "s.1.b.v")),
    Case("An agreement never stands in for terms that nobody has read.",
         _plan("hf:nobody/model", agreements=_agreed(parties=["Nobody", "We"], teacher="hf:nobody/model")),
         REVIEW),
    Case("Nor for a host whose terms nobody knows.",
         _plan("api:nobody.example/model", agreements=_agreed(teacher="api:nobody.example/model")), REVIEW),
    Case("An agreement that is not needed changes nothing.",
         _plan(SMOL, agreements=_agreed()), PERMIT, not_due=("agreement",)),
    Case("Anthropic's authorisation lifts its denial.",
         _plan(CLAUDE, agreements=_agreed(parties=["Anthropic PBC", "We"], teacher=CLAUDE)), DUTIES,
         due=("agreement",)),
]  # fmt: skip

CASES = [
    *PERMISSIVE, *LLAMA, *GEMMA_QWEN, *DEEPSEEK, *HOSTS, *USES, *BASES_AND_CARDS, *DATA, *AGREEMENTS,
]  # fmt: skip
