"""The page as text: whatever is put in, well-formed HTML comes out, with nothing foreign in its markup."""

from __future__ import annotations

import re
from dataclasses import fields, is_dataclass, replace
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from inbond.report.data import (
    CurvePoint,
    HostTargets,
    LearningFacts,
    LedgerFacts,
    Metrics,
    ReportData,
    SamplePair,
    VerdictView,
)
from inbond.report.page import MOST_BYTES, render_page
from inbond.report.provenance import is_web_address, learning_facts
from tests.report_examples import HOSTILE, demo, odd, stopped

VOID = {"meta", "link", "br"}
SVG_VOID = {"line", "rect", "circle", "path", "polyline", "use"}
_OURS = (
    "html head title style body main footer header nav section article h1 h2 h3 h4 p a ul ol li dl dt dd div "
    "span strong bdi table caption thead tbody tr th td details summary pre code svg g text tspan desc"
)
ALLOWED = VOID | SVG_VOID | set(_OURS.split()) | {"figure", "figcaption", "blockquote", "q"}
RUNNING = ("style", "src", "srcdoc", "formaction")


class Checker(HTMLParser):
    """Raises on a tag that is not ours, an attribute that could run something, or bad nesting."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.headings: list[int] = []
        self.texts: list[str] = []
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        assert tag in ALLOWED, f"<{tag}> is not one of ours"
        for name, value in attributes:
            assert not name.startswith("on"), name
            assert name not in RUNNING, name
            if name == "id":
                self.ids.append(value or "")
            if name == "href" and tag == "a":
                self.links.append(value or "")
            if tag == "use":
                assert (name, (value or "")[:1]) == ("href", "#"), "a picture takes nothing from elsewhere"
        if re.fullmatch("h[1-6]", tag):
            self.headings.append(int(tag[1]))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        assert tag in SVG_VOID, f"<{tag}/> is not one of ours"
        self.handle_starttag(tag, attributes)
        self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag, f"</{tag}> closes another"

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] not in ("style",):
            self.texts.append(data)

    def handle_comment(self, data: str) -> None:
        raise AssertionError(f"a comment: {data}")

    def unknown_decl(self, data: str) -> None:
        raise AssertionError(f"a declaration: {data}")


def check(page: str) -> Checker:
    checker = Checker()
    checker.feed(page)
    checker.close()
    assert not checker.open, f"not closed: {checker.open}"
    assert len(set(checker.ids)) == len(checker.ids), "an id is used twice"
    assert checker.headings[0] == 1
    assert checker.headings.count(1) == 1
    for before, after in zip(checker.headings, checker.headings[1:], strict=False):
        assert after <= before + 1, f"h{before} is followed by h{after}"
    for link in checker.links:
        assert link.startswith(("https://", "http://")) or link.removeprefix("#") in checker.ids, link
    assert len(page.encode("utf-8")) < MOST_BYTES
    return checker


def poisoned(value: Any, text: str) -> Any:
    """``value`` with every text in it, keys of mappings too, replaced by ``text``."""
    if isinstance(value, str):
        return text
    if is_dataclass(value) and not isinstance(value, type):
        return replace(value, **{f.name: poisoned(getattr(value, f.name), text) for f in fields(value)})
    if isinstance(value, tuple | list):
        return type(value)(poisoned(each, text) for each in value)
    if isinstance(value, dict):
        known = (
            "outcome",
            "reasons",
            "finding",
            "source",
            "edge",
            "evidence",
            "text",
            "kind",
            "when",
            "from",
        )
        return {(key if key in known else text): poisoned(each, text) for key, each in value.items()}
    return value


def test_all_examples_are_well_formed() -> None:
    check(render_page(demo()))
    check(render_page(odd()))
    check(render_page(stopped()))


@settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow])
@given(st.text(st.characters(codec=None)) | st.sampled_from(HOSTILE))
def test_any_text_in_every_field_stays_text(text: str) -> None:
    check(render_page(poisoned(demo(), text)))


@settings(max_examples=40)
@given(st.none() | st.floats(), st.none() | st.floats(), st.none() | st.integers(-(2**60), 2**60))
def test_any_numbers_give_a_page_without_nan(a: float | None, b: float | None, n: int | None) -> None:
    data = demo()
    model = replace(data.student, params=n, file_bytes=n, memory_bytes=n, tokens_per_s=a)
    data = replace(
        data,
        student=model,
        teacher=replace(model, tokens_per_s=b),
        metrics=Metrics(a, b, b, a, n),
        curves=(CurvePoint(1, 1.0, a or 0.0, b, a, b),) * 2,
    )
    words = " ".join(check(render_page(data)).texts)
    assert not re.search(r"\b(nan|inf|None)\b", words)


def test_a_page_is_the_same_for_the_same_data() -> None:
    assert render_page(demo()) == render_page(demo())


def test_what_was_not_measured_is_said_with_its_reason_and_never_a_zero() -> None:
    words = " ".join(check(render_page(odd())).texts)
    assert "not measured: the teacher can be reached as text only" in words
    assert "not measured: only its host can see its weights" in words
    assert "0.00 nats" not in words


def test_the_first_screen_answers_the_three_questions() -> None:
    page = render_page(demo())
    first = page[: page.index('<nav class="contents"')]
    for words in ("demo", "84.9 M parameters", "63%", "50%", "1.17", "1.60×", "Permitted, with obligations"):
        assert words in first
    assert "Yes, as asked, if you keep 3 obligations." in first


def test_the_first_screen_shows_the_gates() -> None:
    page = render_page(demo())
    first = page[: page.index('<nav class="contents"')]
    for words in ("Diversity", "Passed", "0.84 to 0.98", "Generality", "Cannot tell", "Capacity", "Failed"):
        assert words in first


def test_how_it_learnt_is_said_and_what_is_not_known_is_not_a_zero() -> None:
    words = " ".join(check(render_page(demo())).texts)
    for text in ("sum of P (log P − log Q)", "98.4 bytes a label token", "28 tokens, computed once a batch"):
        assert text in words, text
    assert "108,354" in words
    assert "486 tokens/s of labels in the median step" in words
    bare = replace(demo(), learning=LearningFacts("", "", prefix_tokens_shared=0, adapter="LoRA, rank 8"))
    facts = dict(learning_facts(bare.learning or LearningFacts("", "")))
    assert facts == {
        "Objective": "not recorded",
        "Teacher’s targets": "not recorded",
        "Temperature": "1",
        "Shared prefix": "none",
        "Label tokens learnt": "not measured",
        "Speed of learning": "not measured",
        "Adapter": "LoRA, rank 8",
    }
    page = " ".join(check(render_page(replace(demo(), learning=None))).texts)
    assert "How it learnt" in page


def test_what_is_missing_of_a_hosts_targets_is_said() -> None:
    host = HostTargets({"no-logprobs": 3, "text-differs": 1}, 1204, 0.0123)
    data = replace(demo(), learning=LearningFacts("", "", host=host))
    words = " ".join(check(render_page(data)).texts)
    for text in ("Answers without targets 3 no-logprobs, 1 text-differs", "silent on 1,204", "tokens 1.2%"):
        assert text in words, text
    facts = dict(learning_facts(LearningFacts("", "", host=HostTargets({}, 0, 0.0))))
    assert facts["Answers without targets"] == "none"
    assert facts["Probability on unknown tokens"] == "0%"
    assert "Answers without targets" not in render_page(demo())


def test_a_verdict_on_the_host_is_shown_and_says_nothing_of_permission() -> None:
    reasons = [
        {
            "rule": "answers",
            "finding": "0 of 8 replies dropped",
            "source": "docs/remote.md",
            "outcome": "agree",
        },
        {
            "rule": "cold",
            "finding": "too little to tell",
            "source": "docs/remote.md",
            "outcome": "cannot-tell",
        },
    ]
    verdict = {
        "outcome": "cannot-tell",
        "reasons": reasons,
        "facts": "sha256:ab",
        "decider": "remote-scores/1",
    }
    host = VerdictView("Is the host to be believed?", verdict, accepted="my own machine", about="host")
    data = replace(demo(), verdicts=(*demo().verdicts, host))
    page = render_page(data)
    words = " ".join(check(page).texts)
    for text in ("Is the host to be believed?", "Agrees", "too little to tell", "my own machine"):
        assert text in words, text
    assert "Yes, as asked, if you keep 3 obligations." in page[: page.index('<nav class="contents"')]
    alone = replace(demo(), verdicts=(host,))
    assert "No verdict was recorded, so nothing here says whether you may." in render_page(alone)


def test_every_fact_is_on_the_page() -> None:
    data = demo()
    words = " ".join(check(render_page(data)).texts)
    said = [data.teacher.name, data.ledger.root, data.ledger.key, data.recipe_yaml, data.data.split]
    said += [stage.artifact for stage in data.stages] + [each.reason for each in data.data.dropped]
    said += [str(each["text"]) for view in data.verdicts for each in view.obligations]
    said += [str(each["finding"]) for view in data.verdicts for each in view.verdict["reasons"]]
    said += [sample.after or "" for sample in data.samples] + list(data.environment.values())
    for text in said:
        assert text in words, text


def test_only_web_addresses_become_links() -> None:
    checker = check(render_page(odd()))
    assert not [link for link in checker.links if not link.startswith("#")]
    assert "https://www.apache.org/licenses/LICENSE-2.0" in check(render_page(demo())).links


@pytest.mark.parametrize(
    "text",
    [
        "javascript:alert(1)",
        "javascript://example.org/%0aalert(1)",
        "data:text/html,<script>alert(1)</script>",
        "ftp://example.org/terms",
        "file:///etc/passwd",
        "https://",
        "https://exa mple.org/",
        "https://example.org/\x00",
        "https://example.org/\u202e",
        "https://[broken/",
        "//example.org/",
        "https://example.org/" + "a" * 600,
        "Apache-2.0",
        "",
    ],
)
def test_nothing_else_is_a_web_address(text: str) -> None:
    assert not is_web_address(text)


def test_web_addresses_are() -> None:
    assert is_web_address("https://example.org/terms?x=1#y")
    assert is_web_address("http://例え.jp/規約")


def test_the_page_asks_for_nothing_from_anywhere() -> None:
    page = render_page(demo())
    assert "default-src 'none'; style-src 'sha256-" in page
    assert "<script" not in page
    assert "url(" not in page
    assert "@import" not in page


def test_a_huge_run_is_cut_to_size_and_says_so() -> None:
    data = demo()
    huge = "&<长" * 40_000
    reason = dict.fromkeys(("finding", "rule", "source"), huge)
    big: ReportData = replace(
        data,
        name=huge,
        samples=tuple(SamplePair(huge, huge, huge, huge) for _ in range(300)),
        curves=data.curves * 500,
        verdicts=tuple(
            replace(view, verdict={"outcome": huge, "reasons": [reason] * 500})
            for view in data.verdicts * 50
        ),
        environment={f"{i}{huge}": huge for i in range(300)},
        recipe_yaml=huge,
        ledger=LedgerFacts(1, huge, huge, huge),
        limits=(huge,) * 300,
    )  # fmt: skip
    words = " ".join(check(render_page(big)).texts)
    assert "[cut: 120,000 characters in all]" in words
    assert "292 more, not shown here" in words
