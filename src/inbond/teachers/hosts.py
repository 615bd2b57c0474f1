"""The hosts file: what is known of each host that serves teachers over HTTP.

``hosts.yaml`` in the config folder maps a host (``name`` or ``name:port``) to its settings. It names
the environment variable that holds a key and never holds the key itself::

    api.example.com:
      base_path: /v1
      key_env: EXAMPLE_API_KEY
      terms: example-terms-2026-01
      price: {prompt: 0.15, completion: 0.60}    # USD per million tokens
      concurrency: 8
      timeout_s: 120
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from inbond import strict_yaml
from inbond.errors import InputError
from inbond.teachers.protocols import Price

NAME = "hosts.yaml"
_HOST = re.compile(r"([\w.-]+|\[[0-9a-f:]+\])(:\d{1,5})?")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_KEY = re.compile(r"[\x21-\x7e]+")


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


_Usd = Annotated[float, Field(ge=0, allow_inf_nan=False, strict=False)]


class HostPrice(_Strict):
    """US dollars per million tokens; ``batch`` is the share of them that a request in a batch file costs."""

    prompt: _Usd
    completion: _Usd
    batch: Annotated[float, Field(ge=0, le=1, strict=False)] = 1.0


class Host(_Strict):
    """One host's settings. ``timeout_s`` is the longest silence within an answer, in seconds;
    ``top_logprobs`` the most alternatives a token that the host gives (20 with the OpenAI interface);
    ``receipt_keys`` a file with the keys of its receipts, beside hosts.yaml: none other is then believed;
    ``replicas`` other hosts that serve the same models in the same way: its key goes to them as well."""

    base_path: str = Field(default="/v1", pattern=r"^(/[\w.~-]+)*/?$")
    key_env: str | None = None
    terms: str | None = None
    price: HostPrice | None = None
    concurrency: int = Field(default=4, ge=1, le=1024)
    insecure: bool = False
    top_logprobs: int = Field(default=20, ge=0, le=1000)
    timeout_s: Annotated[float, Field(gt=0, le=86_400, strict=False)] = 120.0
    receipt_keys: str | None = None
    replicas: Annotated[tuple[str, ...], Field(strict=False, max_length=256)] = ()

    @property
    def known_price(self) -> Price:
        return Price() if self.price is None else Price(self.price.prompt, self.price.completion)

    @property
    def batch_share(self) -> float:
        """Of the price, what a request in a batch file costs."""
        return 1.0 if self.price is None else self.price.batch

    def key(self, host: str, environment: Mapping[str, str]) -> str | None:
        """The key out of the environment. Raises InputError when the variable is not usable; the
        error never holds its value."""
        if self.key_env is None:
            return None
        key = environment.get(self.key_env, "").strip()
        if not _KEY.fullmatch(key):
            raise InputError(
                expected=f"the key for {host} in the environment variable {self.key_env}",
                found="characters that no key has (not shown)" if key else "nothing there",
                fix=f"export {self.key_env}=... in the shell that runs inbond",
            )
        return key


def read_hosts(path: Path) -> dict[str, Host]:
    """All hosts of the file, by lower-case name; none when the file does not exist.

    Raises InputError naming the field, the value and the fix.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise InputError(
            expected=f"a readable hosts file at {path}", found=str(error), fix="correct the file"
        ) from error
    try:
        value = strict_yaml.parse(data)
    except ValueError as error:
        line = re.match(r"line \d+", str(error))
        raise InputError(
            expected=f"YAML in {path}, in UTF-8",
            found=f"a fault in {line[0]}" if line else "text that is not YAML",
            fix="correct that line: a host, a colon, and indented settings, each name once, no aliases",
        ) from None  # the error quotes the file, and a person may have put a key into it
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise InputError(
            expected=f"hosts with their settings in {path}",
            found=f"a {type(value).__name__}",
            fix="write a host's name, a colon, and its settings indented below",
        )
    return dict(_read_host(path, name, settings) for name, settings in value.items())


def host_of(name: str, hosts: Mapping[str, Host]) -> Host:
    """The settings of ``name`` exactly as given (port included); the defaults when it has none.

    Nothing is inherited from the same host on another port: a key belongs to one service.
    """
    return hosts.get(name.lower(), Host())


def terms_of(name: str, config: Path) -> str | None:
    """The id of a host's terms, as the hosts file in the ``config`` folder names it; None when it does
    not. Raises InputError when the file cannot be read."""
    return host_of(name, read_hosts(config / NAME)).terms


def is_loopback(host: str) -> bool:
    """Whether ``host`` (with or without a port) is this machine, without asking any resolver."""
    name = (urlsplit(f"//{host}").hostname or "").rstrip(".")
    if name == "localhost":
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def origin_of(name: str, host: Host) -> str:
    """Plain http for loopback and for ``insecure: true``, https for everything else."""
    scheme = "http" if is_loopback(name) or host.insecure else "https"
    return f"{scheme}://{name.lower()}"


def base_url(name: str, host: Host) -> str:
    """The host's origin with its base path."""
    return f"{origin_of(name, host)}{host.base_path.rstrip('/')}"


def _read_host(path: Path, name: Any, settings: Any) -> tuple[str, Host]:
    if not isinstance(name, str) or not _HOST.fullmatch(name.lower()):
        raise InputError(
            expected=f"a host such as api.example.com or localhost:8080 in {path}",
            found=repr(name),
            fix="write the host alone, without https:// and without a path",
        )
    try:
        host = Host.model_validate({} if settings is None else settings)
    except ValidationError as error:
        raise _explain(path, name, error) from None
    if host.key_env is not None and not _VARIABLE.fullmatch(host.key_env):
        raise InputError(
            expected=f"the name of an environment variable in {name}.key_env of {path}",
            found="something else (not shown, as it may be a key)",
            fix="put the key into a variable and its name here, for example key_env: EXAMPLE_API_KEY",
        )
    _check_replicas(path, name.lower(), host)
    return name.lower(), host


def _check_replicas(path: Path, name: str, host: Host) -> None:
    others = [other.lower() for other in host.replicas]
    wrong = [other for other in others if not _HOST.fullmatch(other) or others.count(other) > 1]
    if wrong or name in others:
        raise InputError(
            expected=f"{name}.replicas in {path}: other hosts such as gpu-2.lan:8000, each once",
            found=repr((wrong or [name])[0]),
            fix="write hosts alone, without https:// and without a path; all have the settings of this one",
        )


def _explain(path: Path, name: str, error: ValidationError) -> InputError:
    first = error.errors()[0]
    field = ".".join([name, *(str(part) for part in first["loc"])])
    if first["type"] == "extra_forbidden":
        fix = "remove it; the fields are " + ", ".join(Host.model_fields)
        return InputError(expected=f"only known fields in {path}", found=f"{field}", fix=fix)
    secretive = str(first["loc"][:1]) == "('key_env',)" or not first["loc"]
    value = "not shown" if secretive else f"{first['input']!r:.80}"
    return InputError(
        expected=f"in {path}, {field}: {first['msg'].removeprefix('Input should be ')}",
        found=value,
        fix=f"correct {field}; docs/hosts.md shows every field",
    )
