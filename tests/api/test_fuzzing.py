"""Generated requests as each role: the API accepts what its OpenAPI document allows, refuses the rest, and answers as described.

The stream of events is left out, since it never ends.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.conf import LazySettings
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import Case, GenerationMode

from syncjobs.choices import Role
from tests.api import schema_hooks  # noqa: F401 - registers its hook
from tests.clients import NOBODY, PLAIN, WHO, Api
from tests.processes import ROOT, environment, web_server

pytestmark = [pytest.mark.fuzz, pytest.mark.django_db(transaction=True), pytest.mark.timeout(900)]
OPTIONS = [
    "--checks=all",
    "--mode=all",
    "--phases=examples,coverage,stateful",
    "--exclude-path=/api/admin/events",
    "--workers=1",
    "-n",
    "5",
    "--generation-deterministic",
    "--continue-on-failure",
    "--no-color",
]
_strategies: dict[tuple[str, GenerationMode], Any] = {}
"""How to generate requests to each operation. It takes as long as sending them."""
EXAMPLES = {NOBODY: 1, PLAIN: 1, Role.MODERATOR: 2, Role.ADMIN: 2, Role.SUPER_ADMIN: 4}


def _whole(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _problems_of(
    operation: Any, mode: GenerationMode, who: str, headers: dict[str, str], ids: Callable[[str], list[str]]
) -> str:
    """Send generated requests; return a problem with its request and answer, or an empty text."""
    problem = ""
    key = (operation.label, mode)
    if key not in _strategies:
        _strategies[key] = operation.as_strategy(generation_mode=mode)

    @settings(
        max_examples=EXAMPLES[who],
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=_strategies[key])
    def check(case: Case) -> None:
        nonlocal problem
        if mode is GenerationMode.POSITIVE:
            # To JSON Schema, 2.0 is an integer. In a query, we take no decimal point.
            case.query = {name: _whole(value) for name, value in (case.query or {}).items()}
            for name, value in case.path_parameters.items():
                there = ids(name)
                if there and len(str(value)) % 2:
                    case.path_parameters[name] = there[sum(map(ord, str(value))) % len(there)]
        response = case.call(headers=headers)
        problem = f"{case.method} {case.path} {case.query} {case.body!r} → {response.status_code} {response.text[:500]}"
        case.validate_response(response, headers=headers)
        problem = ""

    try:
        check()
    except (AssertionError, BaseExceptionGroup) as error:
        return f"{operation.label}: {problem}\n{error}"
    return ""


@pytest.mark.parametrize("mode", list(GenerationMode))
@pytest.mark.parametrize("who", WHO)
def test_generated_requests_are_answered_as_documented(
    who: str, mode: GenerationMode, schema: Any, ids: Callable[[str], list[str]]
) -> None:
    headers = {} if who == NOBODY else Api(who).headers
    problems = [_problems_of(result.ok(), mode, who, headers, ids) for result in schema.get_all_operations()]
    assert len(problems) > 40
    assert not any(problems), "\n\n".join(filter(None, problems))


def test_schemathesis_finds_no_failure(ids: Callable[[str], list[str]], tmp_path: Path, settings: LazySettings) -> None:
    """`st run` tries the examples of the document, values within their bounds and out of them, and sequences of calls.

    It does so as who may do everything: bounds depend on no role, and the test above sends requests as each.
    """
    token = f"Authorization: {Api(Role.SUPER_ADMIN).headers['Authorization']}"
    # The check sends requests without a token, but -H adds it to them.
    headers = ["-H", token, "--exclude-checks=missing_required_header"]
    served = environment(settings.YOUTUBE_API_ENDPOINT) | {"DJANGO_SETTINGS_MODULE": "tests.api.unthrottled"}
    with web_server(served, tmp_path / "web.log") as site:
        done = subprocess.run(
            [Path(sys.executable).with_name("st"), "run", f"{site}/api/schema", *headers, *OPTIONS],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr
    assert all(f"✅ {phase}" in done.stdout for phase in ("Examples", "Coverage", "Stateful"))
