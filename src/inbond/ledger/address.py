"""Where a shared ledger is, and how one is let in: ``postgresql://[user[:password]@]host[:port]/database``.

Options after ``?``: ``sslmode``, ``sslrootcert``, and ``host`` for the folder of a Unix socket. A password is
looked for in the address, in PGPASSWORD, and in the password file (PGPASSFILE, else ``~/.pgpass``), in this
order. It is never part of an address's text, and an address that cannot be read is not repeated in an error.
"""

from __future__ import annotations

import getpass
import ssl
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, final
from urllib.parse import parse_qsl, quote, unquote, urlsplit

from inbond.errors import InputError

EXAMPLE: Final = "postgresql://USER@HOST/DATABASE"
SSL_MODES: Final = ("disable", "require", "verify-ca", "verify-full")
_OPTIONS = {"host", "port", "sslmode", "sslrootcert"}
_LOOPBACK = {"localhost", "127.0.0.1", "::1"}


@final
@dataclass(frozen=True)
class Address:
    """A database. ``host`` is a name, or the folder of a Unix socket where it begins with a slash.

    ``sslmode`` None means verify-full, but no encryption on the way to this very machine.
    """

    host: str
    port: int
    database: str
    user: str | None = None
    sslmode: str | None = None
    sslrootcert: str | None = None
    password: str | None = field(default=None, repr=False)

    def __str__(self) -> str:
        """What a colleague needs: no user, no password, no folder of this machine's certificates."""
        name = quote(self.database, safe="")
        options = f"sslmode={self.sslmode}" if self.sslmode else ""
        if self.is_socket:
            options = "&".join(filter(None, [f"host={quote(self.host)}", f"port={self.port}", options]))
            return f"postgresql:///{name}?{options}"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"postgresql://{host}:{self.port}/{name}{'?' if options else ''}{options}"

    @property
    def is_socket(self) -> bool:
        return self.host.startswith("/")

    def user_name(self, environment: Mapping[str, str]) -> str:
        """The address's user, else PGUSER, else who is logged in here."""
        return self.user or environment.get("PGUSER") or getpass.getuser()

    def find_password(self, environment: Mapping[str, str]) -> str | None:
        """The password, None when there is none to be found. Raises InputError when others can read the
        password file."""
        if self.password is not None:
            return self.password
        if environment.get("PGPASSWORD"):
            return environment["PGPASSWORD"]
        path = Path(environment.get("PGPASSFILE") or Path.home() / ".pgpass")
        host = "localhost" if self.is_socket else self.host
        wanted = (host, str(self.port), self.database, self.user_name(environment))
        for *pattern, password in _password_lines(path):
            if all(said in ("*", is_) for said, is_ in zip(pattern, wanted, strict=True)):
                return password
        return None

    def ssl_context(self, environment: Mapping[str, str]) -> ssl.SSLContext | None:
        """How the connection is encrypted, None for not at all. Raises InputError for bad certificates."""
        mode = self.sslmode or ("disable" if self.is_socket or self.host in _LOOPBACK else "verify-full")
        if mode == "disable" or self.is_socket:
            return None
        root = self.sslrootcert or environment.get("PGSSLROOTCERT")
        try:
            context = ssl.create_default_context(cafile=root)
        except OSError as error:
            raise InputError(
                expected=f"certificates in PEM at {root}",
                found=error.strerror or str(error),
                fix="correct sslrootcert in the address, or PGSSLROOTCERT",
            ) from error
        context.check_hostname = mode == "verify-full"
        if mode == "require":
            context.verify_mode = ssl.CERT_NONE
        return context


def parse(text: str) -> Address:
    """Reads an address. Raises InputError without repeating it, since it may hold a password."""
    try:
        parts = urlsplit(text)
        port = parts.port
        options = dict(parse_qsl(parts.query, strict_parsing=True)) if parts.query else {}
        socket_port = int(options.get("port", 0))
    except ValueError as error:
        raise _unreadable("one that is not formed so") from error
    database = unquote(parts.path.removeprefix("/"))
    if parts.scheme not in ("postgresql", "postgres"):
        raise _unreadable(f"the scheme {parts.scheme!r:.20}" if parts.scheme else "no scheme")
    if unknown := sorted(options.keys() - _OPTIONS):
        raise _unreadable(f"the option {unknown[0]!r:.40}, which is none of {', '.join(sorted(_OPTIONS))}")
    if not database or "/" in database or "\x00" in database or parts.fragment:
        raise _unreadable("no name of one database")
    if options.get("sslmode", "disable") not in SSL_MODES:
        raise _unreadable(f"an sslmode that is none of {', '.join(SSL_MODES)}")
    return Address(
        host=parts.hostname or options.get("host") or "localhost",
        port=port or socket_port or 5432,
        database=database,
        user=unquote(parts.username) if parts.username else None,
        sslmode=options.get("sslmode"),
        sslrootcert=options.get("sslrootcert"),
        password=unquote(parts.password) if parts.password else None,
    )


def _unreadable(found: str) -> InputError:
    return InputError(
        expected=f"the address of a shared ledger as {EXAMPLE}",
        found=found,
        fix="correct INBOND_LEDGER; a password may also come from PGPASSWORD or ~/.pgpass",
    )


def _password_lines(path: Path) -> Iterator[list[str]]:
    """The five fields of each line that has five; a backslash keeps the next character as it is."""
    try:
        mode = path.stat().st_mode & 0o777
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError):
        return
    if mode & 0o077:
        raise InputError(
            expected=f"a password file at {path} that only its owner can read",
            found=f"mode {mode:04o}",
            fix=f"chmod 600 {path}",
        )
    for line in text.splitlines():
        fields = _fields(line)
        if len(fields) == 5 and not line.startswith("#"):
            yield fields


def _fields(line: str) -> list[str]:
    fields, escaped = [""], False
    for letter in line:
        if letter == "\\" and not escaped:
            escaped = True
        elif letter == ":" and not escaped:
            fields.append("")
        else:
            fields[-1] += letter
            escaped = False
    return fields
