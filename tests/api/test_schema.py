"""The OpenAPI document is valid and complete, and every answer of a busy site matches it."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from django.core.management import call_command
from django.test import Client
from drf_spectacular.generators import SchemaGenerator
from jsonschema import Draft202012Validator, FormatChecker

from syncjobs.api.core.schema import ERROR
from syncjobs.api.serializers.audit import AuditSerializer
from syncjobs.api.serializers.bands import _CHANNEL, BandSerializer
from syncjobs.api.serializers.jobs import AttemptSerializer, EventSerializer
from syncjobs.api.serializers.videos import VideoSerializer
from syncjobs.choices import Role
from syncjobs.youtube.references import parse_channel
from tests.api import schema_hooks  # noqa: F401 - registers its hook
from tests.clients import Api

pytestmark = pytest.mark.django_db


@pytest.mark.django_db(transaction=True)  # Requests through WSGI close their connection.
def test_every_get_answers_as_the_document_describes(schema: Any, ids: Callable[[str], list[str]]) -> None:
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


def test_examples_match_their_schemas(client: Client) -> None:
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
def test_the_document_allows_the_empty_text_that_the_api_accepts(name: str, body: dict[str, Any]) -> None:
    document = SchemaGenerator().get_schema(request=None, public=True)
    validator = Draft202012Validator({"$ref": f"#/components/schemas/{name}", **document})
    assert [error.message for error in validator.iter_errors(body)] == []


@pytest.mark.parametrize(
    "channel",
    [
        "@李",
        "@音楽",
        "@한국",
        "@あ",
        "@Ünïcode.Bänd_1",
        "@the-band.x",
        "https://www.youtube.com/@מצעד",
        "m.youtube.com/@Марш",
    ],
)
def test_the_document_allows_channels_in_every_script(channel: str) -> None:
    assert re.search(_CHANNEL, channel)


def test_the_api_accepts_every_letter_that_the_document_allows() -> None:
    letters = [character for character in map(chr, range(0x80, 0x10000)) if re.search(_CHANNEL, f"@{character}")]
    assert len(letters) > 30_000
    for letter in letters:
        assert parse_channel(f"@{letter}").kind == "handle"


def test_nullable_columns_are_nullable_in_the_document() -> None:
    too_strict = {
        f"{serializer.__name__}.{field.field_name}"
        for serializer in (AttemptSerializer, AuditSerializer, BandSerializer, EventSerializer, VideoSerializer)
        for field in serializer().fields.values()
        for column in serializer.Meta.model._meta.fields
        if column.attname == field.source and column.null and not field.allow_null
    }
    assert too_strict == set()


def test_every_error_response_is_used_by_an_operation() -> None:
    document = SchemaGenerator().get_schema(request=None, public=True)
    operations = [answers["responses"] for path in document["paths"].values() for answers in path.values()]
    used = {answer["$ref"] for answers in operations for answer in answers.values() if "$ref" in answer}
    assert used == {f"#/components/responses/{name}" for name in document["components"]["responses"]}
    assert all({"400", "405", "500"} <= answers.keys() for answers in operations)


def test_descriptions_do_not_mention_the_code() -> None:
    document = SchemaGenerator().get_schema(request=None, public=True)
    descriptions = [schema.get("description", "") for schema in document["components"]["schemas"].values()]
    assert not [text for text in descriptions if re.search(r"\w+_\w+|serializ|annotat", text)]


def test_generators_understand_the_document() -> None:
    """openapi-typescript, orval and openapi-generator failed on each of these, or made types that did not compile."""
    document = SchemaGenerator().get_schema(request=None, public=True)
    assert document["servers"]
    operations = [operation for path in document["paths"].values() for operation in path.values()]
    assert {tag for each in operations for tag in each["tags"]} == {tag["name"] for tag in document["tags"]}
    assert all("security" in each for each in operations)
    is_open = {each["operationId"] for each in operations if each["security"] == []}
    assert is_open == {"logIn", "refreshToken", "logOut"}
    parameters = [parameter for each in operations for parameter in each.get("parameters", ())]
    assert [each["name"] for each in parameters if "anyOf" in each["schema"]] == []
    # The type of the answer of "listAudit" and that of its inline parameter "result" would have the same name.
    assert all("$ref" in each["schema"] for each in parameters if each["name"] == "result")
    schemas = document["components"]["schemas"]
    assert [name for name, schema in schemas.items() if {"oneOf", "properties"} <= schema.keys()] == []
    for name, schema in schemas.items():
        for key, described in schema.get("properties", {}).items():
            assert len(described.get("enum", ())) < 50, (name, key)
            assert "default" not in described, (name, key)
    assert "required" not in schemas["TriggerBodyRequest"]
    assert schemas["TriggerBodyRequest"]["properties"]["syncType"]["description"] == "Default: INCREMENTAL."
    bulk = [each["$ref"].rpartition("/")[2] for each in schemas["BulkBodyRequest"]["oneOf"]]
    assert [schemas[name]["required"] for name in bulk] == [["action", "ids"], ["action", "filter"]]


def test_every_object_has_a_schema() -> None:
    """Only the data of audit entries and events, and thumbnails, have no fixed form."""
    document = SchemaGenerator().get_schema(request=None, public=True)
    free = [
        f"{name}.{field}"
        for name, schema in document["components"]["schemas"].items()
        for field, described in schema.get("properties", {}).items()
        if described in ({}, {"type": "object"}) or described.get("additionalProperties") in (True, {})
    ]
    assert free == ["Audit.data", "Event.data", "Video.thumbnails"]


def test_the_document_is_valid_and_generated_without_warnings(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "schema.yaml"
    call_command("spectacular", "--validate", "--fail-on-warn", "--file", str(file))
    assert file.read_text().startswith("openapi: 3.1")
    assert capsys.readouterr().err == ""


def test_the_document_is_generated_once(monkeypatch: pytest.MonkeyPatch) -> None:
    first = {language: Client().get("/api/schema", headers={"Accept-Language": language}) for language in ("en", "es")}
    monkeypatch.setattr(SchemaGenerator, "get_schema", None)
    for language, answer in first.items():
        again = Client().get("/api/schema", headers={"Accept-Language": language})
        assert (again.status_code, again.content, again["Content-Language"]) == (200, answer.content, language)
    assert first["en"].content != first["es"].content
