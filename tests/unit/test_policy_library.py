"""What this machine knows: registries of models and hosts, agreements, and the files a user adds."""

from __future__ import annotations

import json
import re
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inbond.errors import InputError
from inbond.policy import hosts, library, terms, weights
from inbond.policy.agreements import parse_agreement, read_agreement
from inbond.policy.licences import ids, normalise, parse
from inbond.policy.schema import TOPICS
from inbond.types import parse_model_name
from tests.unit.test_policy_terms import DUTY, GOOD

DOC = Path(__file__).parents[2] / "docs" / "terms-contributing.md"
ROW = (
    '[[model]]\ntitle="{}"\nlicence="{}"\nnames={}\nsource="s"\nread_on=2026-01-01\nevidence="F"\nbases={}\n'
)


def row(title: str, licence: str, names: list[str], bases: list[str] | None = None) -> bytes:
    return ROW.format(title, licence, json.dumps(names), json.dumps(bases or [])).encode()


# What ships holds together ------------------------------------------------------------------------------


def test_every_shipped_id_is_spelt_as_expressions_spell_it() -> None:
    for id_ in library.shipped().terms.terms:
        assert normalise(id_) == id_


def test_every_exception_names_texts_that_are_on_file() -> None:
    for text in library.shipped().terms.terms.values():
        for topic in TOPICS:
            position = text.position(topic)
            for exemption in position.exceptions if position else ():
                assert all(id_ in library.shipped().terms.terms for id_ in exemption.based_on)


def test_every_model_has_a_licence_that_can_be_read_and_bases_that_are_known() -> None:
    registry = weights.shipped()
    for model in {id(m): m for m in (*registry.by_name.values(), *registry.by_prefix.values())}.values():
        expression = parse(model.licence)
        assert expression is not None
        assert all(
            re.fullmatch(r"LicenseRef-[\w.-]+", i) or i in library.shipped().terms.terms
            for i in ids(expression)
        )
        assert all(registry.named(parse_model_name(base)) for base in model.bases)


def test_what_nobody_has_read_is_marked_so() -> None:
    unread = {id_ for id_, text in library.shipped().terms.terms.items() if text.unread}
    assert unread == {"LicenseRef-inbond-cohere-api", weights.DIFFERS}


def test_every_text_with_a_digest_says_where_it_lay_and_was_read() -> None:
    held = [text for text in library.shipped().terms.terms.values() if text.text_digest is not None]
    assert len(held) >= 24
    assert all(text.evidence == "F" for text in held)
    assert len({text.text_digest for text in held}) == len(held)


def test_every_listed_hosts_terms_are_a_services() -> None:
    known = library.shipped().hosts
    assert len(known.exact) >= 17
    for entry in (*known.exact.values(), *(entry for _, entry in known.patterns)):
        text = library.shipped().terms.get(entry.terms)
        assert text is None or text.kind == "service"


# Models -------------------------------------------------------------------------------------------------


def test_the_longest_name_that_fits_decides() -> None:
    registry = weights.registry_of(
        [("m.toml", row("all", "MIT", ["hf:o/a*"]) + row("some", "Apache-2.0", ["hf:o/ab*", "hf:o/abcd"]))]
    )
    found = {
        name: (model := registry.named(parse_model_name(f"hf:o/{name}"))) and model.title
        for name in ("a", "ax", "ab", "abc", "abcd", "b", "A")
    }
    assert found == {
        "a": "all",
        "ax": "all",
        "ab": "some",
        "abc": "some",
        "abcd": "some",
        "b": None,
        "A": None,
    }
    assert registry.exactly(parse_model_name("hf:o/abc")) is None
    assert registry.exactly(parse_model_name("hf:o/abcd")) is not None


def test_a_revision_is_known_only_as_such() -> None:
    registry = weights.registry_of(
        [("m.toml", row("m", "MIT", ["hf:o/m*"]) + row("old", "ODbL-1.0", ["hf:o/m@v1"]))]
    )
    assert registry.named(parse_model_name("hf:o/m@v1")).title == "old"  # type: ignore[union-attr]
    assert registry.named(parse_model_name("hf:o/m@v2")) is None
    assert registry.named(parse_model_name("hf:o/m@main")).title == "m"  # type: ignore[union-attr]


def test_a_whole_organisation_can_be_registered() -> None:
    registry = weights.registry_of([("m.toml", row("ours", "MIT", ["hf:ours/*", "api:localhost:8000/*"]))])
    for name, known in (("hf:ours/m", True), ("hf:ours2/m", False), ("api:localhost:8000/m", True)):
        assert (registry.named(parse_model_name(name)) is not None) == known
    assert registry.named(parse_model_name("api:localhost:80001/m")) is None


def test_a_name_behind_a_host_can_be_registered() -> None:
    registry = weights.registry_of([("m.toml", row("m", "MIT", ["api:openrouter.ai/deepseek/*"]))])
    assert registry.named(parse_model_name("api:OpenRouter.ai/deepseek/r1")) is not None
    assert registry.named(parse_model_name("api:openrouter.ai/deepseek-x/r1")) is None
    assert registry.named(parse_model_name("api:openrouter.ai.example/deepseek/r1")) is None


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (row("m", "MIT", ["hf:o/*/x"]), "'hf:o/*/x' instead of a model name like hf:org/name"),
        (row("m", "MIT", ["hf:*"]), "hf:org/name"),
        (row("m", "MIT", ["*"]), "one of hf:org/name"),
        (row("m", "MIT", ["api:h.example*"]), "api:host[:port]/model"),
        (row("m", "MIT", ["run:x*"]), "names such as hf:org/name, hf:org/begin*"),
        (row("m", "MIT", ["path:x"]), "names such as hf:org/name, hf:org/begin*"),
        (row("m", "MIT", ["hf:o/m@v*"]), "names such as hf:org/name, hf:org/begin*"),
        (row("m", "MIT", [], ["nonsense"]), "one of hf:org/name"),
        (row("m", "MIT", []) + b"colour = 1\n", "colour"),
        (
            row("a", "MIT", ["hf:o/a"], ["hf:o/b"]) + row("b", "MIT", ["hf:o/b"], ["hf:o/a"]),
            "hf:o/b <- hf:o/a",
        ),
        (row("a", "MIT", ["hf:o/a*"], ["hf:o/ab"]), "descend from themselves"),
    ],
)
def test_a_bad_registry_is_refused(data: bytes, text: str) -> None:
    with pytest.raises(InputError) as caught:
        weights.registry_of([("m.toml", data)])
    assert text in str(caught.value)


@given(st.binary(max_size=200))
def test_no_bytes_make_the_readers_fail_otherwise(data: bytes) -> None:
    for read in (
        lambda: weights.registry_of([("m.toml", data)]),
        lambda: hosts.parse_hosts("h.toml", data),
        lambda: parse_agreement("a.toml", data, date(2026, 1, 1)),
    ):
        with pytest.raises(InputError):
            read()


# Hosts --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("channel", "known"),
    [
        ("api.openai.com", True), ("API.openai.COM", True), ("api.openai.com:443", True),
        ("api.openai.com:444", False), ("api.openai.com.", False), ("api.openai.com.evil.example", False),
        ("evilapi.openai.com", False), ("openai.com", False), ("api-openai.com", False), ("", False),
        ("bedrock-runtime.us-east-1.amazonaws.com", True), ("bedrock-runtime.amazonaws.com", False),
        ("bedrock-runtime.a.b.amazonaws.com", False), ("bedrock-runtimeXus-east-1.amazonaws.com", False),
        ("bedrock-runtime.us-east-1.amazonaws.com.cn", False), ("bedrock-runtime.é.amazonaws.com", False),
        ("api.оpenai.com", False),
    ],
)  # fmt: skip
def test_a_host_is_known_by_its_whole_name(channel: str, known: bool) -> None:
    assert (library.shipped().hosts.find(channel) is not None) == known


def test_a_host_may_not_be_listed_twice() -> None:
    entry = '[[host]]\nhosts=["a.example"]\nterms="{}"\nmodels="own"\n'
    with pytest.raises(InputError, match=r"each host once in h\.toml; found a\.example"):
        hosts.parse_hosts("h.toml", (entry.format("x") + entry.format("y")).encode())


# A user's own files -------------------------------------------------------------------------------------


def write(config: Path, name: str, text: str | bytes) -> Path:
    path = config / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_nothing_added_is_what_ships(tmp_path: Path) -> None:
    assert library.load(tmp_path / "none") is library.shipped()


def test_a_users_terms_and_models_are_added(tmp_path: Path) -> None:
    write(tmp_path, "terms/ours.toml", GOOD.replace('"T-1"', '"LicenseRef-ours"'))
    write(tmp_path, "models.toml", row("ours", "LicenseRef-ours", ["hf:ours/m*"]))
    known = library.load(tmp_path)
    assert known.terms.get("LicenseRef-ours") is not None
    assert known.terms.get("MIT") is not None
    assert known.terms.digest != library.shipped().terms.digest
    assert known.models.named(parse_model_name("hf:ours/m1")) is not None
    assert known.models.named(parse_model_name("hf:Qwen/Qwen3-8B")) is not None


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        (
            "terms/a.toml",
            GOOD.replace('"T-1"', '"MIT"'),
            ["field id: both mit.toml and", "terms/a.toml claim it"],
        ),
        (
            "terms/a.toml",
            GOOD.replace('title = "T"', 'title = "T"\nnames = ["llama3.1"]'),
            ["field names: both llama-3.1.toml and", "terms/a.toml claim it"],
        ),
        (
            "terms/a.toml",
            GOOD.replace('title = "T"', 'title = "T"\nnames = ["Apache-2.0"]'),
            ["field names: 'Apache-2.0', which is the SPDX id of a licence"],
        ),
        ("terms/a.toml", GOOD.replace('"T-1"', '"llama3.1"'), ["field id: both llama-3.1.toml and"]),
        ("models.toml", row("x", "MIT", ["hf:Qwen/Qwen2.5-72B*"]), ["models/qwen.toml and", "models.toml"]),
        (
            "models.toml",
            row("x", "MIT", ["hf:Qwen/Qwen2.5-72B-Instruct"]),
            ["under LicenseRef-scancode-qwen-2024"],
        ),
        ("models.toml", b"[[model]]\nlicence = 1\n", ["a registry of models in"]),
    ],
)
def test_a_user_may_not_change_what_ships(
    tmp_path: Path, name: str, text: str | bytes, words: list[str]
) -> None:
    write(tmp_path, name, text)
    with pytest.raises(InputError) as caught:
        library.load(tmp_path)
    assert all(word in str(caught.value) for word in words), str(caught.value)


LLAMA = "LicenseRef-scancode-llama-4-cla-2025"
DISTILLED = "hf:deepseek-ai/DeepSeek-R1-Distill-Llama-8B"


@pytest.mark.parametrize(
    ("sentence", "text", "words"),
    [
        ("A licence that ships may not be given to a name as of text alone.",
         row("x", LLAMA, ["hf:meta-llama/Llama-4-Scout"]).replace(b"source", b'modality="text"\nsource'),
         "modality text here, multimodal there"),
        ("A base that ships may not be left out.", row("x", "MIT", [DISTILLED + "@8cde5ca"]),
         "bases not given here"),
        ("A revision is of the model that it is a revision of.",
         row("x", "MIT", ["hf:meta-llama/Meta-Llama-3-8B@8cde5ca"]),
         "under LicenseRef-inbond-llama-3-license-2024"),
        ("Nor one be added.", row("x", "Apache-2.0", ["hf:HuggingFaceTB/SmolLM2-360M"], ["hf:Qwen/Qwen3-8B"]),
         "not given there"),
        ("A longer beginning lies inside one that ships.", row("x", "MIT", ["hf:meta-llama/Llama-3.1-8B*"]),
         "under LicenseRef-scancode-llama-3.1-license-2024"),
        ("A shorter one around it.", row("x", "MIT", ["hf:meta-llama/*"]), "hf:meta-llama/*, where it has"),
        ("Around an exact name too.", row("x", "MIT", ["hf:mosaicml/*"]), "where it has MPT-30B"),
        ("A family whose cards differ is told apart by exact names alone.",
         row("x", "MIT", ["hf:nvidia/Nemotron-H-*"]), "under LicenseRef-inbond-differs-by-checkpoint"),
    ],
)  # fmt: skip
def test_a_users_row_may_not_say_otherwise_of_what_ships(
    tmp_path: Path, sentence: str, text: bytes, words: str
) -> None:
    write(tmp_path, "models.toml", text)
    with pytest.raises(InputError) as caught:
        library.load(tmp_path)
    assert words in str(caught.value), (sentence, str(caught.value))


@pytest.mark.parametrize("name", ["GPL-3.0-only", "gpl-3.0-only", "AGPL-3.0-or-later", "OpenMDW-1.0", "mit"])
def test_a_name_that_cards_use_is_no_licences_id(tmp_path: Path, name: str) -> None:
    """A reading of one's own would else be the reading of everything under that licence."""
    text = GOOD.replace('"T-1"', '"LicenseRef-ours"').replace(
        'title = "T"', f'title = "T"\nnames = ["{name}"]'
    )
    write(tmp_path, "terms/a.toml", text)
    with pytest.raises(InputError, match=r"field names: .*(SPDX id of a licence|claim it)"):
        library.load(tmp_path)


def test_a_reading_of_a_licence_that_does_not_ship_may_be_added_under_its_id(tmp_path: Path) -> None:
    write(tmp_path, "terms/a.toml", GOOD.replace('"T-1"', '"GPL-3.0-only"'))
    assert library.load(tmp_path).terms.get("GPL-3.0-only") is not None


def a_file(config: Path) -> None:
    write(config, "terms", GOOD)


def a_link_to_nowhere(config: Path) -> None:
    (config / "terms").symlink_to(config / "gone")


def a_file_that_leads_nowhere(config: Path) -> None:
    (config / "terms").mkdir()
    (config / "terms" / "a.toml").symlink_to(config / "gone.toml")


def capitals(config: Path) -> None:
    write(config, "terms/mine.TOML", GOOD)


def models_that_lead_nowhere(config: Path) -> None:
    (config / "models.toml").symlink_to(config / "gone.toml")


def models_that_are_a_folder(config: Path) -> None:
    (config / "models.toml").mkdir()


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (a_file, "a folder of a terms file at"), (a_link_to_nowhere, "a folder of a terms file at"),
        (a_file_that_leads_nowhere, "a.toml"), (capitals, "mine.TOML; fix: write the ending so"),
        (models_that_lead_nowhere, "models.toml; found"), (models_that_are_a_folder, "Is a directory"),
    ],
)  # fmt: skip
def test_nothing_of_a_user_is_passed_over_in_silence(tmp_path: Path, spoil, words: str) -> None:
    spoil(tmp_path)
    with pytest.raises(InputError) as caught:
        library.load(tmp_path)
    assert words in str(caught.value), str(caught.value)


def test_a_user_who_read_a_card_may_say_what_a_familys_name_does_not(tmp_path: Path) -> None:
    ours = "hf:nvidia/Nemotron-Mini-4B-Instruct"
    write(tmp_path, "models.toml", row("ours", "LicenseRef-ours", [ours]))
    known = library.load(tmp_path).models
    assert known.named(parse_model_name(ours)).licence == "LicenseRef-ours"  # type: ignore[union-attr]
    other = known.named(parse_model_name("hf:nvidia/Nemotron-H-8B-Base-8K"))
    assert other is not None
    assert other.licence == weights.DIFFERS


def test_a_hosts_file_may_not_change_a_listed_hosts_terms() -> None:
    known = library.shipped()
    assert known.host("h.example", "LicenseRef-theirs") == ("LicenseRef-theirs", None)
    assert known.host("h.example", None) == (None, None)
    id_, entry = known.host("api.openai.com", None)
    assert entry is not None
    assert known.host("api.openai.com", id_) == (id_, entry)
    with pytest.raises(InputError) as caught:
        known.host("api.openai.com", "LicenseRef-inbond-deepseek-open-platform-2026-04-29")
    assert "api.openai.com under LicenseRef-inbond-openai-api-2026-01-01" in str(caught.value)
    assert "in hosts.yaml" in str(caught.value)


# Agreements ---------------------------------------------------------------------------------------------

AGREED = """
parties = ["Example Inc.", "うちの会社"]
teacher = "api:api.example.com/m"
from = 2026-01-01
until = 2026-12-31
digest = "sha256:{}"
[scope]
use = ["commercial"]
release = ["weights"]
topics = ["outputs"]
""".format("0" * 64)


@pytest.mark.parametrize(
    ("day", "in_force"),
    [("2025-12-31", False), ("2026-01-01", True), ("2026-12-31", True), ("2027-01-01", False)],
)
def test_an_agreement_holds_from_its_first_to_its_last_day(tmp_path: Path, day: str, in_force: bool) -> None:
    path = write(tmp_path, "a.toml", AGREED)
    read = read_agreement(path, date.fromisoformat(day))
    assert read.in_force == in_force
    assert read.parties == ("Example Inc.", "うちの会社")
    assert (read.starts, read.ends) == ("2026-01-01", "2026-12-31")


def test_an_agreement_may_last_one_day() -> None:
    text = AGREED.replace("until = 2026-12-31", "until = 2026-01-01")
    assert parse_agreement("a.toml", text.encode(), date(2026, 1, 1)).in_force


def test_an_agreement_may_be_json_and_without_end() -> None:
    value = {
        "parties": ["A", "B"], "teacher": "hf:a/b", "from": "2026-01-01", "digest": "sha256:" + "0" * 64,
        "scope": {"use": ["research"], "release": ["none"], "topics": ["outputs"]},
    }  # fmt: skip
    read = parse_agreement("a.json", json.dumps(value).encode(), date(2099, 1, 1))
    assert read.in_force
    assert read.ends is None


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda t: t.replace('"commercial"', '"everything"'), "scope.use.0"),
        (lambda t: t.replace('release = ["weights"]', "release = []"), "scope.release"),
        (lambda t: t.replace('topics = ["outputs"]', ""), "scope.topics"),
        (lambda t: t.replace('parties = ["Example Inc.", "うちの会社"]', 'parties = ["Us"]'), "parties"),
        (lambda t: t.replace("sha256:", "md5:"), "digest"),
        (
            lambda t: t.replace("until = 2026-12-31", "until = 2025-12-31"),
            "an agreement that ends after it starts",
        ),
        (lambda t: t.replace("from = 2026-01-01", 'from = "soon"'), "from"),
        (lambda t: t + 'note = "x"\n', "scope.note"),
        (lambda t: t.replace("from = 2026-01-01", "from = 0"), "from: Value error, give a day as YYYY-MM-DD"),
        (lambda t: t.replace("from = 2026-01-01", 'from = "20260101"'), "from: Value error, give a day"),
        (
            lambda t: t.replace("from = 2026-01-01", "from = 2026-01-01T00:00:00"),
            "from: Value error, give a day",
        ),
        (lambda t: t.replace("うちの会社", "example  INC."), "the same party is named twice"),
        (lambda t: t + 'domains = ["Medical Advice"]\n', "scope.domains.0"),
        (lambda t: t + 'territories = ["UK"]\n', "'UK' is neither an ISO 3166-1 code"),
        (lambda t: t + "thresholds = {users = 1}\n", "scope.thresholds.users"),
        (
            lambda t: t + "thresholds = {monthly-active-users = true}\n",
            "scope.thresholds.monthly-active-users",
        ),
        (
            lambda t: t + "thresholds = {monthly-active-users = inf}\n",
            "scope.thresholds.monthly-active-users",
        ),
        (lambda t: "{" + t, "Expecting"),
    ],
)
def test_a_bad_agreement_is_refused_by_file_and_field(change, text: str) -> None:
    parse_agreement("a.toml", AGREED.encode(), date(2026, 1, 1))
    with pytest.raises(InputError) as caught:
        parse_agreement("a.toml", change(AGREED).encode(), date(2026, 1, 1))
    assert text in str(caught.value)
    assert "a.toml" in str(caught.value)


def test_a_key_that_stands_twice_in_json_is_refused() -> None:
    value = json.dumps({
        "parties": ["A", "B"], "teacher": "hf:a/b", "from": "2026-01-01", "digest": "sha256:" + "0" * 64,
        "scope": {"use": ["research"], "release": ["none"], "topics": ["outputs"]}, "until": "2026-12-31",
    })  # fmt: skip
    assert parse_agreement("a.json", value.encode(), date(2026, 1, 1)).ends == "2026-12-31"
    twice = value.replace('"until"', '"until": "2026-06-30", "until"')
    with pytest.raises(InputError, match="until: given twice"):
        parse_agreement("a.json", twice.encode(), date(2026, 1, 1))


def test_what_an_agreement_opens_is_read() -> None:
    scope = 'domains = ["medical"]\nterritories = ["EU"]\nthresholds = {monthly-active-users = 1_000}\n'
    read = parse_agreement("a.toml", (AGREED + scope).encode(), date(2026, 1, 1))
    assert (read.domains, read.territories) == (("medical",), ("EU",))
    assert read.thresholds == (("monthly-active-users", 1000.0),)


def test_an_agreement_that_is_not_there_is_a_mistake(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="No such file"):
        read_agreement(tmp_path / "a.toml", date(2026, 1, 1))


# The schema ---------------------------------------------------------------------------------------------


EXCEPTION = """
[[outputs.exceptions]]
kinds = ["classifier"]
stance = "{}"
clause = "{}"
finding = "F."
"""


def all_but(field: str, values: str) -> str:
    """A ban with an exception that lists these values."""
    excepted = EXCEPTION.format("express", 1).replace('kinds = ["classifier"]', f"{field} = {values}")
    return GOOD.replace('"silent"', '"prohibited"') + excepted


def with_duty(kind: str, more: str) -> str:
    return GOOD.replace('"silent"', '"conditional"') + DUTY.format(kind=kind) + more


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            with_duty("threshold", 'metric = "users"\nabove = 1\nthen = "deny"\n'),
            "outputs.obligations.0.metric",
        ),
        (with_duty("threshold", 'metric = "annual-revenue-usd"\nabove = 0\nthen = "deny"\n'), ".above"),
        (with_duty("threshold", 'metric = "annual-revenue-usd"\nabove = 1\nthen = "x"\n'), ".then"),
        (with_duty("territory", ""), "give either excluded or only"),
        (with_duty("territory", 'excluded = ["EU"]\nonly = ["JP"]\n'), "give either excluded or only"),
        (with_duty("territory", 'excluded = ["UK"]\n'), "'UK' is neither an ISO 3166-1 code"),
        (with_duty("name-prefix", ""), "outputs.obligations.0.prefix"),
        (with_duty("display", "show = []\n"), "outputs.obligations.0.show"),
        (with_duty("pass-through", 'what = "x"\n'), "outputs.obligations.0.what"),
        (with_duty("notice", 'prefix = "x"\n'), "unknown field outputs.obligations.0.prefix"),
        (with_duty("field-of-use", 'forbidden = ["Not A Tag"]\n'), "outputs.obligations.0.forbidden.0"),
        (GOOD.replace('title = "T"', 'title = "T"\nnames = ["other"]'), "which cards write for many texts"),
        (GOOD.replace('title = "T"', 'title = "T"\nquoted_by = 3'), "quoted_by only beside evidence S"),
        (
            GOOD + '[[outputs.exceptions]]\nstance = "unclear"\nclause = "1"\nfinding = "F."\n',
            "field outputs.exceptions.0: none of based_on, kinds, uses, releases, competes",
        ),
        (
            GOOD + EXCEPTION.format("conditional", 1),
            "field outputs.exceptions.0: stance conditional without an obligation",
        ),
        (
            GOOD + EXCEPTION.format("express", 2),
            "field outputs.exceptions.0: clause '2' is not among them",
        ),
        (
            all_but("kinds", '["general", "classifier", "embedding"]'),
            "field outputs.exceptions.0: its lists name everything there is",
        ),
        (
            all_but("releases", '["none", "service", "weights"]'),
            "field outputs.exceptions.0: its lists name everything there is",
        ),
        (
            all_but("releases", '["none", "service"]')
            + EXCEPTION.format("express", 1).replace('kinds = ["classifier"]', 'releases = ["weights"]'),
            "field outputs: its exceptions together leave no plan to it",
        ),
        (
            GOOD.replace("[outputs]", '[[clauses]]\nnumber = "1"\nparaphrase = "q"\n[outputs]'),
            "field clauses: '1' twice",
        ),
        (
            with_duty("display", 'show = ["Built with X"]\n'),
            "'Built with X' is under show and not in the text",
        ),
        (with_duty("pass-through", 'what = "model-terms"\nor_under = ["MIT"]\n'), "or_under goes with what"),
        (
            GOOD.replace('title = "T"', 'title = "T"\nread_on = 0').replace("read_on = 2026-01-01\n", ""),
            "read_on",
        ),
        (GOOD.replace('title = "T"', 'title = "T"\ntext_at = "a shelf"'), "text_digest and text_at together"),
        (GOOD + "shared = 1\n", "outputs.shared"),
        ("shared = 1\n" + GOOD, "unknown field shared"),
        ("shared = []\n" + GOOD.replace("[outputs]", "[training_data]"), "unknown field shared"),
    ],
)
def test_what_the_schema_refuses(text: str, words: str) -> None:
    with pytest.raises(InputError) as caught:
        terms.parse_terms("t.toml", text.encode())
    assert words in str(caught.value), str(caught.value)
    assert "t.toml" in str(caught.value)


def test_shared_obligations_are_those_of_both_edges() -> None:
    both = GOOD.replace('"silent"', '"conditional"')
    both += '[derived_weights]\nstance = "conditional"\nclause = "1"\nfinding = "F."\n'
    both += DUTY.format(kind="notice").replace("outputs.obligations", "shared")
    read = terms.parse_terms("t.toml", both.encode())
    assert read.outputs is not None
    assert read.derived_weights is not None
    assert read.outputs.obligations == read.derived_weights.obligations != ()


@pytest.mark.parametrize(
    ("what", "outgoing"), [("licence", "same"), ("use-restrictions", "restrictions"), ("model-terms", "any")]
)
def test_what_passes_through_bounds_the_outgoing_licence(what: str, outgoing: str) -> None:
    read = terms.parse_terms("t.toml", with_duty("pass-through", f'what = "{what}"\n').encode())
    assert read.outputs is not None
    assert read.outputs.outgoing == outgoing


def test_the_contributors_example_is_a_terms_file() -> None:
    [example] = re.findall(r"```toml\n(.*?)```", DOC.read_text("utf-8"), re.S)
    read = terms.parse_terms("example.toml", example.encode())
    assert read.outputs is not None
    assert read.outputs.stance == "competing-only"
    assert [item.kinds for item in read.outputs.exceptions] == [("classifier", "embedding")]
