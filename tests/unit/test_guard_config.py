"""guard.yaml: what may stand in it, and what its operator is told who slipped."""

from __future__ import annotations

from pathlib import Path

import pytest

from inbond.errors import InputError
from inbond.guard.config import UpstreamSettings, parse_config, people_in, read_config


def found(text: str) -> str:
    with pytest.raises(InputError) as caught:
        parse_config("guard.yaml", text.encode())
    assert caught.value.expected == "a configuration of the guard in guard.yaml"
    return caught.value.found


def test_an_empty_file_is_a_configuration_whose_upstream_is_still_to_be_named() -> None:
    config = parse_config("guard.yaml", b"")
    assert config.upstream.at("http://localhost:8000/").url == "http://localhost:8000"
    with pytest.raises(InputError) as caught:
        config.upstream.at(None)
    assert caught.value.found == "neither --upstream nor upstream.url in the file"
    assert caught.value.fix.startswith("inbond guard serve --upstream")
    own = parse_config("guard.yaml", b"upstream: {url: 'http://localhost:1'}").upstream
    assert own.at(None) is own


def test_tenants_stand_in_it_or_in_a_file_of_their_own() -> None:
    inside = parse_config("guard.yaml", b"tenants: {a: {accounts: {}}}")
    assert people_in(Path("x/guard.yaml"), inside) == Path("x/guard.yaml")
    assert people_in(Path("x/guard.yaml"), parse_config("guard.yaml", b"")) == Path("x/callers.yaml")
    assert "not both" in found("tenants: {}\ncallers: c.yaml")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("- a", "the file: write names with values, as docs/guard.md shows"),
        ("modls: {}", "modls: there is no such field"),
        ("routes: models", "routes: write a list, in square brackets"),
        ("upstream: {url: 'http://u:p@h'}", "upstream.url: no user or password belongs there"),
        ("upstream: {url: 'http://h/v1/chat/completions'}", "upstream.url: that is one route of a server"),
        ("upstream: {url: 'ftp://h'}", "upstream.url: give http(s)://host[:port][/v1]"),
        ("upstream: {url: 'http://10.0.0.5', key_env: K}", "upstream: its key would go over plain http"),
        ("upstream: {url: 'http://model.example', key_env: K}", "upstream: its key would go over plain http"),
        ("grace_s: -1", "grace_s: Input should be greater than or equal to 0"),
        ("operators: [me]", "operators.0: String should match pattern"),
    ],
)
def test_a_slip_of_the_pen_is_named(text: str, told: str) -> None:
    assert found(text).startswith(told)


@pytest.mark.parametrize(
    "upstream",
    [
        {"url": "http://127.0.0.1:8000", "key_env": "K"}, {"url": "http://[::1]:1", "key_env": "K"},
        {"url": "https://h", "key_env": "K"}, {"url": "http://10.0.0.5"},
        {"url": "http://10.0.0.5", "key_env": "K", "insecure": True},
    ],
)  # fmt: skip
def test_a_key_goes_where_nobody_reads_it_on_the_way(upstream: dict[str, object]) -> None:
    assert UpstreamSettings.model_validate(upstream).key_env == upstream.get("key_env")


def test_the_command_line_names_a_server_and_not_one_of_its_routes() -> None:
    with pytest.raises(InputError) as caught:
        UpstreamSettings().at("http://h/v1/chat/completions")
    assert caught.value.found.startswith("'http://h/v1/chat/completions': that is one route of a server")
    with pytest.raises(InputError, match="expected --upstream as http"):
        UpstreamSettings().at("localhost:8000")
    with pytest.raises(InputError, match="its key would go over plain http"):
        UpstreamSettings(key_env="K").at("http://10.0.0.5")


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="expected a file that can be read at .*guard.yaml; found No such"):
        read_config(tmp_path / "guard.yaml")


def test_there_is_room_for_the_longest_body_of_all() -> None:
    with pytest.raises(InputError) as caught:
        parse_config("guard.yaml", b"body_bytes: 200000000")
    assert (
        caught.value.found
        == "the file: bodies_bytes is less than twice body_bytes: the longest would not fit"
    )
    assert parse_config("guard.yaml", b"{body_bytes: 200000000, bodies_bytes: 400000000}")


def test_a_name_as_long_as_a_file_is_not_said_whole() -> None:
    for name in ("9" * 4_000, "ib-" + "k" * 43 + "9" * 4_000):
        with pytest.raises(InputError) as caught:
            parse_config("guard.yaml", f'{{"{name}": 1}}'.encode())
        assert len(caught.value.found) < 300
        assert "k" * 43 not in caught.value.found
