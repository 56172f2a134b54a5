"""How the OpenAPI document is made from the views: what each may be asked, and every way it may refuse."""

from __future__ import annotations

from typing import Any, ClassVar

from drf_spectacular.drainage import has_override
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import OpenApiParameter
from rest_framework import serializers

from bands.text import VISIBLE

from ...listing import parameters
from ...listing.parameters import Parameters
from .examples import EXAMPLES
from .exception_handler import SERVER_ERROR
from .fields import Strict, Text
from .tokens import PROBLEMS

_TAGS = {
    "auth": "Logging in",
    "admin/sync-jobs": "Jobs",
    "admin/queue": "Queues",
    "admin/sync/errors": "Errors",
    "admin/jobs": "Figures",
    "admin/quota": "Quota",
    "admin/schedules": "Schedules",
    "admin/filter-presets": "Filter presets",
    "admin/workers": "Workers",
    "admin/audit": "Audit",
    "admin/events": "Events",
    "bands": "Bands and videos",
    "videos": "Bands and videos",
}
ERROR = {
    "type": "object",
    "properties": {
        "type": {"type": "string", "enum": ["client_error", "validation_error", "server_error"]},
        "errors": {
            "type": "array",
            "minItems": 1,
            "items": {
                "type": "object",
                "properties": {
                    "code": {"type": "string", "description": "For programs."},
                    "field": {"type": ["string", "null"], "description": "What was wrong, if it was one thing."},
                    "message": {"type": "string", "description": "For people: what is wrong, or what would be right."},
                },
                "required": ["code", "field", "message"],
            },
        },
        "details": {"type": "object", "description": "More on some errors, such as allowedAt of recently_synced."},
    },
    "required": ["type", "errors"],
}
_REFUSALS: dict[int, tuple[str, str, str | None, str]] = {
    # status: description, code, field, message
    400: ("Something given can't be right", "invalid", "limit", "Must be a whole number from 1 to 100."),
    401: (
        "No token (`not_authenticated`), or one that is worth nothing: "
        + "; ".join(f"`{code}`: {message}" for code, message in PROBLEMS.items())
        + " At log-in: `wrong_credentials`.",
        "token_expired",
        None,
        PROBLEMS["token_expired"],
    ),
    403: ("Your role doesn't allow this", "permission_denied", None, "You may not do this."),
    404: ("There is no such thing", "not_found", "id", "There is no job #48213."),
    405: ("Not this method; `Allow` has those there are", "method_not_allowed", None, 'Method "PUT" not allowed.'),
    406: ("No such representation", "not_acceptable", None, "Could not satisfy the request Accept header."),
    409: ("Right in form, but not as things stand", "wrong_state", None, "Job #48213 has ended already: completed."),
    413: ("The body is too large", "too_large", None, "A body has at most 1 MB."),
    415: ("The body isn't JSON", "unsupported_media_type", None, "Send application/json."),
    429: ("Too often; see Retry-After", "throttled", None, "Request was throttled. Expected available in 12 seconds."),
    500: ("A fault of ours", "error", None, SERVER_ERROR),
    503: ("Too much of it at once; see Retry-After", "busy", None, "4 exports are running, which is the maximum."),
}


def error_example(status: int) -> dict[str, Any]:
    """An error as it comes with the status."""
    _, code, field, message = _REFUSALS[status]
    kind = "validation_error" if status == 400 else "server_error" if status >= 500 else "client_error"
    return {"type": kind, "errors": [{"code": code, "field": field, "message": message}]}


class Schema(AutoSchema):
    """Takes from the view its query parameters (`takes`), its permissions and its rate limit."""

    path_ids: ClassVar[dict[str, Any]] = {"type": "string", "pattern": "^[1-9][0-9]{0,17}$"}

    def get_override_parameters(self) -> list[Any]:
        filters = getattr(self.view, "takes", {}).get(self.method, Parameters).base_filters
        given = [
            OpenApiParameter(name, parameter_schema(parameter), description=parameter.extra.get("help_text", ""))
            for name, parameter in filters.items()
        ]
        for name in self._path_names():
            schema = {"type": "string", "pattern": "^[-a-zA-Z0-9_]{1,64}$"} if name == "fingerprint" else self.path_ids
            given.append(OpenApiParameter(name, schema, location=OpenApiParameter.PATH, required=True))
        return given

    def _path_names(self) -> list[str]:
        return [part[1:-1] for part in self.path.split("/") if part.startswith("{")]

    def get_summary(self) -> str:
        return self.get_description().partition("\n")[0].removesuffix(".")

    def get_tags(self) -> list[str]:
        path = self.path.removeprefix("/api/")
        return [next((tag for prefix, tag in _TAGS.items() if path.startswith(prefix)), "Other")]

    def get_auth(self) -> list[dict[str, Any]]:
        return [{"jwt": []}] if self.view.get_authenticators() else []

    def _get_response_bodies(self, direction: Any = "response") -> Any:
        answers = super()._get_response_bodies(direction)
        if getattr(self.view, "polled", False):
            answers["304"] = {"description": "Nothing has changed since the answer with the ETag in If-None-Match."}
            answers["200"]["headers"] = {
                "ETag": {"description": "Of the answer but asOf.", "schema": {"type": "string"}}
            }
        for status in self._refusals():
            answers.setdefault(str(status), {"$ref": f"#/components/responses/Error{status}"})
        return dict(sorted(answers.items()))

    def _refusals(self) -> list[int]:
        has_body = self.method in ("POST", "PATCH")
        found = [400, 405, 406, 500]
        if self.method != "GET":
            found += [413, 415]
        if self.view.get_authenticators():
            found += [401, 403]
        elif has_body:
            found.append(401)
        if self._path_names() or getattr(self.view, "refers", False):
            found.append(404)
        if self.method in ("POST", "PATCH", "DELETE") and self.view.get_authenticators():
            found.append(409)
        if self.view.get_throttles():
            found.append(429)
        if getattr(self.view, "is_file", False):
            found.append(503)
        return found

    def _map_basic_serializer(self, serializer: Any, direction: Any) -> Any:
        schema = super()._map_basic_serializer(serializer, direction)  # type: ignore[no-untyped-call]
        if isinstance(serializer, Strict) and direction == "request":
            schema |= {"additionalProperties": False, **serializer.rules}
        return schema

    def _map_serializer_field(self, field: Any, direction: Any, bypass_extensions: bool = False) -> Any:
        schema = super()._map_serializer_field(field, direction, bypass_extensions)  # type: ignore[no-untyped-call]
        if isinstance(field, Text) and not has_override(field, "field"):
            schema["pattern"] = f"^(?:{field.pattern})$" if field.pattern else r"^[^\x00]*$"
            if field.like:
                schema["examples"] = [field.like]
        if isinstance(field, serializers.ListField) and not field.allow_empty:
            schema["minItems"] = 1
        return schema

    def _insert_field_validators(self, field: Any, schema: dict[str, Any]) -> None:
        super()._insert_field_validators(field, schema)  # type: ignore[no-untyped-call]
        if isinstance(field, Text):
            # Of text that may be empty drf-spectacular has made two alternatives, both of which "" would be.
            schema |= schema.pop("oneOf", [{}])[0]


def complete(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    """A hook of drf-spectacular: adds the one error shape, its answers, examples, and how to log in."""
    components = result.setdefault("components", {})
    components.setdefault("schemas", {})["Error"] = ERROR
    for name, example in EXAMPLES.items():
        components["schemas"][name]["examples"] = [example]
    components["responses"] = {
        f"Error{status}": {
            "description": told[0],
            "content": {
                "application/json": {"schema": {"$ref": "#/components/schemas/Error"}, "example": error_example(status)}
            },
            **(
                {"headers": {"Retry-After": {"description": "Seconds", "schema": {"type": "integer"}}}}
                if status in (429, 503)
                else {}
            ),
        }
        for status, told in _REFUSALS.items()
    }
    _strip(result)
    _allow_empty_parameters(result)
    components["securitySchemes"] = {"jwt": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}}
    return result


def _allow_empty_parameters(document: dict[str, Any]) -> None:
    operations = [operation for path in document["paths"].values() for operation in path.values()]
    for parameter in [each for operation in operations for each in operation.get("parameters", ())]:
        if parameter["in"] == "query":
            parameter["allowEmptyValue"] = True


def _strip(node: Any) -> None:
    """Take out what drf-spectacular keeps there for its own use."""
    if isinstance(node, dict):
        node.pop("x-spec-enum-id", None)
    for each in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        _strip(each)


def parameter_schema(parameter: parameters.Parameter) -> dict[str, Any]:
    """Return the JSON Schema of a query parameter."""
    field = parameter.field
    schema: dict[str, Any] = {"type": "string"}
    if isinstance(parameter, parameters.Choices):
        schema = {"type": "array", "items": schema | {"enum": list(field.choices)}, "minItems": 1}
    elif isinstance(parameter, parameters.Choice):
        schema["enum"] = list(field.choices)
    elif isinstance(parameter, parameters.Pattern):
        schema |= {"pattern": f"^(?:{field.pattern})$", "examples": [field.example]}
    elif isinstance(parameter, parameters.Text):
        schema |= {"maxLength": field.max_length, "pattern": r"^[^\x00]*$"}
    elif isinstance(parameter, parameters.Whole):
        schema = {"type": "integer", "minimum": 1, "maximum": field.max_value}
    else:
        day = 30 if field.is_end else 24
        schema = {
            "anyOf": [{"type": "string", "format": "date"}, {"type": "string", "format": "date-time"}],
            "examples": [f"2026-11-{day}", f"2026-11-{day}T09:30:00Z"],
        }
    return schema if field.initial is None else schema | {"default": field.initial}


def filter_schema(filters: type[Parameters]) -> dict[str, Any]:
    """An object that holds what these query parameters would, for bodies."""
    properties: dict[str, Any] = {}
    for name, parameter in filters.base_filters.items():
        schema = parameter_schema(parameter)
        schema.pop("default", None)
        if schema.get("type") == "array":
            either = "|".join(schema["items"]["enum"])
            schema = {"anyOf": [schema, {"type": "string", "pattern": f"^ *(?:{either}) *(?:, *(?:{either}) *)*$"}]}
        elif "maxLength" in schema:
            schema["pattern"] = rf"^[^\x00]*{VISIBLE}[^\x00]*$"
        properties[name] = schema
    return {
        "type": "object",
        "properties": properties,
        "additionalProperties": False,
        "description": "As the list's query parameters, without page and limit.",
        "examples": [{"status": "FAILED", "sortBy": "completedAt"}],
    }
