"""The OpenAPI document is true: whatever it allows is taken, whatever it doesn't is refused, and answers look like it.

Everything in it is tried as each role, but what it doesn't hold: the stream of events, which never ends.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import jsonschema
import pytest
import schemathesis
from django.core.management import call_command
from django.core.wsgi import get_wsgi_application
from django.test import Client
from drf_spectacular.generators import SchemaGenerator
from hypothesis import HealthCheck, Phase, given, settings
from jsonschema import Draft202012Validator, FormatChecker
from rest_framework.throttling import SimpleRateThrottle
from schemathesis import Case, GenerationMode

from bands.models import Video
from syncjobs import lifecycle
from syncjobs.api.band_serializers import BandSerializer, VideoSerializer
from syncjobs.api.schema import ERROR
from syncjobs.api.serializers import AttemptSerializer, AuditSerializer, EventSerializer
from syncjobs.choices import JobStatus, Role
from syncjobs.models import ErrorGroup, FilterPreset, SyncJob
from tests.api.test_contract import NOBODY, PLAIN, WHO, Api
from tests.helpers import claim, make_band, queue_job

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(900)]
EXAMPLES = {NOBODY: 1, PLAIN: 1, Role.MODERATOR: 2, Role.ADMIN: 3, Role.SUPER_ADMIN: 5}


@pytest.fixture
def ids(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], str]:
    """Something of everything; and by path parameter, the id of one."""
    monkeypatch.setattr(SimpleRateThrottle, "THROTTLE_RATES", {"login": None, "trigger": None})
    for number, status in enumerate(JobStatus.values):
        band = make_band(f"band{number}", f"@band{number}")
        Video.objects.create(youtube_id=f"v{number}", band=band, title="Halftime", tags=["a"])
        job = queue_job(band=band)
        SyncJob.objects.filter(pk=job.pk).update(status=status)
    queue_job("PRUNE")  # type: ignore[arg-type]
    lifecycle.fail(claim("maintenance"), "It broke.", reason="broken")
    FilterPreset.objects.create(name="shared", created_by="pat")
    known = {
        "job_id": lambda: SyncJob.objects.order_by("?"),
        "band_id": lambda: SyncJob.objects.exclude(band=None).order_by("?").values_list("band", flat=True),
        "preset_id": lambda: FilterPreset.objects.all(),
        "fingerprint": lambda: ErrorGroup.objects.all(),
    }

    def id_of(name: str) -> str:
        found = known[name]().first() if name in known else None
        return str(getattr(found, "pk", found) or 1)

    return id_of


@pytest.fixture
def schema() -> Any:
    return schemathesis.openapi.from_wsgi("/api/schema", get_wsgi_application()).exclude(path="/api/admin/events")


def _make_sense(case: Case) -> None:
    """What JSON Schema can't say: that an end lies after its start, and that there is no 31st of February."""
    bodies = [case.body.get(name) for name in ("filter", "filters")] if isinstance(case.body, dict) else []
    for given_ in (case.query, *bodies):
        if isinstance(given_, dict) and "startDate" in given_ and "endDate" in given_:
            del given_["endDate"]
    if isinstance(case.body, dict) and isinstance(case.body.get("cron"), dict):
        case.body["cron"].pop("monthOfYear", None)


def _try(operation: Any, mode: GenerationMode, who: str, headers: dict[str, str], ids: Callable[[str], str]) -> str:
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
            _make_sense(case)
            for name, value in case.path_parameters.items():
                if len(str(value)) % 2:
                    case.path_parameters[name] = ids(name)
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
def test_the_document_is_true(who: str, mode: GenerationMode, schema: Any, ids: Callable[[str], str]) -> None:
    headers = {} if who == NOBODY else Api(who).headers
    problems = [_try(result.ok(), mode, who, headers, ids) for result in schema.get_all_operations()]
    assert len(problems) > 40
    assert not any(problems), "\n\n".join(filter(None, problems))


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
