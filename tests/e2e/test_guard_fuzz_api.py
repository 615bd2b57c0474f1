"""The guard as a process, asked by schemathesis what its description allows and what it does not.

``INBOND_FUZZ=20000`` asks each route so often instead of forty times.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import content_type_conformance, response_schema_conformance

from tests.e2e.test_guard_gateway import KEY, everything, guarding, mocked

DESCRIPTION = json.loads((Path(__file__).parents[1] / "fixtures/guard/openapi.json").read_text())
EACH = settings(
    max_examples=int(os.environ.get("INBOND_FUZZ", "40")),
    deadline=None,
    suppress_health_check=list(HealthCheck),
)


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CONFIG_HOME", str(tmp_path_factory.mktemp("config")))
        folder = tmp_path_factory.mktemp("guard")
        with mocked(everything) as host, guarding(folder, f"http://{host.host}") as guard:
            yield guard.address.removesuffix("/v1")
            assert guard.process.poll() is None
            assert guard.get("/health")[0] == 200
            assert KEY not in guard.log.read_text()


SCHEMA = schemathesis.openapi.from_dict(DESCRIPTION)
OPERATIONS = {found.ok().label: found.ok() for found in SCHEMA.get_all_operations()}


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE], ids=["allowed", "not"])
@pytest.mark.parametrize("label", OPERATIONS)
def test_every_answer_is_as_described(address: str, label: str, mode: GenerationMode) -> None:
    """No error of ours, and what is refused is refused in an object of OpenAI's form."""
    if label.startswith("GET") and mode is GenerationMode.NEGATIVE:
        return  # it has nothing that could be wrong
    statuses = set()
    cases = OPERATIONS[label].as_strategy(generation_mode=mode)

    @EACH
    @given(case=cases)
    def every(case: schemathesis.Case) -> None:
        case.headers = {**(case.headers or {}), "authorization": f"Bearer {KEY}"}
        answer = case.call(base_url=address, timeout=20)
        case.validate_response(
            answer, checks=[not_a_server_error, content_type_conformance, response_schema_conformance]
        )
        assert answer.status_code in (200, 400, 404, 408, 413, 415, 429), answer.text
        statuses.add(answer.status_code)

    every()
    assert 200 in statuses if mode is GenerationMode.POSITIVE else 400 in statuses
