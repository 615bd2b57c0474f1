"""More of the gate's case law: the edges at which a verdict tips. Same form as ``policy_cases``.

A name that says more is never judged more mildly, an agreement lifts what it names and no more, and a text is
judged as it is on the plan's day.
"""

from __future__ import annotations

from tests.unit.policy_cases import (
    BLOOM,
    CLAUDE,
    DENY,
    DUTIES,
    EXAONE,
    GEMINI,
    GEMMA3,
    GPT4O,
    KIMI,
    L3,
    LLAMA2,
    LLAMA3,
    LLAMA4,
    LLAMA31,
    PERMIT,
    QWEN3B,
    QWEN7,
    QWEN72,
    RAIL,
    REVIEW,
    SMOL,
    VISION,
    Case,
    _agreed,
    _plan,
)

_I = "LicenseRef-inbond-"
NEMOTRON, MISTRAL_API = "hf:nvidia/Nemotron-H-8B-Base-8K", "api:api.mistral.ai/mistral-large-latest"

REVISIONS = [
    Case("A revision of Llama 3 is never judged more mildly than Llama 3: denied.",
         _plan("hf:meta-llama/Meta-Llama-3-8B@8cde5ca"), DENY, (L3, "s.1.b.v"),
         "this revision is not in our registry"),
    Case("A revision of a model under Apache-2.0 is a person's decision.",
         _plan(QWEN7 + "@8cde5ca"), REVIEW, ("Apache-2.0", "s.1"), missing="a licence for"),
    Case("A student that starts from a revision of a research model is denied commercial use too.",
         _plan(SMOL, base=QWEN3B + "@8cde5ca"), DENY),
    Case("A revision of a model that nobody knows is a model that nobody knows.",
         _plan("hf:nobody/model@8cde5ca"), REVIEW, missing="a licence for hf:nobody/model@8cde5ca"),
    Case("A revision of R1-Distill-Llama keeps its Llama base in sight.",
         _plan("hf:deepseek-ai/DeepSeek-R1-Distill-Llama-8B@8cde5ca"), REVIEW, due=("name-prefix",)),
]  # fmt: skip

DATES = [
    Case("Before Llama 3 came out its ban is no milder.",
         _plan(LLAMA3, date="2024-04-17"), DENY, (L3, "s.1.b.v"), "in force from 2024-04-18"),
    Case("Before Llama 3.1 came out its grant is a person's decision.",
         _plan(LLAMA31, date="2024-07-22"), REVIEW, said="in force from 2024-07-23"),
    Case("Anthropic's text of September 2025 denies what its text of November 2026 does.",
         _plan(CLAUDE, date="2026-10-01"), DENY,
         (_I + "anthropic-api-2025-09-15", "Usage Policy, model training")),
    Case("Before any of Anthropic's texts on file the one that is on file still denies.",
         _plan(CLAUDE, date="2025-01-01"), DENY, said="in force from 2026-11-12"),
    Case("The Gemini API of June 2025 was under its text of December 2024: competing is denied.",
         _plan(GEMINI, date="2025-06-01", competes="yes"), DENY,
         (_I + "gemini-api-2024-12-13", "use restrictions, as summarised")),
    Case("The Gemini API of March 2024 was under its text of February 2024.",
         _plan(GEMINI, date="2024-03-01", competes="yes"), DENY,
         (_I + "gemini-api-2024-02-15", "use restrictions, as summarised")),
    Case("A plan long after a text was read is told so.",
         _plan(LLAMA31, date="2027-06-01"), DUTIES, said="it may have changed by 2027-06-01"),
]  # fmt: skip

PRECISION = [
    Case("Anthropic's help centre is kind to classifiers that do not compete: one that does is denied.",
         _plan(CLAUDE, kind="classifier", competes="yes"), DENY,
         (_I + "anthropic-api-2026-11-12", "Usage Policy, model training")),
    Case("One that is said not to compete is a person's decision.",
         _plan(CLAUDE, kind="classifier", competes="no"), REVIEW,
         (_I + "anthropic-api-2026-11-12", "help centre 12326764")),
    Case("Llama 3 counts users too: above 700 million today, a person says whether it was so at its release.",
         _plan(LLAMA3, base="teacher", mau=800_000_000), REVIEW, (L3, "s.1.b.v"),
         "the calendar month before 2024-04-18", due=("threshold",)),
    Case("Whoever says no number is told Llama 3's threshold.",
         _plan(LLAMA3, base="teacher"), DUTIES, due=("threshold",)),
    Case("Qwen2.5-72B counts today's users, so above its number it denies.",
         _plan(QWEN72, mau=200_000_000), DENY),
    Case("What is proposed is a name that a repository can have.",
         _plan(LLAMA3, base="teacher", name="Falcon"), DUTIES, said="name it 'Llama-3-Falcon'"),
    Case("Mistral's API for a medical text model: no clause of it closes a field of use.",
         _plan(MISTRAL_API, domains=["medical"]), DUTIES, due=("conduct",)),
    Case("Réunion is France: Llama 3.2 Vision grants nothing there.",
         _plan(VISION, territory="RE"), DENY, said="You are based in RE."),
    Case("So are Guadeloupe, French Guiana, Martinique, Mayotte and Saint-Martin.",
         _plan(VISION, territory="GP"), DENY),
    Case("Åland is Finland.", _plan(LLAMA4, territory="AX"), DENY),
    Case("New Caledonia is France and not the Union.", _plan(LLAMA4, territory="NC"), DUTIES),
    Case("Qwen2.5-Coder is of Qwen's Apache line.", _plan("hf:Qwen/Qwen2.5-Coder-7B-Instruct"), PERMIT),
    Case("In all of its sizes but 3B.", _plan("hf:Qwen/Qwen2.5-Coder-32B"), PERMIT),
]  # fmt: skip

SERVICES = [
    Case("Llama's weights behind a service: the line, the agreement and the name.",
         _plan(LLAMA31, base="teacher", release="service"), DUTIES,
         due=("display", "licence-copy", "name-prefix"), not_due=("notice",)),
    Case("In house none of these.",
         _plan(LLAMA31, base="teacher", release="none"), DUTIES,
         not_due=("display", "licence-copy", "name-prefix")),
    Case("A service with outputs of Qwen2.5-72B shows where they come from.",
         _plan(QWEN72, release="service"), DUTIES, due=("display",)),
    Case("A hosted model is a distribution of BLOOM's: the licence goes along.",
         _plan(BLOOM, release="service"), DUTIES, due=("pass-through", "licence-copy", "change-notice")),
    Case("Llama 2 asks for its agreement to be given to whoever it is made available to.",
         _plan(LLAMA2, base="teacher", release="service"), DUTIES, due=("licence-copy",),
         not_due=("notice",)),
]  # fmt: skip

SHARE_ALIKE = [
    Case("CC-BY-NC and CC-BY-NC-SA share CC-BY-NC-SA.",
         _plan(SMOL, use="research", data=["a=CC-BY-NC-4.0", "b=CC-BY-NC-SA-4.0"]), DUTIES),
    Case("CC-BY-SA 3.0 may be adapted under 4.0.",
         _plan(SMOL, data=["a=CC-BY-SA-3.0", "b=CC-BY-SA-4.0"]), DUTIES),
    Case("So may CC-BY-NC-SA 3.0.",
         _plan(SMOL, use="research", data=["a=CC-BY-NC-SA-3.0", "b=CC-BY-NC-SA-4.0"]), DUTIES),
    Case("CC-BY-SA and CC-BY-NC share none.",
         _plan(SMOL, use="research", data=["a=CC-BY-SA-4.0", "b=CC-BY-NC-4.0"]), REVIEW,
         missing="leave one of the two out"),
    Case("Nor do CC-BY-SA and CC-BY-NC-SA.",
         _plan(SMOL, use="research", data=["a=CC-BY-SA-4.0", "b=CC-BY-NC-SA-4.0"]), REVIEW),
    Case("Share-alike takes no further restriction, not even where it is non-commercial.",
         _plan(GEMMA3, use="research", data=["b=CC-BY-NC-SA-4.0"]), REVIEW),
]  # fmt: skip


def _with(teacher: str, *parties: str, **scope: object) -> list[dict[str, object]]:
    """An agreement on one teacher's texts with these parties."""
    return _agreed(parties=[*parties, "We"], teacher=teacher, scope=scope)


AGREEMENTS = [
    Case("A name alone tells no text of Nemotron's: no agreement stands in for what was not read.",
         _plan(NEMOTRON, agreements=_with(NEMOTRON, "NVIDIA", terms=[_I + "differs-by-checkpoint"])), REVIEW,
         said="nobody has read the text"),
    Case("BLOOM's closed fields stay closed under an agreement that does not name them.",
         _plan(BLOOM, domains=["medical"], agreements=_with(BLOOM, "BigScience")), DENY,
         (RAIL, "definitions, as summarised"), "it does not name medical (scope.domains)"),
    Case("Named, medical is open, and what else the list closes is still to be kept.",
         _plan(BLOOM, domains=["medical"], agreements=_with(BLOOM, "BigScience", domains=["medical"])),
         DUTIES, (RAIL, "definitions, as summarised"), due=("agreement", "field-of-use", "pass-through")),
    Case("One named field does not open another.",
         _plan(BLOOM, domains=["medical", "justice"],
               agreements=_with(BLOOM, "BigScience", domains=["medical"])), DENY, said="medical, justice"),
    Case("A place that Llama 4 leaves out stays out.",
         _plan(LLAMA4, territory="DE", mau=800_000_000, agreements=_with(LLAMA4, "Meta")), DENY,
         said="DE (scope.territories)"),
    Case("Named, the place is in, and the number of users is still a question.",
         _plan(LLAMA4, territory="DE", mau=800_000_000,
               agreements=_with(LLAMA4, "Meta", territories=["EU"])), REVIEW,
         said="but for what it does not name: monthly active users above 700,000,000 (scope.thresholds)"),
    Case("With both named it is allowed.",
         _plan(LLAMA4, territory="DE", mau=800_000_000, agreements=_with(
             LLAMA4, "Meta", territories=["DE"], thresholds={"monthly-active-users": 1_000_000_000})),
         DUTIES, due=("agreement", "territory", "threshold", "name-prefix")),
    Case("More users than it names are not granted.",
         _plan(QWEN72, mau=300_000_000, agreements=_with(
             QWEN72, "Alibaba", thresholds={"monthly-active-users": 200_000_000})), DENY),
    Case("As many are.",
         _plan(QWEN72, mau=200_000_000, agreements=_with(
             QWEN72, "Alibaba", thresholds={"monthly-active-users": 200_000_000})), DUTIES,
         due=("agreement",)),
    Case("Leave for commercial use does not open the fields of the same text.",
         _plan(EXAONE, domains=["medical"], agreements=_with(EXAONE, "LG")), DUTIES, due=("agreement",)),
    Case("Meta-Analysis is not Meta.",
         _plan(LLAMA2, agreements=_with(LLAMA2, "Meta-Analysis GmbH")), DENY,
         said="Meta is none of its parties"),
    Case("The Meta Company is not Meta: the provider's name stands first.",
         _plan(LLAMA2, agreements=_with(LLAMA2, "The Meta Company")), DENY),
    Case("Meta, Inc. is.", _plan(LLAMA2, agreements=_with(LLAMA2, "Meta, Inc.")), DUTIES),
    Case("Of a text that many grant an agreement has to name it.",
         _plan("path:CC-BY-NC-4.0", agreements=_with("path:CC-BY-NC-4.0", "Author")), DENY,
         said="whoever grants that text is none of its parties"),
    Case("Named, it may be sold.",
         _plan("path:CC-BY-NC-4.0", agreements=_with("path:CC-BY-NC-4.0", "Author", terms=["CC-BY-NC-4.0"])),
         DUTIES, due=("agreement",)),
    Case("Who may hand weights out may keep them in house.",
         _plan(GPT4O, competes="yes", release="none", agreements=_agreed()), DUTIES, due=("agreement",)),
    Case("Who may offer a service may not hand weights out.",
         _plan(GPT4O, competes="yes", agreements=_agreed(scope={"release": ["service"]})), DENY),
    Case("An agreement that nothing stands in the way of says nothing.",
         _plan(KIMI, agreements=_with(KIMI, "Moonshot")), PERMIT, not_due=("agreement",)),
]  # fmt: skip

CASES = [*REVISIONS, *DATES, *PRECISION, *SERVICES, *SHARE_ALIKE, *AGREEMENTS]
