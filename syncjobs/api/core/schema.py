"""Generate the OpenAPI document from the views: parameters, bodies, responses and every possible error."""

from __future__ import annotations

from typing import Any, ClassVar

from drf_spectacular.drainage import has_override
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import OpenApiParameter
from rest_framework import serializers

from bands.text import ID_PATTERN, ONE_LINE, VISIBLE, camel_case

from ...listing import base_filters
from ...listing.base_filters import Parameters
from .exception_handler import SERVER_ERROR
from .fields import Id, Strict, Text
from .idempotency import HEADER, KEY_REUSED, PATTERN
from .tokens import PROBLEMS
from .viewsets import NoBody

TAGS = {
    "auth": "Logging in",
    "admin/sync-jobs": "Jobs",
    "admin/queue": "Queues",
    "admin/sync/errors": "Errors",
    "admin/jobs": "Statistics",
    "admin/quota": "Quota",
    "admin/freshness": "Freshness",
    "admin/schedules": "Schedules",
    "admin/filter-presets": "Filter presets",
    "admin/workers": "Workers",
    "admin/alerts": "Alerts",
    "admin/alert-rules": "Alerts",
    "admin/alert-channels": "Alerts",
    "admin/alert-deliveries": "Alerts",
    "admin/audit": "Audit log",
    "admin/events": "Events",
    "bands": "Bands and videos",
    "videos": "Bands and videos",
    "suggestions": "Bands and videos",
}
_INSTANT = (
    "^(?:[0-9]{3}[1-9]|[0-9]{2}[1-9]0)-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12][0-9]|3[01])"
    r"(?:T(?:[01][0-9]|2[0-3]):[0-5][0-9](?::[0-5][0-9](?:\.[0-9]{1,6})?)?(?:Z|[+-](?:0[0-9]|1[0-4]):[0-5][0-9])?)?$"
)
"""A date, or a time with or without its zone."""
ERROR = {
    "type": "object",
    "properties": {
        "type": {"type": "string", "enum": ["client_error", "validation_error", "server_error"]},
        "message": {"type": "string", "description": "For people: the first error's message."},
        "errors": {
            "type": "array",
            "minItems": 1,
            "items": {
                "type": "object",
                "properties": {
                    "code": {"type": "string", "description": "For programs."},
                    "field": {
                        "type": ["string", "null"],
                        "description": "The invalid field, or null if the error isn't about one field.",
                    },
                    "message": {"type": "string", "description": "For people: what is wrong, or what is valid."},
                },
                "required": ["code", "field", "message"],
            },
        },
        "details": {"type": "object", "description": "Details of some errors, such as allowedAt of recently_synced."},
    },
    "required": ["type", "message", "errors"],
}
REFUSALS: dict[int, tuple[str, str, str | None, str]] = {
    # status: description, code, field, message
    400: ("A parameter or the body is invalid", "invalid", "limit", "Must be a whole number from 1 to 100."),
    401: (
        "No token (`not_authenticated`), or an invalid one: "
        + "; ".join(f"`{code}`: {message}" for code, message in PROBLEMS.items())
        + " At login: `wrong_credentials`.",
        "token_expired",
        None,
        PROBLEMS["token_expired"],
    ),
    403: ("Your role doesn't allow this", "permission_denied", None, "You don't have permission to do this."),
    404: ("There is no such object", "not_found", "id", "There is no job #48213."),
    405: ("The method is not allowed; see Allow", "method_not_allowed", None, 'Method "PUT" not allowed.'),
    406: ("The Accept header can't be satisfied", "not_acceptable", None, "Could not satisfy the request Accept header."),
    409: ("Valid, but not possible in the present state", "wrong_state", None, "Job #48213 has ended already: completed."),
    412: ("It is not the version in If-Match", "precondition_failed", None, "It was changed since you read it."),
    413: ("The body is too large", "too_large", None, "The request's body is larger than 64 kB."),
    415: ("The body isn't JSON", "unsupported_media_type", None, "Send application/json."),
    422: ("The Idempotency-Key belongs to another request", "idempotency_key_reused", HEADER, KEY_REUSED),
    429: ("Too many requests; see Retry-After", "throttled", None, "Request was throttled. Expected available in 12 seconds."),
    500: ("An internal error", "error", None, SERVER_ERROR),
    503: ("Too many at once; see Retry-After", "busy", None, "4 exports are running already."),
}  # fmt: skip


def error_example(status: int) -> dict[str, Any]:
    """Return an example of an error with the status."""
    _, code, field, message = REFUSALS[status]
    kind = "validation_error" if status == 400 else "server_error" if status >= 500 else "client_error"
    return {"type": kind, "message": message, "errors": [{"code": code, "field": field, "message": message}]}


class Schema(AutoSchema):
    """Describes an action by its view: its filter set, its permissions and its rate limit."""

    view: Any

    path_ids: ClassVar[dict[str, Any]] = {"type": "string", "pattern": f"^{ID_PATTERN}$"}

    def get_override_parameters(self) -> list[Any]:
        filters = self.view.get_filterset_class().spelled(camel_case)
        declared = [
            OpenApiParameter(name, parameter_schema(parameter), description=parameter.help_text)
            for name, parameter in filters.items()
        ]
        for name in self._path_names():
            schema = {"type": "string", "pattern": "^[-a-zA-Z0-9_]{1,64}$"} if name == "fingerprint" else self.path_ids
            declared.append(OpenApiParameter(name, schema, location=OpenApiParameter.PATH, required=True))
        if self.view.is_versioned and self.method in ("PATCH", "DELETE"):
            about = "The ETag of the version to change: 412 if somebody has changed it since."
            declared.append(OpenApiParameter("If-Match", str, OpenApiParameter.HEADER, description=about))
        if self._has("is_idempotent"):
            schema = {"type": "string", "pattern": f"^{PATTERN}$", "examples": ["5f0c6f0e-3c1d-4d3b-9a53-0e7a3f5f7a11"]}
            text = (
                "A new value for each request. A repetition with the same value and body gets the same answer for 24 h."
            )
            declared.append(OpenApiParameter(HEADER, schema, location=OpenApiParameter.HEADER, description=text))
        return declared

    def _has(self, mark: str) -> bool:
        """Whether a decorator has marked the action."""
        return hasattr(getattr(self.view, self.view.action), mark)

    def _path_names(self) -> list[str]:
        return [part[1:-1] for part in self.path.split("/") if part.startswith("{")]

    def get_summary(self) -> str:
        return self.get_description().partition("\n")[0].removesuffix(".")

    def get_tags(self) -> list[str]:
        path = self.path.removeprefix("/api/")
        return [next((tag for prefix, tag in TAGS.items() if path.startswith(prefix)), "Other")]

    def get_auth(self) -> list[dict[str, Any]]:
        return [{"jwt": []}] if self.view.get_authenticators() else []

    def _get_response_bodies(self, direction: Any = "response") -> Any:
        responses = super()._get_response_bodies(direction)
        if self._has("has_etag"):
            responses["304"] = {"description": "Unchanged since the response with the ETag in If-None-Match."}
            etag = {"description": "ETag of the response, ignoring asOf.", "schema": {"type": "string"}}
            responses["200"]["headers"] = {"ETag": etag}
        if self.view.is_versioned and "200" in responses and self.view.detail:
            etag = {"description": "Version, for If-Match and If-None-Match.", "schema": {"type": "string"}}
            responses["200"]["headers"] = {"ETag": etag}
            if self.method == "GET":
                responses["304"] = {"description": "Unchanged since the response with the ETag in If-None-Match."}
        location = {
            "description": "The address of what was created, or of the job or bulk action.",
            "schema": {"type": "string"},
        }
        for made in {"201", "202"} & set(responses):
            responses[made]["headers"] = {"Location": location}
        for status in self._refusals():
            responses.setdefault(str(status), {"$ref": f"#/components/responses/Error{status}"})
        return dict(sorted(responses.items()))

    def _refusals(self) -> list[int]:
        has_body = self.method in ("POST", "PATCH")
        found = [400, 405, 406, 500]
        if self.method != "GET":
            found += [413, 415]
        if self.view.get_authenticators():
            found += [401, 403]
        elif has_body:
            found.append(401)
        if self._path_names() or (has_body and self._refers_to_something()):
            found.append(404)
        if self.method in ("POST", "PATCH", "DELETE") and self.view.get_authenticators():
            found.append(409)
        if self._has("is_idempotent"):
            found.append(422)
        if self.view.get_throttles() or self.view.is_limited:
            found.append(429)
        if self.view.is_versioned and self.method in ("PATCH", "DELETE"):
            found.append(412)
        if self.view.is_file:
            found.append(503)
        return found

    def _refers_to_something(self) -> bool:
        """Whether the body names objects by their ids."""
        body = self.get_request_serializer()
        fields = body.fields.values() if isinstance(body, Strict) else ()
        return any(isinstance(getattr(field, "child", field), Id) for field in fields)

    def get_request_serializer(self) -> Any:
        body = super().get_request_serializer()
        return None if isinstance(body, NoBody) else body

    def get_paginated_name(self, serializer_name: str) -> str:
        return f"{serializer_name}{self.view.pagination_class.schema_suffix}"

    def _map_basic_serializer(self, serializer: Any, direction: Any) -> Any:
        schema = super()._map_basic_serializer(serializer, direction)  # type: ignore[no-untyped-call]
        if isinstance(serializer, Strict) and direction == "request":
            schema |= {"additionalProperties": False, **serializer.keywords}
        return schema

    def _map_serializer_field(self, field: Any, direction: Any, bypass_extensions: bool = False) -> Any:
        schema = super()._map_serializer_field(field, direction, bypass_extensions)  # type: ignore[no-untyped-call]
        if isinstance(field, Text) and not has_override(field, "field"):
            schema["pattern"] = f"^(?:{field.pattern})$"
            if field.like:
                schema["examples"] = [field.like]
        if isinstance(field, serializers.ListField) and not field.allow_empty:
            schema["minItems"] = 1
        return schema

    def _insert_field_validators(self, field: Any, schema: dict[str, Any]) -> None:
        super()._insert_field_validators(field, schema)  # type: ignore[no-untyped-call]
        if isinstance(field, Text):
            # For text that may be blank drf-spectacular generates two alternatives that both match "".
            schema |= schema.pop("oneOf", [{}])[0]


def parameter_schema(parameter: base_filters.Parameter) -> dict[str, Any]:
    """Return the JSON Schema of a query parameter."""
    schema: dict[str, Any] = {"type": "string"}
    if isinstance(parameter, base_filters.Choices):
        schema = {"type": "array", "items": schema | {"enum": parameter.choices}, "minItems": 1}
    elif isinstance(parameter, base_filters.Choice):
        schema["enum"] = parameter.choices
    elif isinstance(parameter, base_filters.Pattern):
        schema |= {"pattern": f"^(?:{parameter.pattern})$", "examples": [parameter.example]}
    elif isinstance(parameter, base_filters.Text):
        schema |= {"maxLength": base_filters.MAX_TEXT, "pattern": r"^[^\x00]*$"}
    elif isinstance(parameter, base_filters.Whole):
        schema = {"type": "integer", "minimum": 1, "maximum": parameter.max_value}
    elif isinstance(parameter, base_filters.Instant):
        # Of two alternatives with formats, generated clients make a type that no text or date can be passed for.
        day = 30 if parameter.is_end else 24
        schema |= {"pattern": _INSTANT, "examples": [f"2026-11-{day}", f"2026-11-{day}T09:30:00Z"]}
    return schema if parameter.initial is None else schema | {"default": parameter.initial}


def filter_schema(filters: type[Parameters]) -> dict[str, Any]:
    """Return the JSON Schema of an object in a body that holds filters as query parameters would."""
    properties: dict[str, Any] = {}
    for name, parameter in filters.spelled(camel_case).items():
        schema = parameter_schema(parameter)
        schema.pop("default", None)
        if schema.get("type") == "array":
            either = "|".join(schema["items"]["enum"])
            schema = {"anyOf": [schema, {"type": "string", "pattern": f"^ *(?:{either}) *(?:, *(?:{either}) *)*$"}]}
        elif "maxLength" in schema:
            schema["pattern"] = rf"^{ONE_LINE}{VISIBLE}{ONE_LINE}$"
        properties[name] = schema
    return {
        "type": "object",
        "properties": properties,
        "additionalProperties": False,
        "description": "As the list's query parameters, without page and limit.",
        "examples": [{"status": "FAILED", "sortBy": "completedAt"}],
    }
