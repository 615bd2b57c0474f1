"""The hosts file: strict, in plain words, and never showing a key."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inbond.errors import InputError
from inbond.teachers.hosts import Host, base_url, host_of, is_loopback, read_hosts

KEY = "sk-abcdefghijklmnopqrstuvwxyz"


def read(tmp_path: Path, text: str) -> dict[str, Host]:
    path = tmp_path / "hosts.yaml"
    path.write_text(text, encoding="utf-8")
    return read_hosts(path)


def test_everything_that_can_be_said(tmp_path: Path) -> None:
    hosts = read(
        tmp_path,
        """
API.example.com:
  base_path: /api/v2
  key_env: EXAMPLE_API_KEY
  terms: example-terms-2026-01
  price: {prompt: 0.15, completion: 1}
  concurrency: 8
  timeout_s: 60
localhost:8080:
10.0.0.7:8000: {insecure: true}
""",
    )
    host = hosts["api.example.com"]
    assert host.known_price.cost(1_000_000, 1_000_000) == 1.15
    assert (host.concurrency, host.timeout_s, host.terms) == (8, 60.0, "example-terms-2026-01")
    assert base_url("API.example.com", host) == "https://api.example.com/api/v2"
    assert base_url("localhost:8080", hosts["localhost:8080"]) == "http://localhost:8080/v1"
    assert base_url("10.0.0.7:8000", hosts["10.0.0.7:8000"]) == "http://10.0.0.7:8000/v1"


def test_a_host_without_an_entry_has_no_key_and_uses_tls() -> None:
    host = host_of("example.org:8443", {"example.org": Host(key_env="K", insecure=True)})
    assert host.key("example.org:8443", {"K": KEY}) is None
    assert base_url("example.org:8443", host) == "https://example.org:8443/v1"


def test_no_file_is_no_hosts(tmp_path: Path) -> None:
    assert read_hosts(tmp_path / "none.yaml") == {}
    assert read(tmp_path, "") == {}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a.b: {pirce: 3}", "found a.b.pirce; fix: remove it; the fields are base_path, key_env, terms"),
        ("a.b: {price: {prompt: 1}}", "a.b.price.completion"),
        (
            "a.b: {price: {prompt: -1, completion: 0}}",
            "a.b.price.prompt: greater than or equal to 0; found -1",
        ),
        ("a.b: {price: {prompt: .nan, completion: 0}}", "a.b.price.prompt"),
        ("a.b: {concurrency: 0}", "a.b.concurrency: greater than or equal to 1; found 0"),
        ("a.b: {concurrency: many}", "a.b.concurrency: a valid integer; found 'many'"),
        ("a.b: {timeout_s: 0}", "a.b.timeout_s"),
        ("a.b: {base_path: 'https://x/v1'}", "a.b.base_path"),
        ("a.b: {insecure: 'yes'}", "a.b.insecure"),
        ("a.b: [1]", "a.b"),
        ("https://a.b/v1: {}", "found 'https://a.b/v1'; fix: write the host alone"),
        ("7: {}", "found 7"),
        ("- a", "found a list"),
        ("just words", "found a str"),
        ("a: {b: [", "a fault in line"),
        ("a.b: {concurrency: 2}\na.b: {concurrency: 3}", "a fault in line 2"),
        ("a.b: !!python/object/apply:os.system [ls]", "a fault in line 1"),
    ],
)
def test_mistakes_are_named(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(InputError) as caught:
        read(tmp_path, text)
    assert words in str(caught.value)
    assert caught.value.fix


@pytest.mark.parametrize("text", [f"a.b: {{key_env: {KEY}}}", f"a.b: {{key_env: [{KEY}]}}", f"a.b: {KEY}"])
def test_a_key_in_the_file_is_refused_without_showing_it(tmp_path: Path, text: str) -> None:
    with pytest.raises(InputError) as caught:
        read(tmp_path, text)
    assert KEY not in f"{caught.value} {caught.value.__cause__}"


@pytest.mark.parametrize("value", [None, "", "  ", "two words", "line\nbreak", "käse"])
def test_an_unusable_key_is_refused_without_showing_it(value: str | None) -> None:
    environment = {} if value is None else {"K": value}
    with pytest.raises(InputError, match=r"the key for a\.b in the environment variable K") as caught:
        Host(key_env="K").key("a.b", environment)
    if value and value.strip():
        assert value not in str(caught.value)
        assert "not shown" in caught.value.found


def test_a_key_is_stripped_of_the_newline_that_files_have() -> None:
    assert Host(key_env="K").key("a.b", {"K": KEY + "\n"}) == KEY


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("localhost", True), ("localhost:80", True), ("LOCALHOST.", True), ("127.0.0.1:9", True),
        ("127.9.9.9", True), ("[::1]:80", True), ("[::1]", True), ("localhost.example.com", False),
        ("127.0.0.1.example.com", False), ("128.0.0.1", False), ("0.0.0.0", False), ("[::2]", False),
    ],
)  # fmt: skip
def test_loopback_is_decided_without_a_resolver(host: str, loopback: bool) -> None:
    assert is_loopback(host) == loopback


@given(st.text(max_size=200))
def test_any_text_is_hosts_or_an_input_error(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    path = tmp_path_factory.mktemp("h") / "hosts.yaml"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    try:
        assert isinstance(read_hosts(path), dict)
    except InputError as error:
        assert error.fix  # either outcome is right
