"""Addresses of shared ledgers: read, written, and never with a password in what they show."""

from __future__ import annotations

import contextlib
import ssl
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inbond.errors import InputError
from inbond.ledger.address import SSL_MODES, Address, parse


@pytest.mark.parametrize(
    ("text", "host", "port", "database", "user", "password"),
    [
        ("postgresql://db.example.org/team", "db.example.org", 5432, "team", None, None),
        ("postgres://anna@db:6543/team", "db", 6543, "team", "anna", None),
        ("postgresql://anna:s%40cret@db/te%20am", "db", 5432, "te am", "anna", "s@cret"),
        ("postgresql://[::1]:5433/team", "::1", 5433, "team", None, None),
        ("postgresql:///team", "localhost", 5432, "team", None, None),
        ("postgresql:///team?host=/run/pg&port=6000", "/run/pg", 6000, "team", None, None),
        ("postgresql://db/台帳", "db", 5432, "台帳", None, None),
    ],
)
def test_an_address_is_read(
    text: str, host: str, port: int, database: str, user: str | None, password: str | None
) -> None:
    found = parse(text)
    assert (found.host, found.port, found.database) == (host, port, database)
    assert (found.user, found.password) == (user, password)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("mysql://anna:geheim@db/team", "the scheme 'mysql'"),
        ("team", "no scheme"),
        ("postgresql://anna:geheim@db:12x/team", "one that is not formed so"),
        ("postgresql://anna:geheim@db:99999/team", "one that is not formed so"),
        ("postgresql://anna:geheim@db", "no name of one database"),
        ("postgresql://anna:geheim@db/a/b", "no name of one database"),
        ("postgresql://anna:geheim@[db/team", "one that is not formed so"),
        ("postgresql://anna:geheim@db/team?sslmode=prefer", "an sslmode that is none of"),
        ("postgresql://anna:geheim@db/team?password=geheim", "the option 'password', which is none of"),
        ("postgresql://anna:ge?heim@db/team", ""),
        ("postgresql://anna:ge#heim@db/team", ""),
    ],
)
def test_what_is_no_address_is_refused_without_repeating_it(text: str, found: str) -> None:
    with pytest.raises(InputError) as caught:
        parse(text)
    assert caught.value.found.startswith(found)
    assert caught.value.expected == "the address of a shared ledger as postgresql://USER@HOST/DATABASE"
    assert "heim" not in str(caught.value)


_names = st.text(st.characters(exclude_characters="/\x00", exclude_categories=["Cs"]), min_size=1)


@given(
    host=st.sampled_from(["db.example.org", "::1", "10.0.0.7", "/run/pg sql"]),
    port=st.integers(1, 65535),
    database=_names,
    sslmode=st.sampled_from([None, *SSL_MODES]),
    user=_names,
    password=st.uuids().map(str),
)
def test_what_is_shown_leads_to_the_same_database_and_tells_no_secret(
    host: str, port: int, database: str, sslmode: str | None, user: str, password: str
) -> None:
    whole = Address(host, port, database, user, sslmode, "/etc/root.pem", password)
    assert parse(str(whole)) == Address(host, port, database, sslmode=sslmode)
    assert password not in f"{whole} {whole!r}"


@given(st.text())
def test_any_text_is_an_address_or_refused(text: str) -> None:
    for attempt in (text, f"postgresql://{text}"):
        with contextlib.suppress(InputError):
            assert parse(attempt).database


def test_who_and_with_which_password(tmp_path: Path) -> None:
    passwords = tmp_path / "pgpass"
    passwords.write_text(
        "# db:*:*:*:comment\nother:*:*:*:no\nbroken line\ndb:5432:team:anna:a\\:b\\\\c\n*:*:*:*:所\n"
    )
    passwords.chmod(0o600)
    environment = {"PGPASSFILE": str(passwords), "PGUSER": "anna"}
    assert parse("postgresql://db/team").find_password(environment) == "a:b\\c"
    assert parse("postgresql://db/other").find_password(environment) == "所"
    assert parse("postgresql://ben@db/team").find_password(environment) == "所"
    assert parse("postgresql://db/team").find_password({**environment, "PGPASSWORD": "x"}) == "x"
    assert parse("postgresql://u:y@db/team").find_password({**environment, "PGPASSWORD": "x"}) == "y"
    assert parse("postgresql://db/team").find_password({"PGPASSFILE": str(tmp_path / "none")}) is None
    assert parse("postgresql://ben@db/team").user_name(environment) == "ben"
    assert parse("postgresql://db/team").user_name(environment) == "anna"
    assert parse("postgresql://db/team").user_name({})


def test_a_password_file_that_others_can_read_is_refused(tmp_path: Path) -> None:
    passwords = tmp_path / "pgpass"
    passwords.write_text("*:*:*:*:x\n")
    passwords.chmod(0o644)
    with pytest.raises(InputError) as caught:
        parse("postgresql://db/team").find_password({"PGPASSFILE": str(passwords)})
    assert caught.value.to_json() == {
        "expected": f"a password file at {passwords} that only its owner can read",
        "found": "mode 0644",
        "fix": f"chmod 600 {passwords}",
    }


@pytest.mark.parametrize(
    ("text", "verifies", "checks_name"),
    [
        ("postgresql://db/team", True, True),
        ("postgresql://db/team?sslmode=verify-ca", True, False),
        ("postgresql://db/team?sslmode=require", False, False),
        ("postgresql://localhost/team?sslmode=verify-full", True, True),
    ],
)
def test_what_leaves_the_machine_is_encrypted(text: str, verifies: bool, checks_name: bool) -> None:
    context = parse(text).ssl_context({})
    assert context is not None
    assert (context.verify_mode == ssl.CERT_REQUIRED) == verifies
    assert context.check_hostname == checks_name


@pytest.mark.parametrize(
    "text",
    ["postgresql://localhost/t", "postgresql://db/t?sslmode=disable", "postgresql:///t?host=/run/pg"],
)
def test_what_stays_here_or_is_said_not_to_be_is_not(text: str) -> None:
    assert parse(text).ssl_context({}) is None


def test_certificates_that_are_none_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        parse(f"postgresql://db/team?sslrootcert={tmp_path}/root.pem").ssl_context({})
    assert caught.value.expected == f"certificates in PEM at {tmp_path}/root.pem"
