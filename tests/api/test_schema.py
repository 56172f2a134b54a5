"""The OpenAPI document is true: whatever it allows is taken, whatever it doesn't is refused, and answers look like it.

Everything in it is tried as each role, but what it doesn't hold: the stream of events, which never ends.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import schemathesis
from django.conf import LazySettings
from django.core.management import call_command
from django.core.wsgi import get_wsgi_application
from django.db.models import QuerySet
from django.test import Client
from django_celery_beat.models import PeriodicTask
from drf_spectacular.generators import SchemaGenerator
from hypothesis import HealthCheck, Phase, given, settings
from jsonschema import Draft202012Validator, FormatChecker
from rest_framework.throttling import SimpleRateThrottle
from schemathesis import Case, GenerationMode

from bands.models import Band
from syncjobs.api.core.schema import ERROR
from syncjobs.api.serializers.audit import AuditSerializer
from syncjobs.api.serializers.bands import BandSerializer
from syncjobs.api.serializers.jobs import AttemptSerializer, EventSerializer
from syncjobs.api.serializers.videos import VideoSerializer
from syncjobs.choices import Role
from syncjobs.models import BulkAction, ErrorGroup, FilterPreset, SyncJob
from syncjobs.operations import errors, schedules, triggers
from tests.api import sense  # noqa: F401 - registers its hook
from tests.browser import world
from tests.clients import NOBODY, PLAIN, WHO, Api
from tests.factories import PERSON
from tests.processes import ROOT, environment, web_server

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(900)]
OPTIONS = [
    "--checks=all",
    "--phases=examples,coverage,stateful",
    "--exclude-path=/api/admin/events",
    "--workers=1",
    "-n",
    "5",
    "--generation-deterministic",
    "--continue-on-failure",
    "--no-color",
]
EXAMPLES = {NOBODY: 1, PLAIN: 1, Role.MODERATOR: 2, Role.ADMIN: 3, Role.SUPER_ADMIN: 5}


@pytest.fixture
def ids(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], list[str]]:
    """A site in the middle of its day; and by path parameter, the ids there are."""
    monkeypatch.setattr(SimpleRateThrottle, "THROTTLE_RATES", {"login": None, "trigger": None})
    world.fill()
    errors.acknowledge_errors(PERSON, ErrorGroup.objects.earliest("pk").pk, "Fixed by the new handle.")
    triggers.trigger_sync(PERSON, None, full=False)
    FilterPreset.objects.create(name="shared", created_by="pat")
    schedules.save(PERSON, None, {"name": "Often", "jobType": "ENRICH", "interval": {"every": 6, "period": "hours"}})
    BulkAction.objects.create(action="retry", total=3, done=1, succeeded=1, job_ids=[1, 2, 3])
    known: dict[str, QuerySet[Any]] = {
        "job_id": SyncJob.objects.all(),
        "band_id": Band.objects.all(),
        "preset_id": FilterPreset.objects.all(),
        "schedule_id": PeriodicTask.objects.all(),
        "bulk_id": BulkAction.objects.all(),
        "fingerprint": ErrorGroup.objects.all(),
    }
    return lambda name: [str(pk) for pk in known[name].values_list("pk", flat=True)]


@pytest.fixture
def schema() -> Any:
    return schemathesis.openapi.from_wsgi("/api/schema", get_wsgi_application()).exclude(path="/api/admin/events")


def _try(
    operation: Any, mode: GenerationMode, who: str, headers: dict[str, str], ids: Callable[[str], list[str]]
) -> str:
    """Send what is generated; returns what went wrong, the request and answer first."""
    problem = ""

    @settings(
        max_examples=EXAMPLES[who],
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def check(case: Case) -> None:
        nonlocal problem
        if mode is GenerationMode.POSITIVE:
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
def test_the_document_is_true(who: str, mode: GenerationMode, schema: Any, ids: Callable[[str], list[str]]) -> None:
    headers = {} if who == NOBODY else Api(who).headers
    problems = [_try(result.ok(), mode, who, headers, ids) for result in schema.get_all_operations()]
    assert len(problems) > 40
    assert not any(problems), "\n\n".join(filter(None, problems))


@pytest.mark.parametrize("who", WHO)
def test_its_command_finds_it_true_too(
    who: str, ids: Callable[[str], list[str]], tmp_path: Path, settings: LazySettings
) -> None:
    """`st run`, with what it tries by itself: the document's own examples, and the bounds of everything."""
    headers = [] if who == NOBODY else ["-H", f"Authorization: {Api(who).headers['Authorization']}"]
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


def test_all_that_a_busy_site_answers_is_as_it_says(schema: Any, ids: Callable[[str], list[str]]) -> None:
    headers = Api(Role.SUPER_ADMIN).headers
    asked = 0
    for operation in (result.ok() for result in schema.get_all_operations()):
        if operation.method != "get":
            continue
        (name,) = re.findall(r"{(\w+)}", operation.path) or [""]
        for value in ids(name) if name else [""]:
            case = operation.Case(path_parameters={name: value} if name else {})
            response = case.call(headers=headers)
            assert response.status_code == 200
            case.validate_response(response, headers=headers)
            asked += 1
    assert asked > 100


def test_its_examples_are_right(client: Client) -> None:
    document = client.get("/api/schema").json()
    assert document["openapi"].startswith("3.1")
    for name, schema in document["components"]["schemas"].items():
        for example in schema.get("examples", ()):
            rooted = {"$ref": f"#/components/schemas/{name}", "components": document["components"]}
            jsonschema.validate(example, rooted, Draft202012Validator, format_checker=FormatChecker())
    for answer in document["components"]["responses"].values():
        jsonschema.validate(answer["content"]["application/json"]["example"], ERROR)


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("PauseBodyRequest", {"reason": ""}),
        ("NoteBodyRequest", {"note": ""}),
        ("PatchedBandBodyRequest", {"city": "", "primaryColor": "", "youtubeChannel": "", "searchKeywords": [""]}),
    ],
)
def test_text_that_may_be_empty_may_be_so_by_the_document(name: str, body: dict[str, Any]) -> None:
    document = SchemaGenerator().get_schema(request=None, public=True)
    jsonschema.validate(body, {"$ref": f"#/components/schemas/{name}", **document}, Draft202012Validator)


def test_what_is_null_in_the_database_may_be_so_by_the_document() -> None:
    told = {
        f"{serializer.__name__}.{field.field_name}"
        for serializer in (AttemptSerializer, AuditSerializer, BandSerializer, EventSerializer, VideoSerializer)
        for field in serializer().fields.values()
        for column in serializer.Meta.model._meta.fields
        if column.attname == field.source and column.null and not field.allow_null
    }
    assert told == set()


def test_every_error_it_has_is_one_that_some_address_gives() -> None:
    document = SchemaGenerator().get_schema(request=None, public=True)
    operations = [answers["responses"] for path in document["paths"].values() for answers in path.values()]
    given_ = {answer["$ref"] for answers in operations for answer in answers.values() if "$ref" in answer}
    assert given_ == {f"#/components/responses/{name}" for name in document["components"]["responses"]}
    assert all({"400", "405", "500"} <= answers.keys() for answers in operations)


def test_it_tells_its_readers_of_the_api_and_not_of_the_code() -> None:
    document = SchemaGenerator().get_schema(request=None, public=True)
    told = [schema.get("description", "") for schema in document["components"]["schemas"].values()]
    assert not [text for text in told if re.search(r"\w+_\w+|serializ|annotat", text)]


def test_nothing_in_it_is_a_free_form_object() -> None:
    """But what has no form of its own: thumbnails, the data of events and of the audit, and details of errors."""
    document = SchemaGenerator().get_schema(request=None, public=True)
    free = [
        f"{name}.{field}"
        for name, schema in document["components"]["schemas"].items()
        for field, told in schema.get("properties", {}).items()
        if told in ({}, {"type": "object"}) or told.get("additionalProperties") in (True, {})
    ]
    assert free == ["Audit.data", "Event.data", "Video.thumbnails"]


def test_it_is_valid_and_no_warning_goes_with_it() -> None:
    call_command("spectacular", "--validate", "--fail-on-warn", "--file", "/dev/null")
